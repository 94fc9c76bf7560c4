"""A library that is imported late is the one that would have been imported before user code ran."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.api import event
from support.runtime import Serve

from conventions import codec
from dispatch.late import Late

ROOT = Path(__file__).resolve().parent.parent

#: A handler whose first answer needs simplejson, and whose second one tells which module user code gets.
NAMED = "from collections import namedtuple\nimport sys\nPoint = namedtuple('Point', 'x y')\n"
THEN_IMPORT = (
    NAMED
    + "def handler(event, context):\n    if event:\n        return Point(1, 2)\n    import {name}\n    return {name}.OWN\n"
)


@pytest.mark.parametrize("order", [[b"1", b"0", b"1"], [b"0", b"1", b"0"]], ids=["ours first", "user's first"])
@pytest.mark.parametrize("name", ["simplejson", "decimal", "re", "numbers"])
def test_a_task_root_with_such_a_module(serve: Serve, name: str, order: list[bytes]) -> None:
    """The answer is written by the library, and user code gets the module that is its own, in whatever order."""
    files = {f"{name}.py": "OWN = 'own'\n", "app.py": THEN_IMPORT.format(name=name)}
    runtime = serve(files, convention="lambda")
    expected = {b"1": b'{"x": 1, "y": 2}', b"0": b'"own"'}
    assert [expected[each] for each in order] == [runtime.invoke(each).body for each in order]


def test_a_package_without_an_init(serve: Serve) -> None:
    """A folder of the task root that is named like the library, with a module in it, is user code's."""
    source = (
        NAMED + "def handler(event, context):\n    from simplejson import part\n    return Point(part.OWN, event)\n"
    )
    runtime = serve({"simplejson/part.py": "OWN = 'own'\n", "app.py": source}, convention="lambda")
    assert [b'{"x": "own", "y": 1}'] * 2 == [runtime.invoke(b"1").body for _ in range(2)]


