"""Plugins: found, named, blocked, broken, and told of what happens."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.files import Files, write
from support.runtime import Ask, Fail, Serve
from support.text import missing

import dispatch
from dispatch.shadowing import OUR_PACKAGES

SHOUT = """
from dispatch import respond
def shout(function):
    def handle(invocation):
        return respond(function(invocation.body.decode()), lambda text: text.upper() + "{mark}", "text/plain")
    return handle
def dispatch_conventions():
    return {{"shout": shout}}
"""
APP = "def handler(*arguments):\n    return arguments[0]\n"


def distribution(name: str, source: str, entry: str = "") -> Files:
    """An installed distribution with one module and one entry point."""
    return {
        f"{name}.py": source,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/entry_points.txt": entry
        or f"[console_scripts]\nx = y:z\n\n[dispatch]\n{name} = {name}\n",
    }


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """A folder on Python's path where distributions can be put; the variable that puts it there."""
    (tmp_path / "site").mkdir()
    return {"PYTHONPATH": str(tmp_path / "site")}


def install(env: dict[str, str], *distributions: Files) -> None:
    """Put them there."""
    for files in distributions:
        write(Path(env["PYTHONPATH"]), files)


def test_by_entry_point(ask: Ask, installed: dict[str, str]) -> None:
    """A convention of an installed distribution is there by its name."""
    install(installed, distribution("acme_shout", SHOUT.format(mark="!")))
    answer = ask(APP, b"hey", convention="shout", env=installed)
    assert (b"HEY!", "text/plain") == (answer.body, answer.request.header("Content-Type"))


def test_by_setting(ask: Ask) -> None:
    """HANDLER_PLUGINS registers modules of the task root or of Python's path."""
    files = {"app.py": APP, "own_shout.py": SHOUT.format(mark="?")}
    assert b"HEY?" == ask(files, b"hey", convention="shout", env={"HANDLER_PLUGINS": "own_shout"}).body


@pytest.mark.parametrize("setting", ["one two", "one,two", "one, two"])
def test_several_by_setting(ask: Ask, setting: str) -> None:
    """Several are named in one setting."""
    one = "def dispatch_startup(function):\n    print('one started', function.convention)\n"
    files = {"app.py": APP, "one.py": one, "two.py": SHOUT.format(mark="2")}
    assert b"HEY2" == ask(files, b"hey", convention="shout", env={"HANDLER_PLUGINS": setting}).body


def test_blocking(fail: Fail, installed: dict[str, str]) -> None:
    """-name blocks an installed plugin: its convention is unknown, and the message says why."""
    install(installed, distribution("acme_shout", SHOUT.format(mark="!")))
    failed = fail(APP, convention="shout", env={**installed, "HANDLER_PLUGINS": "-acme_shout"})
    assert "Runtime.UnknownConvention" == failed.type
    assert "shout" in failed.report["errorMessage"]


@pytest.mark.parametrize("kind", ["def", "async def", "generator", "async generator"])
def test_third_party_async_and_streams(ask: Ask, kind: str) -> None:
    """A convention that says not a word about them takes coroutines and generators."""
    word = "async def" if "async" in kind else "def"
    verb = "yield" if "generator" in kind else "return"
    files = {"app.py": f"{word} handler(text):\n    {verb} text\n", "own.py": SHOUT.format(mark="!")}
    answer = ask(files, b"hey", convention="shout", env={"HANDLER_PLUGINS": "own"})
    assert (b"hey" if verb == "yield" else b"HEY!") == answer.body
    assert ("streaming" if verb == "yield" else None) == answer.request.header("Lambda-Runtime-Function-Response-Mode")


