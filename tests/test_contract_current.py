"""dispatch.current(): the invocation being handled, wherever the handler looks for it."""

from __future__ import annotations

import time

import pytest
from support.api import ARN
from support.runtime import Ask, Serve

FACTS = """
import dispatch
def facts():
    now = dispatch.current()
    same = now.headers["lambda-runtime-aws-request-id"] == now.request_id
    return f"{now.request_id} {now.invoked_function_arn} {now.trace_id} {same}"
"""
CALL = {
    "standard": "def handler(event, headers):\n    return facts()\n",
    "json": "def handler(event, headers):\n    return facts()\n",
    "lambda": "def handler(event, context):\n    return facts()\n",
    "stream": "def handler(input, output, headers):\n    output.write(facts().encode())\n",
    "script": "from facts import facts\nprint(facts(), end='')\n",
    "script main": "from facts import facts\ndef main():\n    print(facts(), end='')\n",
    "expression": "from facts import facts; facts() + event[:0]",
    "async": "async def handler(event, headers):\n    return facts()\n",
    "task": "import asyncio\nasync def other():\n    return facts()\n"
    "async def handler(event, headers):\n    return await asyncio.create_task(other())\n",
    "to_thread": "import asyncio\nasync def handler(event, headers):\n    return await asyncio.to_thread(facts)\n",
    "generator": "def handler(event, headers):\n    yield b''\n    yield facts()\n",
    "async generator": "async def handler(event, headers):\n    yield b''\n    yield facts()\n",
    "thread": "import contextvars, threading\n"
    "def handler(event, headers):\n"
    "    out = []\n"
    "    context = contextvars.copy_context()\n"
    "    thread = threading.Thread(target=lambda: context.run(lambda: out.append(facts())))\n"
    "    thread.start()\n    thread.join()\n    return out[0]\n",
}


@pytest.mark.parametrize("kind", CALL)
def test_current(serve: Serve, kind: str) -> None:
    """In every convention, task and thread it is this invocation and not the last one."""
    script = kind.startswith("script")
    handler = "s.py" if script else CALL[kind] if kind == "expression" else "app.handler"
    files = {
        "facts.py": FACTS,
        "s.py" if script else "app.py": CALL[kind] if script else "from facts import facts\n" + CALL[kind],
    }
    if kind == "expression":
        del files["app.py"]
    convention = kind if kind in ("standard", "json", "lambda", "stream", "expression") else ""
    runtime = serve(files, handler, convention)
    for trace in ("Root=1-a", "Root=1-b"):
        answer = runtime.invoke(b"{}", {"Lambda-Runtime-Trace-Id": trace})
        request_id = answer.request.route.split("/")[1]
        assert f"{request_id} {ARN} {trace} True" == answer.body.decode().strip('"\n')


def test_times(ask: Ask) -> None:
    """Deadline is a time of the epoch in seconds, remaining_time what is left of it."""
    source = """
    import dispatch
    def handler(event, headers):
        now = dispatch.current()
        return f"{now.deadline} {now.remaining_time}"
    """
    deadline = int(time.time() * 1000) + 30_000
    answer = ask(source, headers={"Lambda-Runtime-Deadline-Ms": str(deadline)}).body.decode()
    said, left = map(float, answer.split())
    assert deadline / 1000 == said
    assert 0 < left <= 30


def test_what_did_not_come(ask: Ask) -> None:
    """Headers that did not come are None, and do not fail."""
    source = """
    import dispatch
    def handler(event, headers):
        now = dispatch.current()
        return f"{now.trace_id} {now.invoked_function_arn}"
    """
    headers = {"Lambda-Runtime-Trace-Id": None, "Lambda-Runtime-Invoked-Function-Arn": None}
    assert b"None None" == ask(source, headers=headers).body


def test_outside_of_an_invocation(ask: Ask) -> None:
    """At import time there is no invocation: a LookupError says so."""
    source = """
    import dispatch
    try:
        found = repr(dispatch.current())
    except LookupError as error:
        found = "LookupError"
    def handler(event, headers):
        return found
    """
    assert b"LookupError" == ask(source).body


@pytest.mark.parametrize("trace", ["Root=1-x;Sampled=1", "", None])
def test_trace_id_in_the_environment(serve: Serve, trace: str | None) -> None:
    """_X_AMZN_TRACE_ID is set for each invocation, and gone where none came."""
    runtime = serve("import os\ndef handler(event, headers):\n    return str(os.environ.get('_X_AMZN_TRACE_ID'))\n")
    answers = [runtime.invoke(b"", {"Lambda-Runtime-Trace-Id": value}).body for value in ("Root=1-before", trace)]
    assert [b"Root=1-before", (trace or "None").encode()] == answers
