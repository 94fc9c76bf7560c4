"""What user code logs with Python's logging, in every convention."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from support.logs import JSON, records
from support.runtime import Runtime, Serve

CONVENTIONS = {
    "standard": ("app.handler", "import logging\ndef handler(event, headers):\n    logging.error('said')\n"),
    "json": ("app.handler", "import logging\ndef handler(event, headers):\n    logging.error('said')\n"),
    "lambda": ("app.handler", "import logging\ndef handler(event, context):\n    logging.error('said')\n"),
    "stream": ("app.handler", "import logging\ndef handler(source, sink, headers):\n    logging.error('said')\n"),
    "script": ("app.py", "import logging\nlogging.error('said')\n"),
    "script with main": ("app.py", "import logging\ndef main():\n    logging.error('said')\n"),
    "expression": ("__import__('logging').error('said' + event[:0])", ""),
}


@pytest.mark.parametrize("settings", [{}, JSON], ids=["text", "json"])
@pytest.mark.parametrize("kind", CONVENTIONS)
def test_every_convention(serve: Serve, kind: str, settings: Mapping[str, str]) -> None:
    """A record has its format and the request id in every convention; none of it is in the answer."""
    handler, source = CONVENTIONS[kind]
    runtime = serve({"app.py": source}, handler, kind.split(maxsplit=1)[0], env=settings)
    answers = [runtime.invoke(b"{}", {"Lambda-Runtime-Aws-Request-Id": name}) for name in ("first", "second")]
    log = runtime.end()
    if settings == JSON:
        told = [(record["message"], record["requestId"], record["level"]) for record in records(log)]
        assert [("said", "first", "ERROR"), ("said", "second", "ERROR")] == told
    else:
        lines = [line.split("\t") for line in log.splitlines()]
        assert [("[ERROR]", "first", "said"), ("[ERROR]", "second", "said")] == [(a, c, d) for a, _, c, d in lines]
    assert [] == [answer.body for answer in answers if b"said" in answer.body]


def test_nothing_is_imported(serve: Serve) -> None:
    """A function that does not log imports neither logging nor what only a log needs, whatever the settings."""
    source = "import sys\ndef handler(event, headers):\n    print('printed')\n    return ' '.join(sys.modules)\n"
    settings = {**JSON, "AWS_LAMBDA_LOG_LEVEL": "DEBUG"}
    loaded = set(serve(source, env=settings).invoke().body.decode().split())
    costly = {"asyncio", "concurrent.futures", "ctypes", "json", "logging", "string", "threading", "traceback", "zlib"}
    optional = {f"runtime.{name}" for name in ("concurrent", "extension", "snapshot", "workers")}
    assert set() == loaded & (costly | optional)


@pytest.mark.parametrize("import_", ["at the top", "in a thread", "by a plugin", "by asyncio", "by requests"])
def test_whoever_imports_logging_first(serve: Serve, import_: str) -> None:
    """Whoever imports logging first, the root logger is set up, once."""
    first = {"at the top": "import logging", "by asyncio": "import asyncio"}.get(import_, "")
    if import_ == "in a thread":
        first = "import threading\ndef load():\n    import logging\nthreading.Thread(target=load).start()"
    source = f"{first}\ndef handler(event, headers):\n    import logging\n    logging.error('said')\n"
    env = {
        "by a plugin": {"HANDLER_PLUGINS": "own"},
        "by requests": {"HANDLER_TRANSPORT": "requests"},
    }.get(import_, {})
    runtime = serve({"app.py": source, "own.py": "import logging\n"}, env={**JSON, **env})
    runtime.invoke(b"", {"Lambda-Runtime-Aws-Request-Id": "one"})
    assert [("said", "one")] == [(r["message"], r["requestId"]) for r in records(runtime.end())]


def test_logging_of_the_users_own(serve: Serve) -> None:
    """A task root with a logging.py of its own gets its own, unharmed."""
    files = {
        "app.py": "import logging\ndef handler(event, headers):\n    return logging.WORD\n",
        "logging.py": "WORD = 'mine'\n",
    }
    assert b"mine" == serve(files).invoke().body


def test_logging_out_of_an_archive(serve: Serve, tmp_path: Path) -> None:
    """Where logging comes out of an archive, as a standard library may, it is set up; its neighbours are left alone."""
    import logging
    import zipfile

    folder = Path(logging.__file__).parent
    with zipfile.ZipFile(tmp_path / "library.zip", "w") as archive:
        for file in folder.glob("*.py"):
            archive.write(file, f"logging/{file.name}")
        archive.writestr("neighbour.py", "from logging import *\nfrom logging import getLogger\nNAME = __name__\n")
    source = f"""
    import sys
    sys.path.insert(0, {str(tmp_path / "library.zip")!r})
    import logging, neighbour
    def handler(event, headers):
        logging.error("said")
        return f"{{logging.__file__.count('library.zip')}} {{neighbour.NAME}} {{len(logging.getLogger().handlers)}}"
    """
    runtime = serve(source, env=JSON)
    assert b"1 neighbour 1" == runtime.invoke().body
    assert ["said"] == [record["message"] for record in records(runtime.end())]


ELSEWHERE = """
    import asyncio, concurrent.futures, contextvars, logging.handlers, multiprocessing, os, queue, threading

    def started(target, *arguments):
        thread = threading.Thread(target=target, args=arguments)
        thread.start()
        thread.join()

    def thread():
        started(logging.error, "said")

    def copied_context():
        started(contextvars.copy_context().run, logging.error, "said")

    def pool():
        with concurrent.futures.ThreadPoolExecutor() as executor:
            executor.submit(logging.error, "said").result()

    def to_thread():
        asyncio.run(asyncio.to_thread(logging.error, "said"))

    def task():
        async def say():
            logging.error("said")
        async def both():
            await asyncio.gather(say())
        asyncio.run(both())

    def fork():
        child = os.fork()
        if child == 0:
            logging.error("said")
            os._exit(0)
        os.waitpid(child, 0)

    def process():
        child = multiprocessing.get_context("fork").Process(target=logging.error, args=("said",))
        child.start()
        child.join()

    def listener():
        records = queue.SimpleQueue()
        listening = logging.handlers.QueueListener(records, *logging.getLogger().handlers)
        log = logging.getLogger("own")
        log.propagate = False
        log.addHandler(logging.handlers.QueueHandler(records))
        listening.start()
        log.error("said")
        listening.stop()

    def handler(event, headers):
        globals()[event]()
