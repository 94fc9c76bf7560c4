"""The log of a handler beside the log that AWS's own runtime client writes of the same handler, record by record."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from support.files import write
from support.logs import Frame, LogPipe, records
from support.runtime import AWS, BOTH, COMMAND, OURS, Runtime, start

APP = """
    import asyncio, datetime, decimal, logging, traceback, uuid

    logging.warning("while it is loaded")

    class Own(Exception):
        pass

    def levels():
        log = logging.getLogger("shop.orders")
        for name in ("debug", "info", "warning", "error", "critical"):
            getattr(log, name)("at %s", name)
        for number in (1, 5, 15, 25, 35, 60):
            log.log(number, "at %d", number)
        logging.addLevelName(25, "NOTICE")
        log.log(25, "at a level with a name of its own")

    def messages():
        logging.error("plain")
        logging.error("")
        logging.error("ünïcödé \\N{SNAKE}")
        logging.error("%s of %d, %r", "one", 2, ["three"])
        logging.error("100 % of it")
        logging.error(4711)
        logging.error("lines\\n  and lines\\tand tabs\\n")
        logging.error({"order": 1, "items": ["ü", None, 1.5], "nested": {"deep": True}})
        logging.error(["a", "list"])

    def extras():
        moment = datetime.datetime(2026, 1, 2, 3, 4, 5)
        values = {"colour": "blue", "count": 3, "none": None, "list": [1, 2], "moment": moment,
                  "price": decimal.Decimal("1.10"), "raw": b"bytes", "id": uuid.UUID(int=7),
                  "level": "mine", "requestId": "mine", "tenantId": "mine"}
        logging.error("with extra", extra=values)
        logging.error({"price": decimal.Decimal("1.10"), "set": {1}})

    def caught():
        try:
            1 / 0
        except ZeroDivisionError:
            logging.exception("caught %s", "one")
            logging.warning("again", exc_info=True)
        try:
            try:
                raise Own("inner")
            except Own as error:
                raise KeyError("outer") from error
        except KeyError as error:
            logging.error("chained", exc_info=error)
        logging.error("with a stack", stack_info=False)

    def tasks():
        async def say():
            logging.error("in a task", extra={"count": 3, "tenantId": "mine"})
        asyncio.run(say())

    def own_formatter():
        ours = logging.getLogger().handlers[0]
        kept = ours.formatter
        ours.setFormatter(logging.Formatter("OWN %(message)s\\n"))
        logging.error("in words of its own")
        ours.setFormatter(kept)
        logging.error("as before")

    def raises():
        raise Own("ünïcödé\\nin lines")

    def raises_nothing():
        raise Own

    def handler(event, context):
        globals()[event]()
"""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
CASES = ("levels", "messages", "extras", "tasks", "own_formatter", "caught", "raises", "raises_nothing")
TENANT = "Lambda-Runtime-Aws-Tenant-Id"
#: What the managed runtimes of today say of themselves; without it awslambdaric writes ASCII.
MANAGED = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}
SETTINGS: dict[str, Mapping[str, str]] = {
    "text": {},
    "text at info": {"AWS_LAMBDA_LOG_LEVEL": "INFO"},
    "text at a level that there is none of": {"AWS_LAMBDA_LOG_LEVEL": "LOUD"},
    "Text at trace": {"AWS_LAMBDA_LOG_FORMAT": "Text", "AWS_LAMBDA_LOG_LEVEL": "TRACE"},
    "JSON": {"AWS_LAMBDA_LOG_FORMAT": "JSON"},
    "json at debug": {"AWS_LAMBDA_LOG_FORMAT": "json", "AWS_LAMBDA_LOG_LEVEL": "debug"},
    "JSON at fatal": {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "FATAL"},
    "JSON at warn": {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "WARN"},
}


def told(runtime: Runtime, cases: Sequence[str]) -> None:
    """Have each case logged, the last by a tenant, then end the runtime."""
    for number, case in enumerate(cases):
        headers = {"Lambda-Runtime-Aws-Request-Id": f"request-{number}"} | ({TENANT: "Ada & Co"} if number % 2 else {})
        runtime.invoke(json.dumps(case).encode(), headers)
    runtime.api.wait_for("GET", "next", len(cases))
    runtime.child.signal()
    runtime.child.wait()


def timeless(text: str) -> str:
    """The text without its times, and with a line's end behind tracebacks, which awslambdaric leaves out of text logs."""
    text = TIME.sub("TIME", text)
    return re.sub(r"((?:ZeroDivisionError|KeyError): [^\n]*)(?=\[|\Z)", r"\1\n", text)


@pytest.mark.parametrize("setting", SETTINGS)
def test_standard_streams(tmp_path: Path, setting: str) -> None:
    """Without a log descriptor, the lines are the same to the byte but for their times."""
    write(tmp_path, {"app.py": APP})
    logs = {}
    for which in BOTH:
        with start(which, "app.handler", tmp_path, {**MANAGED, **SETTINGS[setting]}) as runtime:
            told(runtime, CASES)
            logs[which] = timeless(runtime.child.log)
    assert logs[AWS].splitlines(keepends=True) == logs[OURS].splitlines(keepends=True)


@pytest.mark.parametrize("setting", SETTINGS)
def test_frames(tmp_path: Path, setting: str) -> None:
    """With a log descriptor, the frames are the same: type, length and text."""
    write(tmp_path, {"app.py": APP})
    theirs, ours = (framed(which, tmp_path, SETTINGS[setting], CASES) for which in (AWS, OURS))
    assert theirs == ours


@pytest.mark.parametrize("setting", ["text", "JSON"])
def test_context_log(tmp_path: Path, setting: str) -> None:
    """What context.log() is given goes where records go, whoever has imported logging or has not."""
    write(tmp_path, {"app.py": "def handler(event, context):\n    context.log('said')\n    context.log(event)\n"})
    theirs, ours = (framed(which, tmp_path, SETTINGS[setting], CASES[:1]) for which in (AWS, OURS))
    assert theirs == ours == [("a55a0003", "said"), ("a55a0003", CASES[0])]


def framed(which: str, root: Path, settings: Mapping[str, str], cases: Sequence[str]) -> list[tuple[str, str]]:
    """The type and the text of each frame, while nothing is on the standard streams."""
    own = {"HANDLER_CONVENTION": "lambda", "_HANDLER": "app.handler"}
    with LogPipe(root / which) as pipe:
        command = pipe.command([*BOTH[which], "app.handler"])
        with Runtime(command, root, {**own, **MANAGED, **settings, **pipe.env}) as runtime:
            told(runtime, cases)
            assert "" == runtime.child.log
            return [(f"{frame.kind:08x}", timeless(frame.text)) for frame in pipe.frames()]


def test_time_of_a_frame(tmp_path: Path) -> None:
    """A frame's time is in microseconds since 1970, that of the record in it to the second."""
    write(tmp_path, {"app.py": APP})
    with LogPipe(tmp_path / "log") as pipe:
        env = {"HANDLER": "app.handler", "HANDLER_CONVENTION": "lambda", "AWS_LAMBDA_LOG_FORMAT": "JSON"}
        with Runtime(pipe.command(COMMAND), tmp_path, {**env, **pipe.env}) as runtime:
            told(runtime, ["messages"] * len(CASES))
            frame: Frame = pipe.frames()[-1]
    from datetime import UTC, datetime

    said = datetime.strptime(records(frame.text)[0]["timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert 0 <= frame.microseconds / 1e6 - said.timestamp() < 5
