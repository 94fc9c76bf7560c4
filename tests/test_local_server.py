"""`dispatch serve` for real clients: boto3 and the AWS command line, neither changed nor patched."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from support.local import ServerProcess, client, write_program
from support.process import await_true

FUNCTIONS = '''
import os, time

calls = 0

def handler(event, context):
    """Answers with what it was told, once a file is there that it may wait for."""
    global calls
    calls += 1
    print("handling", event)
    while not os.path.exists(event.get("wait", "/")):
        time.sleep(0.01)
    if "raise" in event:
        raise ValueError(event["raise"])
    if "exit" in event:
        os._exit(event["exit"])
    if "big" in event:
        return "x" * event["big"]
    client = context.client_context
    return {"event": event, "arn": context.invoked_function_arn, "id": context.aws_request_id, "pid": os.getpid(),
            "custom": client and client.custom, "tenant": context.tenant_id, "trace": os.environ["_X_AMZN_TRACE_ID"]}

def stream(event, context):
    """Streams; the second chunk waits for a file."""
    yield b"first"
    while not os.path.exists(event.get("wait", "/")):
        time.sleep(0.01)
    if "raise" in event:
        raise ValueError(event["raise"])
    yield b"second"

def flaky(event, context):
    """Fails as often as it is told, and counts in a file."""
    with open(event["count"], "a") as file:
        file.write(context.aws_request_id + "\\n")
    if len(open(event["count"]).readlines()) <= event["failures"]:
        raise RuntimeError("not yet")
'''
CONFIG = """
timeout = 60
[functions.one]
handler = "functions.handler"
convention = "lambda"
concurrency = 60
[functions.narrow]
handler = "functions.handler"
convention = "lambda"
concurrency = 1
[functions.hasty]
handler = "functions.handler"
convention = "lambda"
timeout = 0.4
[functions.stream]
handler = "functions.stream"
convention = "lambda"
[functions.flaky]
handler = "functions.flaky"
convention = "lambda"
asynchronous = { on_failure = "failed.jsonl" }
[functions.aged]
handler = "functions.flaky"
convention = "lambda"
asynchronous = { maximum_age = 60, on_failure = "function:flaky" }
[functions.silent]
handler = "functions.handler"
url = false
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all the tests that only ask."""
    root = tmp_path_factory.mktemp("served")
    (root / "functions.py").write_text(FUNCTIONS)
    (root / "dispatch.toml").write_text(CONFIG)
    with ServerProcess(root, "--time-scale", "0.002") as one:
        yield one


@pytest.fixture
def aws(server: ServerProcess) -> Any:
    """boto3's own client."""
    return aws_client(server.address)


def aws_client(address: str, key: str = "any") -> Any:
    """A client as anybody makes one."""
    config = Config(retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=60)
    return boto3.client(
        "lambda",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="any",
        config=config,
    )


ARN = "arn:aws:lambda:us-east-1:012345678912:function:one"


# -- names


@pytest.mark.parametrize(
    ("name", "qualifier", "told", "version"),
    [
        ("one", "", ARN, "$LATEST"),
        ("one:prod", "", f"{ARN}:prod", "$LATEST"),
        ("one", "7", f"{ARN}:7", "7"),
        ("one:prod", "prod", f"{ARN}:prod", "$LATEST"),
        ("012345678912:function:one", "", ARN, "$LATEST"),
        (ARN, "", ARN, "$LATEST"),
        (f"{ARN}:$LATEST", "", f"{ARN}:$LATEST", "$LATEST"),
    ],
)
def test_a_function_is_named_in_every_way(aws: Any, name: str, qualifier: str, told: str, version: str) -> None:
    """Names, partial and full ARNs, each with a qualifier or without, name the same function."""
    more = {"Qualifier": qualifier} if qualifier else {}
    answer = aws.invoke(FunctionName=name, Payload=b"{}", **more)

    assert (told, version) == (json.load(answer["Payload"])["arn"], answer["ExecutedVersion"])


def test_a_function_that_is_not_there(aws: Any) -> None:
    """The exception is the one that boto3 has for it, with AWS's words."""
    with pytest.raises(
        aws.exceptions.ResourceNotFoundException, match=r"Function not found: arn:aws:lambda:.*:nothing"
    ):
        aws.invoke(FunctionName="nothing")


def test_qualifiers_that_disagree(aws: Any) -> None:
    """A qualifier in the name and another beside it are refused."""
    with pytest.raises(aws.exceptions.InvalidParameterValueException, match="does not match"):
        aws.invoke(FunctionName="one:a", Qualifier="b")