"""
PLACES = ("thread", "copied_context", "pool", "to_thread", "task", "fork", "process", "listener")


def told(runtime: Runtime, *events: str) -> None:
    """Hand out each event with its own text as the request id."""
    for text in events:
        answer = runtime.invoke(text.encode(), {"Lambda-Runtime-Aws-Request-Id": text})
        assert "response" == answer.kind, answer.body


def test_request_id_elsewhere(serve: Serve) -> None:
    """A record has the request id of the event also in threads, tasks and forked processes."""
    runtime = serve(ELSEWHERE, env=JSON)
    told(runtime, *PLACES)
    found = [(record["message"], record["requestId"]) for record in records(runtime.end())]
    assert [("said", place) for place in PLACES] == found


def test_request_id_of_work_that_goes_on(serve: Serve) -> None:
    """A thread with the event's context keeps its id while the next event is handled; without one it gets the latest."""
    source = """
    import contextvars, logging, threading
    go, threads = threading.Event(), []
    def work(name):
        go.wait(20)
        logging.error(name)
    def handler(event, headers):
        if event == "first":
            threads.append(threading.Thread(target=contextvars.copy_context().run, args=(work, "with")))
            threads.append(threading.Thread(target=work, args=("without",)))
            [thread.start() for thread in threads]
        else:
            go.set()
            [thread.join() for thread in threads]
    """
    runtime = serve(source, env=JSON)
    for name in ("first", "second"):
        runtime.invoke(name.encode(), {"Lambda-Runtime-Aws-Request-Id": name})
    told = {record["message"]: record["requestId"] for record in records(runtime.end())}
    assert {"with": "first", "without": "second"} == told


def test_async_handler(serve: Serve) -> None:
    """An async handler's records have the id of the event, task for task."""
    source = """
    import asyncio, logging
    async def part(name):
        await asyncio.sleep(0)
        logging.error(name)
    async def handler(event, headers):
        await asyncio.gather(part("a"), asyncio.create_task(part("b")))
        return "fine"
    """
    runtime = serve(source, env=JSON)
    for name in ("one", "two"):
        runtime.invoke(b"", {"Lambda-Runtime-Aws-Request-Id": name})
    told = [(record["message"], record["requestId"]) for record in records(runtime.end())]
    assert [("a", "one"), ("b", "one"), ("a", "two"), ("b", "two")] == sorted(told[:2]) + sorted(told[2:])


STRANGE = """
    import logging

    class Strange:
        def __str__(self):
            raise RuntimeError("no text")
        __repr__ = __str__

    class StrangeError(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    class Lying(dict):
        def items(self):
            raise RuntimeError("no items")

    circle = {"name": "circle"}
    circle["self"] = circle
    deep = []
    for _ in range(100_000):
        deep = [deep]

    EXTRAS = {
        "circular": circle,
        "without-text": Strange(),
        "lying": Lying(a=1),
        "too-deep": deep,
        "not-a-number": float("nan"),
        "huge": 10 ** 5000,
        "lone-surrogate": "\\udc80",
    }

    def handler(event, headers):
        if event in EXTRAS:
            logging.error("said", extra={"value": EXTRAS[event], "other": [1, 2]})
        elif event == "error-without-text":
            try:
                raise StrangeError
            except StrangeError:
                logging.exception("said", extra={"other": [1, 2]})
        elif event == "no-error":
            logging.error("said", exc_info=True, extra={"other": [1, 2]})
        elif event == "raised":
            raise StrangeError
        else:
            messages = {
                "circular-message": circle,
                "strange-message": {"value": Strange(), "said": 1},
                "strange-keys": {("a", 1): 2, 3: 4, None: 5, "said": Strange},
            }
            logging.error(messages[event], extra={"other": [1, 2]})
"""
VALUES = ("circular", "without-text", "lying", "too-deep", "not-a-number", "huge", "lone-surrogate")
MESSAGES = ("circular-message", "strange-message", "strange-keys")


