"""The subjects: each runtime as a command, with its virtual environment and its environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from benchmarks.environments import OURS, Installed

#: The variables that Lambda sets for every function and runtime; the platform adds `AWS_LAMBDA_RUNTIME_API`.
LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bench",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/22/[$LATEST]0",
    "AWS_REGION": "eu-central-1",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
}
#: The managed runtime's own setting, which makes awslambdaric poll in a new thread for every event.
AS_AWS_RUNS_IT = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}


@dataclass(frozen=True)
class Subject:
    """A command to measure.

    Attributes:
        name: its name on the command line and in tables.
        command: the command; `{python}` stands for its environment's interpreter, `{layer}` for its layer, `{client}`
            for the C client.
        installed: the contents of its virtual environment.
        variables: its environment variables.
        exits: whether it exits by itself, with status 0, instead of polling, so that its whole life is measured.
    """

    name: str
    command: tuple[str, ...]
    installed: Installed = field(default_factory=Installed)
    variables: Mapping[str, str] = field(default_factory=dict)
    exits: bool = False

    def beside(self, others: int) -> "Subject":
        """The same subject in an environment with `others` more distributions."""
        return replace(self, installed=replace(self.installed, others=others))


def _ours(name: str, handler: str, convention: str, installed: Installed | None = None, **variables: str) -> Subject:
    command = ("{python}", "-P", "-m", "runtime", handler)
    variables["HANDLER_CONVENTION"] = convention
    return Subject(name, command, installed or Installed((OURS,)), variables)


def _awslambdaric(name: str, handler: str = "app.handler", **variables: str) -> Subject:
    return Subject(name, ("{python}", "-m", "awslambdaric", handler), Installed(("awslambdaric",)), variables)


def _subjects() -> tuple[Subject, ...]:
    fast = Installed((OURS, "msgspec"))
    plugin, plugins = (Installed((OURS,), plugins=count) for count in (1, 20))
    observer = Installed((OURS,), observer=True)
    layer = Installed(layer=True)
    packaged = {"_HANDLER": "app.handler", "HANDLER_CONVENTION": "lambda"}
    return (
        Subject("interpreter", ("{python}", "-P", "-c", "import os; os._exit(0)"), Installed((OURS,)), exits=True),
        Subject("c", ("{client}",)),
        Subject("c-pipelined", ("{client}", "-p")),
        Subject("c-awake", ("{client}", "-p", "-b")),
        # 3,200 blocks of 64 KiB are 200 MiB, the most that Lambda lets a function stream.
        Subject("c-stream", ("{client}", "-s", "65536,3200")),
        Subject("process-each", ("{client}", "{python}", "tool.py")),
        Subject("c-process", ("{client}", "cat")),
        _awslambdaric("awslambdaric"),
        _awslambdaric("awslambdaric-aws", **AS_AWS_RUNS_IT),
        _awslambdaric("awslambdaric-2", AWS_LAMBDA_MAX_CONCURRENCY="2"),
        _ours("dispatch-standard", "app.handler", "standard"),
        _ours("dispatch-json", "app.handler", "json"),
        _ours("dispatch-json-fast", "app.handler", "json", fast),
        _ours("dispatch-lambda", "app.handler", "lambda"),
        _ours("dispatch-lambda-fast", "app.handler", "lambda", fast),
        _ours("dispatch-lambda-2", "app.handler", "lambda", HANDLER_WORKERS="2"),
        _awslambdaric("awslambdaric-waiting", "waiting.blocking", AWS_LAMBDA_MAX_CONCURRENCY="8"),
        _ours("dispatch-waiting", "waiting.blocking", "lambda", HANDLER_WORKERS="8"),
        _ours("dispatch-waiting-async", "waiting.waiting", "lambda", HANDLER_WORKERS="8", HANDLER_CONCURRENCY="async"),
        _ours("dispatch-lambda-plugin", "app.handler", "lambda", plugin),
        _ours("dispatch-lambda-plugins", "app.handler", "lambda", plugins),
        _ours("dispatch-lambda-observer", "app.handler", "lambda", observer),
        _awslambdaric("awslambdaric-modules", "thousand.handler"),
        _ours("dispatch-lambda-modules", "thousand.handler", "lambda"),
        Subject("dispatch-layer", ("{layer}/dispatch", "{python}"), layer, packaged),
        Subject("dispatch-layer-python", ("{layer}/bootstrap",), layer, packaged),
        *_platforms(),
        *_adapters(),
        *(subject for workers in ("1", "4", "16") for subject in _workers(workers)),
        _ours("dispatch-script", "tool.py", "script"),
        _ours("dispatch-stream", "blocks.handler", "standard"),
        _ours("dispatch-subprocess", "each.handler", "standard"),
        _ours("dispatch-process", "cat", "process"),
    )


def _platforms() -> tuple[Subject, ...]:
    run = ("{python}", "-P", "-m", "runtime.cli", "run", "app.handler", "-e", "7")
    libraries = ("{python}", "-P", "-c", "import click, asyncio")
    needs = (OURS, "click", "packaging", "pathspec", "pyyaml", "rich", "starlette", "uvicorn", "watchfiles")
    serve = ("{python}", "-P", "-m", "runtime.cli", "serve", "app.handler", "--name", "function", "--port", "{port}")
    emulator = ("{rie}", "--runtime-interface-emulator-address", "127.0.0.1:{port}", "--runtime-api-address")
    runtime = ("127.0.0.1:{second_port}", "{python}", "-P", "-m", "runtime", "app.handler")
    convention = {"HANDLER_CONVENTION": "lambda"}
    return (
        Subject("libraries", libraries, Installed(needs), exits=True),
        Subject("dispatch-run", run, Installed(needs), convention, exits=True),
        Subject("rie", (*emulator, *runtime), Installed((OURS,)), convention),
        Subject("dispatch-serve", serve, Installed(needs), convention),
        Subject("dispatch-serve-uvloop", serve, Installed((*needs, "uvloop")), convention),
    )


def _adapters() -> tuple[Subject, ...]:
    installed = Installed(("awslambdaric", "mangum", "apig-wsgi"))
    names = {"mangum": "adapted.asgi", "mangum-off": "adapted.asgi_off", "apig-wsgi": "adapted.wsgi"}
    return (
        *(replace(_awslambdaric(name, handler), installed=installed) for name, handler in names.items()),
        _ours("dispatch-mangum", "adapted.asgi", "lambda", Installed((OURS, "mangum", "apig-wsgi"))),
        _ours("dispatch-asgi", "webapp.asgi", "asgi"),
        _ours("dispatch-wsgi", "webapp.wsgi", "wsgi"),
    )


def _workers(count: str) -> tuple[Subject, ...]:
    """So many workers of a handler that imports boto3; awslambdaric loads it in each of them."""
    handler, ours = "cloud.handler", Installed((OURS, "boto3"))
    theirs = _awslambdaric(f"awslambdaric-boto3-{count}", handler, AWS_LAMBDA_MAX_CONCURRENCY=count)
    return (
        replace(theirs, installed=Installed(("awslambdaric", "boto3"))),
        _ours(f"dispatch-boto3-{count}", handler, "lambda", ours, HANDLER_WORKERS=count),
        _ours(f"dispatch-preload-{count}", handler, "lambda", ours, HANDLER_WORKERS=count, HANDLER_PRELOAD="1"),
    )


SUBJECTS: Mapping[str, Subject] = {subject.name: subject for subject in _subjects()}