BROKEN = {
    "import error": ("import no_such_library\n", "no_such_library"),
    "raises": ("1 / 0\n", "division by zero"),
    "syntax": ("def x(:\n", "broken"),
    "exits": ("import sys\nsys.exit(3)\n", "broken"),
    "wrong argument": ("def dispatch_startup(function, nonsense):\n    pass\n", "nonsense"),
    "misspelled": ("def dispatch_statup(function):\n    pass\n", "dispatch_statup"),
    "conventions raise": ("def dispatch_conventions():\n    raise KeyError('own')\n", "own"),
    "conventions are no mapping": ("def dispatch_conventions():\n    return 5\n", "broken"),
    "conventions without a name": (
        "def dispatch_conventions():\n    return {1: id, None: id}\n",
        "must map names to functions",
    ),
    "conventions without a function": (
        "def dispatch_conventions():\n    return {'x': 5}\n",
        "must map names to functions",
    ),
    "unprintable": (
        "class E(Exception):\n    def __str__(self): raise KeyError\nraise E\n",
        "E without text",
    ),
    "base exception": ("class Own(BaseException): pass\nraise Own('own')\n", "own"),
    "closes standard error": ("import sys\nsys.stderr.close()\n1 / 0\n", "division by zero"),
    "wrapper": (
        "import pluggy\n@pluggy.HookimplMarker('dispatch')(wrapper=True)\ndef dispatch_startup(function):\n    yield\n",
        "wrapper",
    ),
    "other name": (
        "from dispatch import hookimpl\n@hookimpl(specname='dispatch_startup')\nasync def begin(function):\n    pass\n",
        "begin is an async def",
    ),
    "other name, misspelled": (
        "from dispatch import hookimpl\n@hookimpl(specname='dispatch_statup')\ndef begin(function):\n    pass\n",
        "dispatch_statup",
    ),
    "async hook": ("async def dispatch_startup(function):\n    pass\n", "async def"),
    "async generator": ("async def dispatch_startup(function):\n    yield\n", "async def"),
    "generator": ("def dispatch_startup(function):\n    yield\n", "yield"),
    "interrupts": ("raise KeyboardInterrupt('own')\n", "own"),
    "locate gives no target": ("def dispatch_locate(spec, root):\n    return 'nonsense'\n", "returned str"),
    "startup raises": ("def dispatch_startup(function):\n    raise KeyError('own')\n", "own"),
    "locate raises": ("def dispatch_locate(spec, root):\n    raise KeyError('own')\n", "own"),
}


@pytest.mark.parametrize(("source", "words"), BROKEN.values(), ids=BROKEN)
def test_broken_plugin_is_left_out(serve: Serve, installed: dict[str, str], source: str, words: str) -> None:
    """A broken plugin is named on standard error and left out; the function is served, with the other plugins."""
    install(installed, distribution("broken", source), distribution("acme_shout", SHOUT.format(mark="!")))
    runtime = serve(APP, "app.handler", "shout", env=installed)
    assert [b"HEY!"] * 2 == [runtime.invoke(b"hey").body for _ in range(2)]
    said = runtime.child.output["stderr"].decode()
    assert "broken" in said
    assert words in said


@pytest.mark.parametrize(("source", "words"), BROKEN.values(), ids=BROKEN)
def test_broken_plugin_among_built_in_conventions(
    serve: Serve, installed: dict[str, str], source: str, words: str
) -> None:
    """The same if what is asked for is a built-in convention."""
    install(installed, distribution("broken", source))
    runtime = serve(APP, "app.handler", "", env=installed)
    assert b"hey" == runtime.invoke(b"hey").body
    assert words in runtime.child.output["stderr"].decode()


@pytest.mark.parametrize("name", ["import error", "wrong argument", "misspelled", "raises"])
def test_broken_plugin_that_is_asked_for(fail: Fail, name: str) -> None:
    """A plugin that HANDLER_PLUGINS asks for and that fails is an init error that names it and the reason."""
    source, words = BROKEN[name]
    failed = fail({"app.py": APP, "broken.py": source}, env={"HANDLER_PLUGINS": "broken"})
    assert ("Runtime.PluginError", 1) == (failed.type, failed.status)
    assert "broken" in failed.report["errorMessage"]
    assert words in failed.report["errorMessage"] + failed.log


def test_module_without_hooks(serve: Serve) -> None:
    """A module that HANDLER_PLUGINS names and that has no hook is imported, and the log says what it may have meant."""
    runtime = serve({"app.py": APP, "own.py": "print('IMPORTED')\n"}, env={"HANDLER_PLUGINS": "own"})
    assert b"hey" == runtime.invoke(b"hey").body
    runtime.child.wait_log("IMPORTED")
    runtime.child.wait_log("the plugin own (own) has no hooks; known hooks: dispatch_after_invoke")


