"""What user code and plugins may do to the process without an event going unanswered, or the next one."""

from __future__ import annotations

import signal

import pytest
from support.api import event
from support.logs import JSON, records
from support.runtime import Serve
from support.wire import Reply

ECHO = "def handler(event, headers):\n    return event\n"


@pytest.mark.parametrize("convention", ["standard", "json", "lambda"])
@pytest.mark.parametrize("kind", ["at once", "in a stream"])
def test_no_descriptor_left(serve: Serve, convention: str, kind: str) -> None:
    """A handler that opens files until there is no descriptor left has its failure reported like any other."""
    first = "yield b'x'" if kind == "in a stream" else "pass"
    source = (
        f"import os\nheld = []\ndef handler(event, more):\n    {first}\n    while True: held.append(os.open('.', 0))\n"
    )
    runtime = serve(source, convention=convention)
    for _ in range(2):
        answer = runtime.invoke(b"1")
        told = answer.request.trailers if kind == "in a stream" else answer.report
        assert "OSError" == (told.get("errorType") or told.get("lambda-runtime-function-error-type"))


@pytest.mark.parametrize("convention", ["standard", "lambda"])
def test_connection_closed_by_the_handler(serve: Serve, convention: str) -> None:
    """A handler that closes every descriptor, as a daemon does, is answered for on a new connection."""
    source = "import os\ndef handler(event, more):\n    os.closerange(3, 200)\n    return event\n"
    runtime = serve(source, convention=convention)
    assert [b'"a"', b'"b"'] == [runtime.invoke(body).body for body in (b'"a"', b'"b"')]


@pytest.mark.parametrize("transport", ["socket", "requests"])
def test_standard_streams_closed_by_the_handler(serve: Serve, transport: str) -> None:
    """What is printed after that goes nowhere, least of all to the Runtime API on a connection that got the number."""
    source = """
    import os
    def handler(event, headers):
        yield event
        if event == "close": os.close(1)
        print("printed")
        yield event
    """
    runtime = serve(source, env={"HANDLER_TRANSPORT": transport})
    answers = [runtime.invoke(body).body for body in (b"close", b"a", b"b")]
    assert [b"closeclose", b"aa", b"bb"] == answers
    assert {"GET", "POST"} == {request.method for request in runtime.api.requests}


CLEAN_UPS = {
    "raises": "finally: raise ValueError('clean-up')",
    "goes on": "except GeneratorExit: yield 'y'",
    "exits": "finally: sys.exit(3)",
}


@pytest.mark.parametrize("clean_up", CLEAN_UPS.values(), ids=CLEAN_UPS)
@pytest.mark.parametrize("word", ["def", "async def"])
def test_clean_up_that_fails(serve: Serve, word: str, clean_up: str) -> None:
    """A generator that fails while it is closed, because the caller has gone, is logged; the next event is served."""
    source = f"""
    import sys
    {word} handler(event, headers):
        if event:
            yield "fine"
            return
        try:
            while True: yield "x" * 65536
        {clean_up}
    """
    runtime = serve(source)
    runtime.api.answer_posts(Reply(drop="at once"))
    runtime.api.hand_out(event(b"", "cut"))
    assert b"fine" == runtime.invoke(b"more").body


FORK = "if not os.fork(): return"
FORKS = {
    "after_response": ({"app.py": f"import dispatch, os\ndef f():\n    {FORK}\n    os.wait()\n", "own.py": ""}, "f"),
    "hook": (
        {"app.py": "", "own.py": f"import os\ndef dispatch_after_invoke(invocation):\n    {FORK}\n    os.wait()\n"},
        "",
    ),
    "startup": (
        {"app.py": "", "own.py": f"import os\ndef dispatch_startup(function):\n    {FORK}\n    os.wait()\n"},
        "",
    ),
    "import": ({"app.py": "import os\nif os.fork(): os.wait()\n", "own.py": ""}, ""),
    "import of a plugin": ({"app.py": "", "own.py": "import os\nif os.fork(): os.wait()\n"}, ""),
    "failing import": ({"app.py": "import os\nif not os.fork(): 1 / 0\nos.wait()\n", "own.py": ""}, ""),
}


@pytest.mark.parametrize("name", FORKS)
def test_forked_child_is_no_runtime(serve: Serve, name: str) -> None:
    """A process forked outside of the handler takes no event and reports nothing; the parent answers them all."""
    files, put_off = FORKS[name]
    then = f"dispatch.after_response({put_off})" if put_off else "pass"
    files = {**files, "app.py": f"{files['app.py']}\ndef handler(event, headers):\n    {then}\n    return event\n"}
    runtime = serve(files, env={"HANDLER_PLUGINS": "own"})
    bodies = [b"a", b"b", b"c"]
    assert bodies == [runtime.invoke(body).body for body in bodies]
    runtime.api.wait_for("GET", "next", 4)
    assert (4, 3) == (len(runtime.api.finished("GET")), len(runtime.api.finished("POST")))


@pytest.mark.parametrize("convention", ["standard", "script"])
def test_forked_child_is_terminated(serve: Serve, convention: str) -> None:
    """A process that user code forks ends by SIGTERM from its first moment on, as multiprocessing relies on."""
    source = """
    import os, time
    def forked():
        child = os.fork()
        if not child:
            time.sleep(600)
        os.kill(child, 15)
        return os.waitpid(child, 0)[1]
    def handler(event, headers): return str({forked() for _ in range(500)})
    def main(): print(handler(None, None), end="")
    """
    runtime = serve(source, "app.py" if convention == "script" else "app.handler", convention)
    assert b"{15}" == runtime.invoke().body


