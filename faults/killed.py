"""Processes killed while they work: execution environments, and the local platform itself."""

import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.local import ServerProcess
from support.process import children

from faults.report import Fault, Plan, Seen

#: Seconds within which every request has its answer.
PATIENCE = 60

ECHO = '''
import time

def handler(event, context):
    """Takes a moment, so that there is something to interrupt."""
    time.sleep(0.005)
    return event
'''

RECORD = '''
import os, time

def handler(event, context):
    """Appends the event's number to a file, in one write."""
    with open("handled", "a") as file:
        file.write(f"{event['number']}\\n")
    time.sleep(0.002)
'''


def _function(folder: Path, source: str) -> Path:
    root = folder / "function"
    root.mkdir()
    (root / "app.py").write_text(source)
    return root


def crowd(plan: Plan) -> Seen:
    """Requests at 50 at once, while environments are killed at random."""
    count, at_once = plan.times(1000, 20), plan.times(50, 4)
    seen: Counter[str] = Counter()
    broken: list[str] = []
    kills = 0
    root = _function(plan.folder, ECHO)
    arguments = ["app.handler", "--convention", "lambda", "--concurrency", str(at_once), "--no-reload"]
    with ServerProcess(root, *arguments) as server, ThreadPoolExecutor(at_once) as pool:
        done = threading.Event()

        def request(number: int) -> None:
            status, function_error, body = _invoke(server.host, {"number": number})
            kind = json.loads(body).get("errorType") if function_error else status
            if function_error and kind == "Runtime.ExitError":
                seen["ended"] += 1
            elif status == 200 and not function_error and json.loads(body) == {"number": number}:
                seen["answered"] += 1
            else:
                broken.append(f"request {number}: status {status}, {body[:200]!r}")

        def kill() -> int:
            choose, killed = random.Random(plan.seed), 0
            while not done.wait(choose.uniform(0, 0.1)):
                if running := children(server.process.pid):
                    os.kill(choose.choice(running), signal.SIGKILL)
                    killed += 1
            return killed

        with ThreadPoolExecutor(1) as killer:
            killing = killer.submit(kill)
            try:
                for result in pool.map(request, range(count), timeout=PATIENCE * max(count / 100, 1)):
                    assert result is None
            finally:
                done.set()
            kills = killing.result()
        status, function_error, body = _invoke(server.host, {"number": -1})
        if function_error or json.loads(body) != {"number": -1}:
            broken.append(f"afterwards: status {status}, {body[:200]!r}")
    return Seen(
        f"{count:,} requests, {at_once} at once; {kills} environments killed",
        f"{seen['answered']:,} answered; {seen['ended']:,} failed with Runtime.ExitError",
        tuple(broken),
    )


def _invoke(host: str, event: object, kind: str = "RequestResponse") -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)
    try:
        headers = {"X-Amz-Invocation-Type": kind}
        connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event), headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("X-Amz-Function-Error"), answer.read()
    finally:
        connection.close()


def queue(plan: Plan) -> Seen:
    """Asynchronous events, while the platform is killed at random and started again."""
    count, kills = plan.times(2000, 20), plan.times(20, 2)
    choose = random.Random(plan.seed)
    root = _function(plan.folder, RECORD)
    record = root / "handled"
    record.touch()
    arguments = ["app.handler", "--convention", "lambda", "--concurrency", "4", "--no-reload", "--time-scale", "0.01"]
    accepted: list[int] = []
    each = count // kills
    for start in range(0, each * kills, each):
        with ServerProcess(root, *arguments) as server:
            numbers = range(start, start + each)
            accepted += [number for number in numbers if _invoke(server.host, {"number": number}, "Event")[0] == 202]
            time.sleep(choose.uniform(0, 0.2))
            os.killpg(server.process.pid, signal.SIGKILL)
    handled: Counter[int] = Counter()
    with ServerProcess(root, *arguments):
        until = time.monotonic() + PATIENCE
        while set(accepted) - set(handled) and time.monotonic() < until:
            time.sleep(0.1)
            handled = Counter(int(line) for line in record.read_text().split())
    lost = sorted(set(accepted) - set(handled))
    broken = [f"{len(lost)} accepted events were never handled, first {lost[:5]}"] if lost else []
    if len(accepted) < each * kills:
        broken.append(f"only {len(accepted)} of {each * kills} events were accepted")
    twice = sum(times > 1 for times in handled.values())
    if twice > 4 * kills:
        broken.append(f"{twice} events were handled twice, but at most {4 * kills} were under way at a kill")
    return Seen(
        f"{len(accepted):,} events; the platform was killed {kills} times",
        f"{len(lost)} lost; {twice} handled twice",
        tuple(broken),
    )


FAULTS = (
    Fault(
        "crowd",
        "execution environments killed (SIGKILL) at random, with many requests under way",
        "each request gets its own answer, or `Runtime.ExitError` if its environment was killed; nothing hangs",
        crowd,
    ),
    Fault(
        "queue",
        "the local platform is killed (SIGKILL) while asynchronous events are in its queue, and then restarted",
        "each accepted event is handled at least once, and twice only if it was under way at a kill",
        queue,
    ),
)
