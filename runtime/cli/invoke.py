"""`dispatch invoke`: invokes a function of `serve`, a function URL or any Lambda-compatible endpoint."""

from __future__ import annotations

import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final
from urllib.parse import quote, urlsplit

import click
import requests

from dispatch import protocol
from runtime.cli import options, terminal
from runtime.cli.invoke_client import Got, InvokeCall, send
from runtime.cli.run import read_event
from runtime.local import addresses, samples

DEFAULT_ENDPOINT: Final = "http://127.0.0.1:9000"


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

    results: list[Got] = []
    began = time.perf_counter()
    console = Console(stderr=True, **terminal.for_rich())
    with Progress(console=console, disable=not console.is_terminal or console.is_dumb_terminal) as progress:
        bar = progress.add_task("invoking", total=repeat)
        for got in invoke_all(call, repeat, concurrency):
            results.append(got)
            progress.advance(bar)
    summary = summarize(results, time.perf_counter() - began)
    click.echo(json.dumps(summary) if as_json else in_words(summary), err=not as_json)
    return int(summary["failed"])


def invoke_all(call: InvokeCall, repeat: int, concurrency: int) -> Iterator[Got]:
    """Each answer, as it comes.

    Nobody waits for the threads, and a SimpleQueue cannot be left locked: a Ctrl-C ends this at any moment.
    """
    numbers = iter(range(repeat))
    results: SimpleQueue[Got | Exception] = SimpleQueue()

    def work() -> None:
        try:
            with requests.Session() as session:
                for _ in numbers:
                    results.put(send(session, call, None))
        except Exception as error:  # noqa: BLE001 - it is raised where the answers are awaited
            results.put(error)

    for _ in range(min(concurrency, repeat)):
        threading.Thread(target=work, daemon=True).start()
    for _ in range(repeat):
        result = results.get()
        if isinstance(result, Exception):
            raise result
        yield result


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