# -- Invoke


def test_an_answer(aws: Any) -> None:
    """A success has no error header, and its request id is the function's."""
    answer = aws.invoke(FunctionName="one", Payload=b'{"a": 1}')
    told = json.load(answer["Payload"])

    assert (200, {"a": 1}) == (answer["StatusCode"], told["event"])
    assert "FunctionError" not in answer
    assert answer["ResponseMetadata"]["RequestId"] == told["id"]
    assert "application/json" == answer["ResponseMetadata"]["HTTPHeaders"]["content-type"]
    assert told["trace"].startswith("Root=1-")


def test_no_payload_is_an_empty_object(aws: Any) -> None:
    """boto3 sends nothing at all when there is no payload."""
    assert {} == json.load(aws.invoke(FunctionName="one")["Payload"])["event"]


def test_a_function_error_is_no_http_error(aws: Any) -> None:
    """The status is 200, the header says Unhandled, the body is the runtime's report."""
    answer = aws.invoke(FunctionName="one", Payload=b'{"raise": "no"}')
    report = json.load(answer["Payload"])

    assert (200, "Unhandled") == (answer["StatusCode"], answer["FunctionError"])
    assert ("ValueError", "no") == (report["errorType"], report["errorMessage"])
    assert "in handler" in report["stackTrace"][0]


@pytest.mark.parametrize(
    ("name", "event", "error_type", "words"),
    [
        ("hasty", {"wait": "never"}, "Sandbox.Timedout", "Error: Task timed out after 0.40 seconds"),
        ("one", {"exit": 3}, "Runtime.ExitError", "Error: Runtime exited with error: exit status 3"),
        ("one", {"big": 6291557}, "Function.ResponseSizeTooLarge", "maximum allowed payload size"),
    ],
)
def test_what_the_platform_says_of_a_failure(aws: Any, name: str, event: Any, error_type: str, words: str) -> None:
    """Timeouts, crashes and answers that are too large are told as AWS tells them."""
    answer = aws.invoke(FunctionName=name, Payload=json.dumps(event))
    report = json.load(answer["Payload"])

    assert ("Unhandled", error_type) == (answer["FunctionError"], report["errorType"])
    assert words in report["errorMessage"]


def test_the_tail_of_the_log(aws: Any) -> None:
    """The last 4 KB of the log, with START, END and REPORT, come back base64-encoded."""
    answer = aws.invoke(FunctionName="one", Payload=b'{"a": 1}', LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()

    assert log.startswith("START RequestId: ")
    assert "handling {'a': 1}\nEND RequestId: " in log
    assert "\tMemory Size: 128 MB\t" in log
    long = aws.invoke(FunctionName="one", Payload=json.dumps({"a": "x" * 9000}), LogType="Tail")["LogResult"]
    assert 4096 == len(base64.b64decode(long))


def test_the_client_context_and_the_tenant(aws: Any) -> None:
    """Both reach the function."""
    context = base64.b64encode(b'{"custom": {"a": "\xc3\xa4"}}').decode()
    answer = aws.invoke(FunctionName="one", ClientContext=context, TenantId="tenant 1")
    told = json.load(answer["Payload"])

    assert ({"a": "ä"}, "tenant 1") == (told["custom"], told["tenant"])


def test_a_dry_run_runs_nothing(aws: Any) -> None:
    """Status 204 for a function that is there, not found for one that is not."""
    assert 204 == aws.invoke(FunctionName="one", InvocationType="DryRun")["StatusCode"]
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        aws.invoke(FunctionName="nothing", InvocationType="DryRun")


def test_requests_that_are_refused(aws: Any) -> None:
    """Each refusal is the exception that the service model has for it."""
    cases: list[tuple[str, dict[str, Any]]] = [
        ("InvalidRequestContentException", {"Payload": b"not json"}),
        ("InvalidRequestContentException", {"ClientContext": "!"}),
        ("InvalidRequestContentException", {"ClientContext": base64.b64encode(b"x" * 4000).decode()}),
        ("InvalidParameterValueException", {"InvocationType": "Never"}),
        ("RequestTooLargeException", {"Payload": json.dumps("x" * 6 * 1024 * 1024)}),
        ("RequestTooLargeException", {"Payload": json.dumps("x" * 1024 * 1024), "InvocationType": "Event"}),
    ]
    for shape, arguments in cases:
        with pytest.raises(getattr(aws.exceptions, shape)):
            aws.invoke(FunctionName="one", **arguments)


def test_one_more_than_the_limit_is_throttled(server: ServerProcess, aws: Any, tmp_path: Path) -> None:
    """At the concurrency limit the answer is status 429, with the reason and when to try again."""
    event = {"wait": str(tmp_path / "go")}
    with ThreadPoolExecutor(1) as pool, client(server.host) as page:
        busy = pool.submit(aws.invoke, FunctionName="narrow", Payload=json.dumps(event))

        def is_busy() -> bool:
            functions = page.call("GET", "/_dispatch/state").json["functions"]
            return any(one["environments"] for one in functions if one["name"] == "narrow")

        await_true(is_busy)
        with pytest.raises(aws.exceptions.TooManyRequestsException) as caught:
            aws.invoke(FunctionName="narrow", Payload=b"{}")
        (tmp_path / "go").touch()
        told: Any = caught.value.response
        assert ("ReservedFunctionConcurrentInvocationLimitExceeded", "1") == (told["Reason"], told["retryAfterSeconds"])
        # Read, because the exception keeps this frame in a circle, which may free a connection before who uses it.
        assert event == json.load(busy.result()["Payload"])["event"]


def test_fifty_at_once(aws: Any) -> None:
    """Fifty requests at once each get their own answer."""
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: aws.invoke(FunctionName="one", Payload=json.dumps({"n": n})), range(50)))

    assert list(range(50)) == [json.load(answer["Payload"])["event"]["n"] for answer in answers]