def test_values_that_json_has_nothing_for(serve: Serve) -> None:
    """A value that cannot be written neither breaks the handler nor loses the record; its neighbours stay as they are."""
    runtime = serve(STRANGE, env=JSON)
    told(runtime, *VALUES, "error-without-text", "no-error", *MESSAGES)
    found = {record["requestId"]: record for record in records(runtime.end())}
    assert {*VALUES, "error-without-text", "no-error", *MESSAGES} == found.keys()
    assert [[1, 2]] * len(found) == [record["other"] for record in found.values()]
    assert {"said"} == {found[name]["message"] for name in (*VALUES, "error-without-text", "no-error")}
    assert "{'name': 'circle', 'self': {...}}" == found["circular"]["value"] == found["circular-message"]["message"]
    assert "str() raised RuntimeError" in found["without-text"]["value"]
    assert "str() raised RuntimeError" in found["error-without-text"]["errorMessage"]
    assert {"3": 4, "null": 5}.items() <= found["strange-keys"]["message"].items()


def test_text_of_values_that_have_none(serve: Serve) -> None:
    """A text record has no place for extras, so nothing can be wrong with them."""
    runtime = serve(STRANGE)
    told(runtime, *VALUES, "error-without-text", "circular-message")
    log = runtime.end()
    assert len(VALUES) + 1 == log.count("\tsaid\n")
    assert "{'name': 'circle', 'self': {...}}\n" in log
    assert "StrangeError: <exception str() failed>\n" in log


def test_messages_without_text(serve: Serve) -> None:
    """A message whose str() fails, or whose arguments do not fit, is told as logging tells it; the handler goes on."""
    source = """
    import logging
    class Strange:
        def __str__(self):
            raise RuntimeError("no text")
    def handler(event, headers):
        logging.error(Strange())
        logging.error("%d", "word")
        logging.error("after")
    """
    runtime = serve(source, env=JSON)
    told(runtime, "one")
    log = runtime.end()
    assert 2 == log.count("--- Logging error ---")
    assert ["after"] == [record["message"] for record in records(log)]


@pytest.mark.parametrize("settings", [{}, JSON], ids=["text", "json"])
def test_error_report_without_text(serve: Serve, settings: Mapping[str, str]) -> None:
    """An invocation error whose str() fails is one record all the same."""
    runtime = serve(STRANGE, env=settings)
    assert "error" == runtime.invoke(b"raised", {"Lambda-Runtime-Aws-Request-Id": "one"}).kind
    log = runtime.end()
    if settings:
        assert [("ERROR", "StrangeError", "one")] == [
            (r["level"], r["errorType"], r["requestId"]) for r in records(log)
        ]
    else:
        assert log.startswith("[ERROR] StrangeError: <StrangeError without text")


FORMAT = "OWN %(message)s %(aws_request_id)s"
DICTIONARY = {
    "version": 1,
    "formatters": {"own": {"format": "OWN %(message)s"}},
    "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
    "root": {"handlers": ["own"]},
}
#: What user code does, and how often the record is then written its way, and ours.
HANDLERS = {
    "basicConfig": ("logging.basicConfig(level='INFO', format='OWN %(message)s')", (0, 1)),
    "forced": ("logging.basicConfig(level='INFO', format='OWN %(message)s', force=True)", (1, 0)),
    "cleared": ("root.handlers.clear()\nlogging.basicConfig(format='OWN %(message)s')", (1, 0)),
    "formatter": ("for each in root.handlers: each.setFormatter(own)", (1, 0)),
    "second": ("more = logging.StreamHandler()\nmore.setFormatter(own)\nroot.addHandler(more)", (1, 1)),
    "dictConfig": (f"import logging.config\nlogging.config.dictConfig({DICTIONARY})", (1, 0)),
    "shut down": ("logging.shutdown()", (0, 1)),
}


@pytest.mark.parametrize("way", HANDLERS)
def test_handlers_of_the_users_own(serve: Serve, way: str) -> None:
    """Unless it is forced, basicConfig changes nothing, as in AWS's runtime; whoever replaces handlers has their own."""
    code, expected = HANDLERS[way]
    source = f"import logging\nroot, own = logging.getLogger(), logging.Formatter({FORMAT!r})\n{code}\n"
    runtime = serve(source + "def handler(event, headers):\n    logging.error('said')\n", env=JSON)
    told(runtime, "one")
    log = runtime.end()
    assert expected == (log.count("OWN said"), [record["message"] for record in records(log)].count("said"))


def test_error_reports_with_handlers_of_the_users_own(serve: Serve) -> None:
    """Whatever user code does to logging, the runtime's own words are logged in their format."""
    source = "import logging\nlogging.disable()\nlogging.getLogger().handlers.clear()\n"
    runtime = serve(source + "def handler(event, headers):\n    return {}['x']\n", env=JSON)
    runtime.invoke()
    assert ["KeyError"] == [record["errorType"] for record in records(runtime.end())]