@pytest.mark.parametrize("deadline", ["abc", "1, 1", "1.5", "-1", "²", "", "9" * 400, "9" * 5000])
def test_deadline_that_is_none(serve: Serve, deadline: str) -> None:
    """A deadline that is no number is an unknown one."""
    source = """
    import dispatch
    def handler(event, headers):
        dispatch.after_response(print, "PUT OFF")
        return str(dispatch.current().remaining_time)
    """
    runtime = serve(source)
    assert [b"inf"] * 2 == [runtime.invoke(b"", {"Lambda-Runtime-Deadline-Ms": deadline}).body for _ in range(2)]
    runtime.child.wait_log("PUT OFF\nPUT OFF\n")


def test_environment_replaced(serve: Serve) -> None:
    """A handler may put another object in the place of os.environ."""
    runtime = serve("import os\ndef handler(event, headers):\n    os.environ = {}\n    return event\n")
    traced = {"Lambda-Runtime-Trace-Id": "Root=1"}
    assert [b"a", b"b", b"c"] == [
        runtime.invoke(body, headers).body for body, headers in ((b"a", traced), (b"b", None), (b"c", traced))
    ]


def test_time_replaced(serve: Serve) -> None:
    """Nor does the runtime's own clock change with time.monotonic."""
    source = "import time\ndef fail(): raise ValueError\ntime.monotonic = fail\n" + ECHO
    assert [b"a", b"b"] == [serve(source).invoke(body).body for body in (b"a", b"b")]


RAISED = ["KeyboardInterrupt", "SystemExit(3)", "type('Own', (SystemExit,), {})", "GeneratorExit"]


@pytest.mark.parametrize("error", RAISED)
@pytest.mark.parametrize(
    "hook", ["dispatch_before_invoke", "dispatch_after_invoke", "dispatch_startup", "dispatch_locate"]
)
def test_hook_that_raises_whatever(serve: Serve, hook: str, error: str) -> None:
    """Whatever a hook raises is logged and does no harm."""
    arguments = {"dispatch_startup": "function", "dispatch_locate": "spec"}.get(hook, "invocation")
    plugin = f"def {hook}({arguments}):\n    raise {error}\n"
    runtime = serve({"app.py": ECHO, "own.py": plugin}, env={"HANDLER_PLUGINS": "own"})
    assert [b"a", b"b"] == [runtime.invoke(body).body for body in (b"a", b"b")]
    runtime.child.wait_log(f"{hook} in the plugin own failed")


def test_log_that_raises(serve: Serve) -> None:
    """A hook that fails is told on the process's standard error if what stands in its place fails as well."""
    plugin = """
    import sys
    class Broken:
        def write(self, text): raise RuntimeError
    def dispatch_before_invoke(invocation):
        sys.stderr = Broken()
        raise KeyError("told")
    """
    runtime = serve({"app.py": ECHO, "own.py": plugin}, env={"HANDLER_PLUGINS": "own"})
    assert b"a" == runtime.invoke(b"a").body
    runtime.child.wait_log("dispatch_before_invoke in the plugin own failed: KeyError: 'told'")


CONTENT_TYPES = ["'a/b\\r\\nX-Evil: 1'", "'a/b\\nc'", "'a/\\ud800'", "'ä'", "'a\\0b'", "7", "None", "b'a/b'"]


@pytest.mark.parametrize("transport", ["socket", "requests"])
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_content_type_that_is_none(serve: Serve, content_type: str, transport: str) -> None:
    """A convention's content type that no header can carry is an error of the invocation."""
    plugin = f"""
    import dispatch
    def own(function):
        return lambda invocation: dispatch.Response(invocation.body, {content_type} if invocation.body else "a/b")
    def dispatch_conventions(): return {{"own": own}}
    """
    env = {"HANDLER_PLUGINS": "own", "HANDLER_TRANSPORT": transport}
    runtime = serve({"app.py": ECHO, "own.py": plugin}, convention="own", env=env)
    assert "Runtime.MarshalError" == runtime.invoke(b"x").report["errorType"]
    assert "a/b" == runtime.invoke(b"").request.header("Content-Type")
    assert None is runtime.api.finished("POST")[0].header("X-Evil")


SLOW_HOOK = """
import sys, time
def dispatch_shutdown(reason):
    print("SHUTDOWN", reason)
    time.sleep(0.05)
    print("THROUGH")
"""


@pytest.mark.parametrize("signals", [("TERM", "INT"), ("INT", "TERM"), ("TERM", "TERM"), ("INT", "INT")])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_two_signals(serve: Serve, signals: tuple[str, str], workers: str) -> None:
    """A second signal that comes at once, to every process, changes nothing of what the first one started."""
    files = {"app.py": ECHO, "own.py": SLOW_HOOK}
    for _ in range(3):
        runtime = serve(files, env={"HANDLER_PLUGINS": "own", "HANDLER_WORKERS": workers})
        runtime.api.wait_for("GET", "next", int(workers))
        first, second = (getattr(signal, f"SIG{name}") for name in signals)
        runtime.child.signal(first)
        runtime.child.signal(second)
        # Of two that are there at the same time, Python takes the one with the lower number first.
        assert runtime.child.wait() in {{"TERM": 0, "INT": 130}[name] for name in signals}
        assert int(workers) == runtime.child.log.count("SHUTDOWN") == runtime.child.log.count("THROUGH")


def test_wrong_setting_in_a_log_of_json(serve: Serve) -> None:
    """What is wrong with a setting is told in the format that is set."""
    runtime = serve(ECHO, env={"HANDLER_WORKERS": "x", **JSON})
    assert "Runtime.InvalidSetting" == runtime.failed().type
    (record,) = records(runtime.child.log)
    assert ("ERROR", "Runtime.InvalidSetting") == (record["level"], record["errorType"])