def test_what_boto3_does_not_send(server: ServerProcess, aws: Any) -> None:
    """A request id of the caller's own is kept if it is a UUID; the old asynchronous operation still queues."""
    path, given = "/2015-03-31/functions/one/invocations", "b7a9f2a4-2f6e-4c50-8c2a-0d4c8b8f1f5e"
    with client(server.host) as one:
        assert given == one.call("POST", path, b"{}", {"x-amzn-RequestId": given}).json["id"]
        refused = one.call("POST", path, b"{}", {"x-amzn-RequestId": "mine"})
        assert (400, "InvalidRequestContentException") == (refused.status, refused.headers["x-amzn-errortype"])
    assert 202 == aws.invoke_async(FunctionName="one", InvokeArgs=b"{}")["Status"]


# -- streams


def events(answer: Any) -> list[Any]:
    """All events of a stream."""
    return list(answer["EventStream"])


def test_a_stream_arrives_chunk_by_chunk(aws: Any, tmp_path: Path) -> None:
    """The first chunk is there before the second is made."""
    go = tmp_path / "go"
    stream = iter(
        aws.invoke_with_response_stream(FunctionName="stream", Payload=json.dumps({"wait": str(go)}))["EventStream"]
    )

    assert b"first" == next(stream)["PayloadChunk"]["Payload"]
    go.touch()
    assert [{"PayloadChunk": {"Payload": b"second"}}, {"InvokeComplete": {}}] == list(stream)


def test_a_stream_that_fails_says_so_at_its_end(aws: Any) -> None:
    """The trailers become the last event's error code and details."""
    answer = aws.invoke_with_response_stream(FunctionName="stream", Payload=b'{"raise": "late"}', LogType="Tail")
    first, last = events(answer)

    assert b"first" == first["PayloadChunk"]["Payload"]
    assert "ValueError" == last["InvokeComplete"]["ErrorCode"]
    assert "late" == json.loads(last["InvokeComplete"]["ErrorDetails"])["errorMessage"]
    assert b"START" in base64.b64decode(last["InvokeComplete"]["LogResult"])


def test_a_streaming_function_can_be_waited_for(aws: Any) -> None:
    """A plain Invoke of it gets all at once; if it fails half way, the error."""
    assert b"firstsecond" == aws.invoke(FunctionName="stream")["Payload"].read()
    failed = aws.invoke(FunctionName="stream", Payload=b'{"raise": "late"}')
    assert ("Unhandled", "late") == (failed["FunctionError"], json.load(failed["Payload"])["errorMessage"])


# -- what is not invoking