@pytest.mark.parametrize("name", ["Acme.Weird_Name", "acme-weird-name", "acme_shout", "ACME__weird.name"])
def test_blocking_a_distribution(fail: Fail, installed: dict[str, str], name: str) -> None:
    """-name takes a distribution's name in every way in which it is written, an entry point's and a module's."""
    files = distribution("acme_shout", SHOUT.format(mark="!"))
    renamed = {file.replace("acme_shout-1.0", "Acme.Weird_Name-1.0"): text for file, text in files.items()}
    install(installed, renamed)
    failed = fail(APP, convention="shout", env={**installed, "HANDLER_PLUGINS": f"-{name}"})
    assert "Runtime.UnknownConvention" == failed.type


def test_entry_points_that_are_no_text(ask: Ask, installed: dict[str, str]) -> None:
    """Another distribution's broken entry points are none of our business."""
    install(installed, {"other-1.0.dist-info/entry_points.txt": b"[other]\n\xff = x\n"})
    assert b"hey" == ask(APP, b"hey", env=installed).body


def test_convention_of_a_broken_plugin(fail: Fail, installed: dict[str, str]) -> None:
    """If the convention that is asked for is missing because its plugin broke, that is an init error."""
    install(installed, distribution("acme_shout", "import no_such_library\n" + SHOUT.format(mark="!")))
    failed = fail(APP, convention="shout", env=installed)
    assert "Runtime.UnknownConvention" == failed.type
    assert "no_such_library" in failed.log


def test_two_with_one_convention(serve: Serve, fail: Fail, installed: dict[str, str]) -> None:
    """Two plugins with one convention name: asking for it is an init error that names both; blocking one settles it."""
    install(
        installed, distribution("aaa_shout", SHOUT.format(mark="a")), distribution("bbb_shout", SHOUT.format(mark="b"))
    )
    failed = fail(APP, convention="shout", env=installed)
    assert "Runtime.PluginError" == failed.type
    assert [] == missing(failed.report["errorMessage"], "aaa_shout", "bbb_shout", "shout")
    settled = {**installed, "HANDLER_PLUGINS": "-bbb_shout"}
    assert b"HEYa" == serve(APP, "app.handler", "shout", env=settled).invoke(b"hey").body
    assert b"hey" == serve(APP, env=installed).invoke(b"hey").body


def test_built_in_names_are_taken(serve: Serve, fail: Fail, installed: dict[str, str]) -> None:
    """The same where one of the two is a built-in convention."""
    install(installed, distribution("own_json", SHOUT.format(mark="!").replace('"shout"', '"json"')))
    failed = fail(APP, convention="json", env=installed)
    assert "Runtime.PluginError" == failed.type
    assert "own_json" in failed.report["errorMessage"]
    settled = {**installed, "HANDLER_PLUGINS": "-own_json"}
    assert b"1" == serve(APP, "app.handler", "json", env=settled).invoke(b"1").body


OBSERVER = """
def dispatch_startup(function):
    print("STARTUP", function.convention, flush=True)
def dispatch_before_invoke(invocation):
    invocation.stash["seen"] = invocation.body
    print("BEFORE", invocation.request_id, flush=True)
    {before}
def dispatch_after_invoke(invocation, response, error):
    print("AFTER", invocation.stash["seen"], response and response.content_type, type(error).__name__, flush=True)
    {after}
def dispatch_shutdown(reason):
    print("SHUTDOWN", reason, flush=True)
    {shutdown}
"""


@pytest.mark.parametrize(("spoil", "times"), [("", 0), ("before", 3), ("after", 3), ("shutdown", 1)])
def test_observers(serve: Serve, spoil: str, times: int) -> None:
    """Hooks hear of every step in order; one that raises is logged and changes no answer."""
    parts = {
        name: "raise RuntimeError('hook failed')" if name == spoil else "" for name in ("before", "after", "shutdown")
    }
    files = {
        "app.py": "def handler(event, headers):\n    return str(1 // len(event))\n",
        "own.py": OBSERVER.format(**parts),
    }
    runtime = serve(files, env={"HANDLER_PLUGINS": "own"})
    kinds = [runtime.invoke(body).kind for body in (b"x", b"", b"y")]
    runtime.api.wait(lambda: len([r for r in runtime.api.requests if r.method == "GET"]) == 4, "the fourth poll")
    assert ["response", "error", "response"] == kinds
    log = runtime.end()
    words = ("STARTUP", "BEFORE", "AFTER", "SHUTDOWN")
    order = [line.split()[0] for line in log.splitlines() if line.startswith(words)]
    assert ["STARTUP", *["BEFORE", "AFTER"] * 3, "SHUTDOWN"] == order, log
    assert "AFTER b'' None ZeroDivisionError" in log
    assert times == log.count("RuntimeError: hook failed")


