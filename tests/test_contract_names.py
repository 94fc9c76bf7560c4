"""Task roots that hold modules with our own packages' names: the user's code imports its own."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from support.files import Files, write
from support.runtime import Ask
from test_contract_strings import archive

NAMES = ("dispatch", "conventions", "runtime")
KINDS = {
    "module": lambda name: {f"{name}.py": f"OWN = 'own {name}'\n"},
    "package": lambda name: {
        f"{name}/__init__.py": f"OWN = 'own {name}'\n",
        f"{name}/part.py": f"OWN = 'own {name}'\n",
    },
    "folder": lambda name: {f"{name}/part.py": f"OWN = 'own {name}'\n"},
}
HANDLER = """
{imports}
def handler(event, headers):
    import {name} as again
    return {value}
"""


def files(name: str, kind: str, imports: str, value: str) -> Files:
    """A task root with a module of that name, of that kind, and a handler that imports it."""
    return {**KINDS[kind](name), "app.py": HANDLER.format(imports=imports, name=name, value=value)}


@pytest.mark.parametrize("cwd", ["root", "/"])
@pytest.mark.parametrize(("name", "kind"), [*itertools.product(NAMES, KINDS)])
def test_user_gets_its_own(ask: Ask, tmp_path: Path, name: str, kind: str, cwd: str) -> None:
    """At import time and later, from any starting folder, the import finds the task root's."""
    module = name if kind == "module" else f"{name}.part"
    task = files(name, kind, f"import {module}\nfrom {module} import OWN\n", f"OWN + ', ' + {module}.OWN")
    write(tmp_path / "task", task)
    folder = tmp_path / "task" if cwd == "root" else Path(cwd)
    assert f"own {name}, own {name}" == ask(task, cwd=folder).body.decode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("convention", ["standard", "json", "lambda", "stream"])
def test_all_three_at_once(ask: Ask, convention: str, kind: str) -> None:
    """With all three names taken every convention still works, failing and streaming too."""
    own = "" if kind == "module" else ".part"
    names = "".join(f"import {name}{own}\n" for name in NAMES)
    body = f"names = [{', '.join(f'{name}{own}.OWN' for name in NAMES)}]"
    write_out = "output.write(repr(names).encode())" if convention == "stream" else "return repr(names)"
    arguments = "input, output, headers" if convention == "stream" else "event, headers"
    source = f"{names}\ndef handler({arguments}):\n    {body}\n    {write_out}\n"
    task: dict[str, str] = {"app.py": source}
    for name in NAMES:
        task.update(KINDS[kind](name))
    answer = ask(task, b"1", convention=convention)
    assert "['own dispatch', 'own conventions', 'own runtime']" in answer.body.decode()


@pytest.mark.parametrize("kind", KINDS)
def test_script_with_our_names(ask: Ask, kind: str) -> None:
    """Scripts and expressions import the task root's modules as well."""
    own = "" if kind == "module" else ".part"
    task = {**KINDS[kind]("runtime"), "s.py": f"import runtime{own}\nprint(runtime{own}.OWN, end='')\n"}
    assert b"own runtime" == ask(task, handler="s.py").body
    assert b"own runtime" == ask(task, handler=f"import runtime{own}; runtime{own}.OWN + event").body


@pytest.mark.parametrize("name", NAMES)
def test_handler_inside_a_module_of_our_name(ask: Ask, name: str) -> None:
    """The handler may itself live in a module of that name."""
    source = "def handler(event, headers):\n    return f'{__name__} {event}'\n"
    assert f"{name} x" == ask({f"{name}.py": source}, b"x", f"{name}.handler").body.decode()


@pytest.mark.parametrize("name", NAMES)
def test_handler_in_a_package_of_our_name(ask: Ask, name: str) -> None:
    """The same inside a package and inside a folder without __init__.py."""
    source = "def handler(event, headers):\n    return f'{__name__} {event}'\n"
    files = {f"{name}/part.py": source}
    assert f"{name}.part x" == ask(files, b"x", f"{name}/part.handler").body.decode()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("handler", ["{name}/deep/part.handler", "{name}.deep.part.handler", "app.handler"])
def test_package_whose_modules_are_further_down(ask: Ask, name: str, handler: str) -> None:
    """A package is the user's as well if only folders in it have modules."""
    source = "def handler(event, headers):\n    return f'{__name__} {event}'\n"
    task = {f"{name}/deep/part.py": source, f"{name}/data.json": "{}", "app.py": f"from {name}.deep.part import *\n"}
    assert f"{name}.deep.part x" == ask(task, b"x", handler.format(name=name)).body.decode()


@pytest.mark.parametrize("name", NAMES)
def test_folder_without_modules(ask: Ask, name: str) -> None:
    """A folder of that name that holds only data does not stand in the way of ours."""
    task = {f"{name}/deep/data.json": "", "app.py": f"import {name}\ndef handler(*_):\n    return {name}.__file__\n"}
    assert ask(task).body.decode().endswith(f"{name}/__init__.py")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("handler", ["a.pyz", "a.pyz/{name}.handler", "a.pyz/app.handler"])
def test_archive_with_our_names(ask: Ask, name: str, handler: str) -> None:
    """A module of our name in an archive is what the archive's code imports, and so is a handler in it."""
    source = "OWN = 'own'\ndef handler(event, headers):\n    return f'{OWN} {__name__}'\n"
    main = f"import {name}\nprint({name}.OWN, {name}.__name__, end='')\n"
    task = {"a.pyz": archive(**{name: source, "app": f"from {name} import handler\n", "__main__": main})}
    for files in (task, {**task, f"{name}.py": "OWN = 'the root'\n"}):
        assert f"own {name}" == ask(files, b"x", handler.format(name=name)).body.decode()


def test_failure_among_our_names(ask: Ask) -> None:
    """An error inside the user's runtime.py keeps its frames: they are not ours to cut."""
    task = {
        "runtime.py": "def fail():\n    raise KeyError('own')\n",
        "app.py": "import runtime\ndef handler(event, headers):\n    runtime.fail()\n",
    }
    trace = "".join(ask(task).report["stackTrace"])
    assert "runtime.py" in trace
    assert "app.py" in trace


def test_ours_is_there_where_the_task_root_has_none(ask: Ask) -> None:
    """A handler may import dispatch although the task root has its own runtime.py."""
    task = {
        "runtime.py": "OWN = 'own'\n",
        "app.py": "import dispatch, runtime\n"
        "def handler(event, headers):\n    return runtime.OWN + str(dispatch.current().request_id in repr(dict(headers)))\n",
    }
    assert b"ownTrue" == ask(task).body


@pytest.mark.parametrize("library", ["pluggy", "simplejson", "httptools", "json", "logging"])
def test_modules_named_like_our_libraries(ask: Ask, library: str) -> None:
    """A module of the task root named like something that we use does not stop the runtime."""
    task = {
        "app.py": f"import {library}\ndef handler(event, headers):\n    return {library}.OWN\n",
        f"{library}.py": "OWN = 'own'\n",
    }
    assert b"own" == ask(task).body