def test_functions_can_be_read(aws: Any) -> None:
    """Lists, configurations, URLs and limits are there, and waiters find the function active."""
    names = {one["FunctionName"] for one in aws.list_functions()["Functions"]}
    configuration = aws.get_function(FunctionName=ARN)["Configuration"]

    assert {"one", "narrow", "hasty", "stream", "flaky", "aged", "silent"} == names
    assert ("functions.handler", 60, "Active") == (
        configuration["Handler"],
        configuration["Timeout"],
        configuration["State"],
    )
    assert 128 == aws.get_function_configuration(FunctionName="one")["MemorySize"]
    aws.get_waiter("function_active_v2").wait(FunctionName="one")
    aws.get_waiter("function_updated").wait(FunctionName="one")
    assert aws.get_function_url_config(FunctionName="one")["FunctionUrl"].endswith("/lambda-url/one/")
    with pytest.raises(aws.exceptions.ResourceNotFoundException):
        aws.get_function_url_config(FunctionName="silent")
    assert 60 == aws.get_function_concurrency(FunctionName="one")["ReservedConcurrentExecutions"]
    assert 2 == aws.get_function_event_invoke_config(FunctionName="one")["MaximumRetryAttempts"]
    assert aws.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] > 60
    assert [] == aws.list_aliases(FunctionName="one")["Aliases"]
    assert ["$LATEST"] == [one["Version"] for one in aws.list_versions_by_function(FunctionName="one")["Versions"]]


def test_what_is_not_offered_says_so(aws: Any) -> None:
    """An operation that a laptop has no use for is refused by name."""
    with pytest.raises(ClientError, match="does not offer DELETE /2015-03-31/functions/one"):
        aws.delete_function(FunctionName="one")


def test_another_services_client_is_told(server: ServerProcess) -> None:
    """With AWS_ENDPOINT_URL every client comes here; what is not Lambda's is refused in words."""
    queues = boto3.client(
        "sqs",
        endpoint_url=server.address,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(ClientError, match="does not offer POST /"):
        queues.list_queues()


def test_the_aws_command_line(server: ServerProcess, tmp_path: Path) -> None:
    """`aws lambda invoke` works with nothing but AWS_ENDPOINT_URL_LAMBDA."""
    pytest.importorskip("awscli", reason="the AWS command line is not installed: pip install awscli")
    out = tmp_path / "out.json"
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL_LAMBDA": server.address,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
    }
    command = [sys.executable, "-m", "awscli", "lambda", "invoke", "--function-name", "one", "--log-type", "Tail"]
    done = subprocess.run(
        [*command, "--payload", '{"a": 1}', str(out)], env=environment, capture_output=True, timeout=60, check=False
    )

    assert 0 == done.returncode, done.stderr
    assert {"a": 1} == json.loads(out.read_text())["event"]
    assert {"StatusCode", "ExecutedVersion", "LogResult"} == set(json.loads(done.stdout))


# -- asynchronous invocation


def test_a_queued_event_is_tried_again(aws: Any, tmp_path: Path) -> None:
    """Two failures, then a success: three tries with one request id."""
    count = tmp_path / "count"
    payload = json.dumps({"count": str(count), "failures": 2})
    answer = aws.invoke(FunctionName="flaky", InvocationType="Event", Payload=payload)

    assert (202, b"") == (answer["StatusCode"], answer["Payload"].read())
    await_true(lambda: count.exists() and 3 == len(count.read_text().splitlines()))
    assert {answer["ResponseMetadata"]["RequestId"]} == set(count.read_text().splitlines())


def test_an_event_that_fails_for_good_goes_to_its_destination(server: ServerProcess, aws: Any, tmp_path: Path) -> None:
    """After two retries the record that Lambda sends is at the end of the file."""
    count = tmp_path / "count"
    payload = {"count": str(count), "failures": 9}
    failed = server.root / "failed.jsonl"
    request_id = aws.invoke(FunctionName="flaky", InvocationType="Event", Payload=json.dumps(payload))[
        "ResponseMetadata"
    ]["RequestId"]

    await_true(lambda: failed.exists() and request_id in failed.read_text())
    record = json.loads(failed.read_text().splitlines()[-1])
    context = {"requestId": request_id, "condition": "RetriesExhausted", "approximateInvokeCount": 3}
    assert context.items() <= record["requestContext"].items()
    assert payload == record["requestPayload"]
    assert "not yet" == record["responsePayload"]["errorMessage"]
    assert 3 == len(count.read_text().splitlines())


def test_the_queue_survives_a_restart(tmp_path: Path) -> None:
    """What was accepted and not done when the server was killed is done by the next one."""
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    count = tmp_path / "count"
    arguments = ("functions.flaky", "--convention", "lambda", "--no-reload")
    with ServerProcess(tmp_path, *arguments) as first:
        payload = json.dumps({"count": str(count), "failures": 1})
        aws_client(first.address).invoke(FunctionName="function", InvocationType="Event", Payload=payload)
        await_true(count.exists)
        first.process.kill()
        first.wait()
    with ServerProcess(tmp_path, *arguments):
        await_true(lambda: 2 == len(count.read_text().splitlines()))