@pytest.mark.parametrize("spoil", ["", "\n    raise RuntimeError('hook failed')"])
def test_observers_of_init_errors(fail: Fail, spoil: str) -> None:
    """A hook gets the exception of a function that cannot be loaded; one that raises itself is logged."""
    hook = f"def dispatch_init_error(error):\n    print('INIT ERROR', repr(error), flush=True){spoil}\n"
    failed = fail({"app.py": "{}['table']\n", "own.py": hook}, env={"HANDLER_PLUGINS": "own"})
    assert ("KeyError", 1) == (failed.type, failed.status)
    assert "INIT ERROR KeyError('table')" in failed.log
    assert bool(spoil) == ("dispatch_init_error in the plugin own failed: RuntimeError: hook failed" in failed.log)


def test_no_poll_before_the_hook_ran(serve: Serve, tmp_path: Path) -> None:
    """With an after_invoke hook the next poll waits for it; without one it travels with the answer."""
    import os

    hook = "def dispatch_after_invoke(invocation, response, error):\n    open('go').read()\n"
    runtime = serve({"app.py": APP, "own.py": hook}, env={"HANDLER_PLUGINS": "own"})
    os.mkfifo(tmp_path / "task" / "go")
    runtime.invoke(b"x")
    assert 1 == len([r for r in runtime.api.requests if r.method == "GET"])
    (tmp_path / "task" / "go").write_text("")
    runtime.api.wait_for("GET", "next", 2)
    assert not any(request.pipelined for request in runtime.api.requests)


WRONG_BODIES = {
    "text": ("'text'", "Runtime.MarshalError"),
    "number": ("5", "Runtime.MarshalError"),
    "text by text": ("iter(['a', 'b'])", "Runtime.MarshalError"),
    "bytearray": ("bytearray(b'xy')", b"xy"),
    "memoryview": ("memoryview(b'xy')", b"xy"),
    "list": ("[b'x', b'y']", b"xy"),
    "iterator": ("iter([b'x', b'y'])", b"xy"),
}


@pytest.mark.parametrize(("body", "expected"), WRONG_BODIES.values(), ids=WRONG_BODIES)
def test_bodies_of_a_response(serve: Serve, body: str, expected: str | bytes) -> None:
    """What a convention answers is sent if it comes to bytes, and else an error of that invocation alone."""
    convention = f"lambda function: lambda invocation: dispatch.Response({body})"
    source = f"import dispatch\ndef dispatch_conventions():\n    return {{'own': {convention}}}\n"
    runtime = serve({"app.py": APP, "own.py": source}, convention="own", env={"HANDLER_PLUGINS": "own"})
    answers = [runtime.invoke(b"") for _ in range(2)]
    assert [expected] * 2 == [
        answer.report["errorType"] if answer.kind == "error" else answer.body for answer in answers
    ]


def test_chunk_of_a_wrong_type(ask: Ask) -> None:
    """Behind the first chunk it is told in the trailers."""
    convention = "lambda function: lambda invocation: dispatch.Response(iter([b'x', 'y']))"
    source = f"import dispatch\ndef dispatch_conventions():\n    return {{'own': {convention}}}\n"
    answer = ask({"app.py": APP, "own.py": source}, convention="own", env={"HANDLER_PLUGINS": "own"})
    assert b"x" == answer.body
    assert "Runtime.MarshalError" == answer.request.trailers["lambda-runtime-function-error-type"]


def test_locate_hook(ask: Ask) -> None:
    """A plugin may claim a handler string before the built-in rules."""
    source = """
    from dispatch.locate import locate
    def dispatch_locate(spec, root):
        return locate(spec.removeprefix("ours:"), root) if spec.startswith("ours:") else None
    """
    files = {"app.py": APP, "own.py": source}
    assert b"x" == ask(files, b"x", "ours:app.handler", env={"HANDLER_PLUGINS": "own"}).body


