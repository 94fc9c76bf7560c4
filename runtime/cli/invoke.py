"""`dispatch invoke`: invokes a function of `serve`, a function URL or any Lambda-compatible endpoint."""

from __future__ import annotations

import base64
import json
import os
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import click
import requests
import urllib3

from dispatch import protocol
from runtime.cli import options, terminal
from runtime.cli.run import read_event
from runtime.local import addresses, samples
from runtime.local.web.event_stream import BadEventStream, EventStreamDecoder

DEFAULT_ENDPOINT: Final = "http://127.0.0.1:9000"
#: Seconds to wait for a connection, and for an answer: Lambda's longest timeout.
CONNECTING: Final = 5
PATIENCE: Final = 900


@dataclass(slots=True)
class Got:
    """The result of one invocation; `error` is the function's error report, or the endpoint's message."""

    body: bytes = b""
    error: str = ""
    log: str = ""
    status: int = 0
    request_id: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class InvokeCall:
    """A request of an invocation."""

    url: str
    body: bytes
    headers: dict[str, str]
    stream: bool
    is_url: bool


@click.command(
    "invoke",
    epilog='Examples: dispatch invoke function -e \'{"name": "Ada"}\'; dispatch invoke function --example sqs --tail; '
    "dispatch invoke http://127.0.0.1:9000/lambda-url/function/ -e hello",
)
@click.argument("name")
@click.argument("source", required=False, type=click.Choice(["-"]), metavar="[-]")
@click.option("-e", "event", metavar="JSON", help="The event.")
@click.option("-f", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with the event.")
@click.option("--example", metavar="NAME", help=f"A sample event: {', '.join(samples.names())}.")
@click.option(
    "--endpoint", help=f"The Invoke API; by default, AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL or {DEFAULT_ENDPOINT}."
)
@click.option("--event", "queued", is_flag=True, help="Only queue the event; do not wait for the answer.")
@click.option("--tail", is_flag=True, help="Show the end of the function's log on standard error.")
@click.option("--stream", is_flag=True, help="Ask for a streamed answer and print it while it arrives.")
@click.option("--repeat", metavar="N", type=click.IntRange(1), default=1, help="Invoke N times and report the times.")
@click.option("--concurrency", metavar="M", type=click.IntRange(1), default=1, help="How many invocations run at once.")
@click.option(
    "--token", envvar="DISPATCH_TOKEN", default="", help="The token of a server that listens beyond its machine."
)
@options.as_json
def command(
    name: str,
    source: str | None,
    event: str | None,
    file: Path | None,
    example: str | None,
    endpoint: str | None,
    queued: bool,
    tail: bool,
    stream: bool,
    repeat: int,
    concurrency: int,
    token: str,
    as_json: bool,
) -> None:
    """Invoke NAME, a function's name or ARN, or a function URL, and print the answer.

    The status is 1 if the function fails or cannot be reached.
    """
    body = the_event(source, event, file, example)
    if queued and (stream or tail):
        raise click.UsageError("--event does not wait for an answer, so it takes neither --stream nor --tail")
    call = make_call(name, body, endpoint, queued=queued, tail=tail, stream=stream, token=token)
    if repeat > 1:
        sys.exit(1 if measure_latency(call, repeat, concurrency, as_json=as_json) else 0)
    got = send(requests.Session(), call, None if as_json else write_answer)
    if got.log:
        click.echo(got.log.rstrip("\n"), err=True)
    if as_json:
        click.echo(json.dumps(result_object(got)))
    elif got.error:
        click.echo(click.style(got.error, fg="red"), err=True)
    elif queued:
        click.echo(f"dispatch: queued the event; its request id is {got.request_id}", err=True)
    sys.exit(1 if got.error else 0)


def the_event(source: str | None, event: str | None, file: Path | None, example: str | None) -> bytes:
    """The bytes of the event."""
    if example is None:
        return read_event(source, event, file)
    if any(given is not None for given in (source, event, file)):
        raise click.UsageError("more than one event; pass one of -e, -f, --example and -")
    try:
        return samples.load(example).encode()
    except KeyError as error:
        raise click.UsageError(str(error.args[0])) from error


def make_call(
    name: str, body: bytes, endpoint: str | None, *, queued: bool, tail: bool, stream: bool, token: str
) -> InvokeCall:
    """The request: to the name itself if it is a URL, else to the Invoke API."""
    headers = {addresses.TOKEN: token} if token else {}
    if name.startswith(("http://", "https://")):
        if queued or tail:
            raise click.UsageError("a function URL takes neither --event nor --tail")
        check_address(name)
        return InvokeCall(name, body, {**headers, "Content-Type": protocol.JSON}, stream, is_url=True)
    base = (
        endpoint or os.environ.get("AWS_ENDPOINT_URL_LAMBDA") or os.environ.get("AWS_ENDPOINT_URL") or DEFAULT_ENDPOINT
    )
    if not base.startswith(("http://", "https://")):
        raise click.UsageError(f"the endpoint must begin with http:// or https://, not be {base!r}")
    check_address(base)
    path = (protocol.INVOKE_STREAMING if stream else protocol.INVOKE).format(name=quote(name, safe=""))
    headers[protocol.INVOCATION_TYPE] = "Event" if queued else "RequestResponse"
    if tail:
        headers[protocol.LOG_TYPE] = "Tail"
    return InvokeCall(base.rstrip("/") + path, body, headers, stream, is_url=False)


def check_address(url: str) -> None:
    """Raise UsageError for an address without a host, or with a port that cannot be one."""
    try:
        parts = urlsplit(url)
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise click.UsageError(
            f"not an address: {url!r}; it must have a host, and may have a port, like {DEFAULT_ENDPOINT}"
        )


def write_answer(chunk: bytes) -> None:
    """Write a chunk of the answer to standard output, which gets nothing else."""
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def send(session: requests.Session, call: InvokeCall, show: Callable[[bytes], None] | None) -> Got:
    """Invoke once; `show` gets the answer's chunks while they arrive."""
    began = time.perf_counter()
    try:
        with session.post(
            call.url, call.body, headers=call.headers, stream=True, timeout=(CONNECTING, PATIENCE)
        ) as answer:
            got = _read(call, answer, show)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        got = Got(error=unanswered(call, error))
    got.seconds = time.perf_counter() - began
    return got


def unanswered(call: InvokeCall, error: Exception) -> str:
    """Why there is no answer, or not all of it, in one sentence."""
    url, parts = call.url, urlsplit(call.url)
    causes = list(_causes(error))
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        address = f"{parts.scheme}://{parts.netloc}"
        other = "" if call.is_url else ", or pass its --endpoint"
        return f"no server is listening at {address}; start one with `dispatch serve`{other}"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"the host {parts.hostname!r} is not known; check the endpoint, {url}"
    if isinstance(error, requests.ConnectTimeout):
        return f"{parts.netloc} did not accept the connection within {CONNECTING} seconds"
    if any(isinstance(cause, TimeoutError | urllib3.exceptions.ReadTimeoutError) for cause in causes):
        return f"no answer from {url} within {PATIENCE} seconds"
    reason = next(
        (cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), str(causes[-1])
    )
    return f"no complete answer from {url}: {reason}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, and those that it was raised for; urllib3 also keeps them as an attribute or an argument."""
    seen: list[BaseException] = [error]
    for one in seen:
        yield one
        inner = (getattr(one, "reason", None), one.__cause__, one.__context__, *one.args)
        seen += [each for each in inner if isinstance(each, BaseException) and each not in seen]


def _read(call: InvokeCall, answer: requests.Response, show: Callable[[bytes], None] | None) -> Got:
    got = Got(status=answer.status_code, request_id=answer.headers.get(protocol.AMZN_REQUEST_ID, ""))
    if answer.status_code >= 400:
        got.body = answer.content
        kind = answer.headers.get(protocol.AMZN_ERROR_TYPE, "")
        got.error = " ".join(
            part for part in (f"status {answer.status_code}", kind, _endpoint_message(got.body)) if part
        )
        return got
    failed = protocol.FUNCTION_ERROR in answer.headers
    parts = []
    for chunk in _chunks(call, answer, got):
        parts.append(chunk)
        if show and not failed:
            show(chunk)
    got.body = b"".join(parts)
    got.log = got.log or base64.b64decode(answer.headers.get(protocol.LOG_RESULT, "")).decode(errors="replace")
    if failed:
        got.error = readable(got.body)
    return got


def _endpoint_message(body: bytes) -> str:
    try:
        value = json.loads(body)
        return str(value.get("message") or value.get("Message") or value)
    except (ValueError, AttributeError):
        return body.decode(errors="replace").strip()


def _chunks(call: InvokeCall, answer: requests.Response, got: Got) -> Iterator[bytes]:
    """The answer's chunks while they arrive; the outcome of a stream goes into `got`."""
    raw = answer.raw.stream(65536, decode_content=True) if call.stream or call.is_url else answer.iter_content(65536)
    if not call.stream or call.is_url:
        yield from raw
        return
    decoder = EventStreamDecoder()
    try:
        for data in raw:
            for headers, payload in decoder.feed(data):
                if headers[":event-type"] == "PayloadChunk":
                    yield payload
                else:
                    outcome = json.loads(payload)
                    got.log = base64.b64decode(outcome.get("LogResult", "")).decode(errors="replace")
                    if "ErrorCode" in outcome:
                        got.error = readable(outcome.get("ErrorDetails", "").encode()) or outcome["ErrorCode"]
    except BadEventStream as error:
        got.error = f"the endpoint's answer is not an event stream: {error}"


def readable(report: bytes) -> str:
    """An error report in words: type, message, the function's own frames."""
    try:
        value = json.loads(report)
        first = f"{value.get('errorType', 'Unhandled')}: {value.get('errorMessage', '')}"
    except (ValueError, AttributeError):
        return report.decode(errors="replace")
    return "\n".join([first, *(str(frame).rstrip("\n") for frame in value.get("stackTrace") or [])])


def result_object(got: Got) -> dict[str, Any]:
    """The result for --json."""
    return {
        "status": got.status,
        "requestId": got.request_id,
        "answer": got.body.decode(errors="replace"),
        "error": got.error or None,
        "log": got.log or None,
        "durationMs": round(got.seconds * 1000, 3),
    }


def measure_latency(call: InvokeCall, repeat: int, concurrency: int, *, as_json: bool) -> int:
    """Invoke many times, with a progress bar on a terminal; print the times; return how many failed."""
    from rich.console import Console
    from rich.progress import Progress

    local = threading.local()

    def once(_number: int) -> Got:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        return send(local.session, call, None)

    results: list[Got] = []
    began = time.perf_counter()
    console = Console(stderr=True, **terminal.for_rich())
    # Not a context manager: after Ctrl-C it would wait for the answers of all that has been sent.
    pool = ThreadPoolExecutor(concurrency)
    with Progress(console=console, disable=not console.is_terminal or console.is_dumb_terminal) as progress:
        bar = progress.add_task("invoking", total=repeat)
        for got in pool.map(once, range(repeat)):
            results.append(got)
            progress.advance(bar)
    pool.shutdown()
    summary = summarize(results, time.perf_counter() - began)
    click.echo(json.dumps(summary) if as_json else in_words(summary), err=not as_json)
    return int(summary["failed"])


def summarize(results: list[Got], seconds: float) -> dict[str, Any]:
    """The number of invocations, their times in milliseconds, and their errors."""
    times = sorted(got.seconds * 1000 for got in results)
    errors: dict[str, int] = {}
    for got in results:
        if got.error:
            first = got.error.partition("\n")[0]
            errors[first] = errors.get(first, 0) + 1
    return {
        "invocations": len(results),
        "failed": sum(errors.values()),
        "perSecond": round(len(results) / seconds, 1),
        "minMs": round(times[0], 2),
        "medianMs": round(statistics.median(times), 2),
        "p95Ms": round(times[int(len(times) * 0.95)], 2),
        "p99Ms": round(times[int(len(times) * 0.99)], 2),
        "maxMs": round(times[-1], 2),
        "errors": errors,
    }


def in_words(summary: dict[str, Any]) -> str:
    """The summary in words."""
    lines = [
        "{invocations} invocations, {failed} failed, {perSecond} per second".format(**summary),
        "min {minMs} ms, median {medianMs} ms, p95 {p95Ms} ms, p99 {p99Ms} ms, max {maxMs} ms".format(**summary),
        *(f"{count} times: {error}" for error, count in summary["errors"].items()),
    ]
    return "\n".join(lines)