# -- other runtimes


SHELL = """#!/bin/bash
while true; do
  headers=$(mktemp)
  event=$(curl -sS -D "$headers" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")
  id=$(grep -i '^lambda-runtime-aws-request-id' "$headers" | cut -d ' ' -f 2 | tr -d '\\r')
  rm "$headers"
  invocation="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id"
  curl -sS "$invocation/response" -d "{\\"shell\\": $event}" > /dev/null
done
"""
AWS_CLIENT = '#!/bin/sh\nexec {python} -m awslambdaric "$_HANDLER"\n'


@pytest.mark.parametrize(
    ("source", "seen"),
    [(SHELL, lambda told: told["shell"]), (AWS_CLIENT, lambda told: told["event"])],
    ids=["shell", "aws"],
)
def test_any_runtime_can_be_served(tmp_path: Path, source: str, seen: Callable[[Any], Any]) -> None:
    """A bootstrap in shell, and AWS's own runtime client."""
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    write_program(tmp_path / "bootstrap", source.replace("{python}", sys.executable))
    with ServerProcess(tmp_path, "functions.handler", "--bootstrap", "bootstrap", "--timeout", "20") as server:
        for number in (1, 2):
            answer = aws_client(server.address).invoke(FunctionName="function", Payload=json.dumps({"n": number}))
            assert {"n": number} == seen(json.load(answer["Payload"]))


# -- safety


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:9000"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ],
)
def test_no_web_page_elsewhere_can_invoke(server: ServerProcess, headers: dict[str, str], status: int) -> None:
    """A name that leads here, another origin, a form or an image of another site: each is refused."""
    with client(server.host) as one:
        assert status == one.call("POST", "/2015-03-31/functions/one/invocations", b"{}", headers).status
        assert status == one.call("GET", "/lambda-url/one/", None, headers).status
        assert status == one.call("GET", "/", None, headers).status


def test_bound_wider_it_asks_for_the_token(tmp_path: Path) -> None:
    """Without the token nothing is invoked; as the key id of an AWS client, in a header or in a cookie it opens."""
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    with ServerProcess(tmp_path, "functions.handler", "--convention", "lambda", "--host", "0.0.0.0") as server:
        token = server.line("AWS_ACCESS_KEY_ID=").partition("=")[2]
        path = "/2015-03-31/functions/function/invocations"
        with client(server.host) as one:
            assert 403 == one.call("POST", path, b"{}").status
            assert 403 == one.call("POST", path, b"{}", {"X-Dispatch-Token": "wrong"}).status
            assert 403 == one.call("GET", "/").status
            assert 200 == one.call("POST", path, b"{}", {"X-Dispatch-Token": token}).status
            assert 200 == one.call("POST", path, b"{}", {"Authorization": f"Bearer {token}"}).status
            opened = one.call("GET", f"/?token={token}")
            assert 303 == opened.status
            assert 200 == one.call("GET", "/", None, {"Cookie": opened.headers["set-cookie"].partition(";")[0]}).status
            assert 200 == one.call("GET", "/health").status
        answer = aws_client(server.address, token).invoke(FunctionName="function", Payload=b'{"a": 1}')
        assert {"a": 1} == json.load(answer["Payload"])["event"]


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_the_token_can_be_given(tmp_path: Path, host: str) -> None:
    """It is asked for wherever the server listens, by any name that leads there; neither log nor function sees it."""
    (tmp_path / "app.py").write_text("import os\ndef handler(event, context):\n    return dict(os.environ)\n")
    arguments = ("app.handler", "--convention", "lambda", "--no-reload", "--host", host)
    with ServerProcess(tmp_path, *arguments, environment={"DISPATCH_SERVE_TOKEN": "a-secret"}) as server:
        path = "/2015-03-31/functions/function/invocations"
        with client(server.host) as one:
            for name in ("hello", "hello.default.svc.cluster.local:80", "10.1.2.3:8080", "localhost"):
                assert 200 == one.call("GET", "/health", None, {"Host": name}).status
                assert 403 == one.call("POST", path, b"{}", {"Host": name}).status
                answer = one.call("POST", path, b"{}", {"Host": name, "X-Dispatch-Token": "a-secret"})
                assert 200 == answer.status
                assert b"PATH" in answer.body
                assert b"a-secret" not in answer.body
        server.line("callers need the token that you passed")
        assert [] == [line for line in server.lines if "a-secret" in line]