def test_plugin_in_the_task_root(ask: Ask) -> None:
    """A distribution installed into the function's folder, as Lambda archives have it, is found as well."""
    files = {"app.py": APP, **distribution("acme_shout", SHOUT.format(mark="!"))}
    assert b"HEY!" == ask(files, b"hey", convention="shout").body


HOOKS = """
from dispatch import Target
def dispatch_conventions():
    return {}
def dispatch_locate(spec, root):
    return Target("standard", "the\\necho", lambda: lambda event, headers: str(LOADED in sys.modules)) if spec == "x y" else None
def dispatch_startup(function):
    raise KeyError("own")
def dispatch_before_invoke():
    pass
def dispatch_shutdown(reason):
    pass
import sys
LOADED = "dispatch.plugin_trace"
"""


@pytest.mark.parametrize("setting", ["1", "0", ""])
def test_trace(serve: Serve, setting: str) -> None:
    """With HANDLER_TRACE_PLUGINS=1 each call of a hook is one line with its time, its error and its claim, else none."""
    env = {"HANDLER_PLUGINS": "own", "HANDLER_TRACE_PLUGINS": setting}
    runtime = serve({"own.py": HOOKS}, "x y", env=env)
    assert [str(setting == "1").encode()] * 2 == [runtime.invoke(b"").body for _ in range(2)]
    found = re.findall(r"^dispatch: (\S+) in the plugin own took \d+\.\d{3} ms(.*)$", runtime.end(), re.MULTILINE)
    expected = [
        ("dispatch_conventions", ""),
        ("dispatch_locate", ", claims the handler string as the echo"),
        ("dispatch_startup", ", raised KeyError: 'own'"),
        ("dispatch_before_invoke", ""),
        ("dispatch_before_invoke", ""),
        ("dispatch_shutdown", ""),
    ]
    assert (expected if setting == "1" else []) == found


def test_trace_of_workers(serve: Serve) -> None:
    """Each worker logs its own calls."""
    env = {"HANDLER_PLUGINS": "own", "HANDLER_TRACE_PLUGINS": "1", "HANDLER_WORKERS": "2"}
    runtime = serve({"own.py": HOOKS}, "x y", env=env)
    runtime.api.wait_for("GET", "next", 2)
    assert 2 == runtime.end(blocked=False).count("dispatch: dispatch_startup in the plugin own took ")


@pytest.fixture
def next_release(tmp_path: Path) -> Path:
    """A folder with a release of Dispatch in which a hook is deprecated, and an argument of another one."""
    folder = tmp_path / "next"
    for package in OUR_PACKAGES:
        shutil.copytree(Path(dispatch.__file__).parents[1] / package, folder / package)
    specifications = folder / "dispatch" / "hookspecs.py"
    text = specifications.read_text()
    for hook, option in {
        "dispatch_shutdown": "warn_on_impl=DeprecationWarning('use `atexit`')",
        "dispatch_startup": "warn_on_impl_args={'function': DeprecationWarning('it will go')}",
    }.items():
        before = f"@hookspec\ndef {hook}("
        assert before in text
        text = text.replace(before, f"@hookspec({option})\ndef {hook}(")
    specifications.write_text(text)
    return folder


@pytest.mark.parametrize("filters", ["error", "ignore"])
def test_deprecations(serve: Serve, next_release: Path, filters: str) -> None:
    """A plugin that uses what is deprecated works on, and the log says so once, whatever Python's warning filters are."""
    source = "def dispatch_startup(function): print('STARTED', function.convention)\ndef dispatch_shutdown(): print('ENDED')\n"
    files = {"app.py": APP, "own.py": source, "other.py": "def dispatch_startup(): print('OTHER')\n"}
    env = {"PYTHONPATH": str(next_release), "PYTHONWARNINGS": filters, "HANDLER_PLUGINS": "own other"}
    # The copy is not what coverage measures.
    runtime = serve(files, env=env, wrapper=("env", "-u", "COVERAGE_PROCESS_CONFIG"))
    assert b"hey" == runtime.invoke(b"hey").body
    log = runtime.end()
    assert [] == missing(log, "STARTED standard", "OTHER", "ENDED")
    assert [
        "dispatch: the plugin own (own) implements dispatch_shutdown, which is deprecated: use `atexit`",
        "dispatch: the plugin own (own) takes the argument 'function' of dispatch_startup, which is deprecated: it will go",
    ] == sorted(line for line in log.splitlines() if "deprecated" in line)