CHANGES = {
    "the path": "sys.path.insert(0, 'other')",
    "all of the path": "sys.path[:] = ['other']",
    "the folder": "os.chdir('/')",
    "a module": "sys.modules['decimal'] = sys.modules['re'] = sys.modules['simplejson'] = object()",
    "the finders": "sys.meta_path[:0] = [Failing()]",
    "no finders": "sys.meta_path.clear()",
    "no module": "sys.modules['decimal'] = sys.modules['re'] = sys.modules['simplejson'] = None",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_user_code_has_changed(serve: Serve, change: str) -> None:
    """Changes of the path and of the loaded modules, by which user code gets other modules, are no hindrance."""
    files = dict.fromkeys((f"other/{name}.py" for name in ("simplejson", "re", "decimal")), "1 / 0\n")
    source = f"""
import os
{NAMED}
class Failing:
    def find_spec(self, *arguments):
        raise TimeoutError
def handler(event, context):
    if event: {change}
    return Point(1, event)
"""
    runtime = serve({**files, "app.py": source}, convention="lambda")
    assert [b'{"x": 1, "y": 1}', b'{"x": 1, "y": 0}'] == [runtime.invoke(each).body for each in (b"1", b"0")]


def test_the_real_library_stays(serve: Serve) -> None:
    """Where user code would find the same library, it gets the one that is loaded, and its numbers are known."""
    source = """
import sys
from decimal import Decimal
def handler(event, context):
    if event:
        return {"price": Decimal("1.10")}
    loaded = sys.modules["simplejson"]
    import simplejson
    return simplejson is loaded and simplejson.loads("1.0", use_decimal=True) == Decimal(1)
"""
    runtime = serve(source, convention="lambda")
    assert [b'{"price": 1.10}', b"true"] == [runtime.invoke(each).body for each in (b"1", b"0")]


SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
PRELOAD = {"HANDLER_WORKERS": "2", "HANDLER_PRELOAD": "1"}


@pytest.mark.parametrize("env", [SNAP_START, PRELOAD], ids=["snapshot", "fork"])
def test_environments_that_start_from_the_memory_of_another(serve: Serve, env: dict[str, str]) -> None:
    """None of them has to import the library itself."""
    source = "import sys\ndef handler(event, context):\n    return 'simplejson' in sys.modules\n"
    assert [b"false", b"true"] == [serve(source, convention="lambda", env=each).invoke(b"1").body for each in ({}, env)]


def test_an_import_that_fails_is_repeated(serve: Serve) -> None:
    """If the import is interrupted, that event fails; the next one does not."""
    source = f"""
import sys
{NAMED}
left = ["decimal"]
def hook(event, arguments):
    if event == "import" and arguments[0] in left:
        left.remove(arguments[0])
        raise TimeoutError("interrupted")
def handler(event, context):
    if event: sys.addaudithook(hook)
    return Point(1, 2)
"""
    runtime = serve(source, convention="lambda")
    assert "interrupted" in runtime.invoke(b"1").report["errorMessage"]
    assert b'{"x": 1, "y": 2}' == runtime.invoke(b"0").body


def test_sigterm_during_the_import(serve: Serve) -> None:
    """The process ends as always."""
    source = f"""
import os, signal, sys
{NAMED}
def hook(event, arguments):
    if event == "import" and arguments[0] == "decimal":
        os.kill(os.getpid(), signal.SIGTERM)
def handler(event, context):
    sys.addaudithook(hook)
    return Point(1, 2)
"""
    files = {"app.py": source, "own.py": "def dispatch_shutdown(reason): print('HOOK', reason)\n"}
    runtime = serve(files, convention="lambda", env={"HANDLER_PLUGINS": "own"})
    runtime.api.hand_out(event(b"1"))
    assert 0 == runtime.child.wait()
    assert "HOOK SIGTERM" in runtime.child.log
    assert "Traceback" not in runtime.child.log


THREADS = """
import sys, threading
from collections import namedtuple
from conventions import codec
Point = namedtuple("Point", "x y")
dumps = codec.encoder(blanks=True)
start, found = threading.Barrier(24), []
def work(number):
    start.wait()
    if number % 3 == 0:
        found.append(dumps(Point(1, 2)))
    elif number % 3 == 1:
        import decimal
        found.append(decimal.Decimal and b"decimal")
    else:
        try:
            found.append(codec.loads(b'["\\x01"]'))
        except ValueError as error:
            found.append(type(error).__name__.encode())
        import json
        json.decoder.JSONDecoder
threads = [threading.Thread(target=work, args=(number,)) for number in range(24)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(sorted(set(found)), len(found), sys.modules["simplejson"] is codec.simplejson(), len(sys.meta_path))
"""


def test_threads() -> None:
    """Several threads may need the library, or other modules, at the same time."""
    before = f"import sys\nsys.setswitchinterval(1e-6)\nprint(len(sys.meta_path))\n{THREADS}"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", before], env=env, capture_output=True, text=True, check=True)
    finders, told = done.stdout.splitlines()
    assert f"[b'JSONDecodeError', b'decimal', b'{{\"x\": 1, \"y\": 2}}'] 24 True {finders}" == told


@pytest.mark.parametrize("data", [b'["\x01"]', b"{1}", b'"\\u12"'])
def test_a_broken_event_runs_no_code_of_the_task_root(serve: Serve, data: bytes) -> None:
    """Python's parser would import json for its error; a json.py that no one has imported is not run."""
    files = {"json.py": "print('RUN')\n", "app.py": "def handler(event, context): return 1\n"}
    runtime = serve(files, convention="lambda")
    assert "Runtime.UnmarshalError" == runtime.invoke(data).report["errorType"]
    assert b"1" == runtime.invoke(b"{}").body
    assert "RUN" not in runtime.end()


def test_a_large_event_in_a_process_without_descriptors(serve: Serve) -> None:
    """Whatever would only have made it faster is done without."""
    source = """
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
def handler(event, context):
    try:
        while True: os.open(os.devnull, 0)
    except OSError:
        return len(event)
"""
    runtime = serve(source, convention="lambda")
    large = codec.WORTH_ORJSON
    answers = [runtime.invoke(b'"%b"' % (b"x" * size)).body for size in (1, large, 2)]
    assert [b"1", str(large).encode(), b"2"] == answers


def test_a_library_that_is_missing() -> None:
    """The error is an ordinary one."""
    with pytest.raises(ImportError, match="no_such_library"):
        Late("no_such_library")()
    assert codec.simplejson() is codec.simplejson()
