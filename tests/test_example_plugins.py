"""The observers under examples/, each with its real library and through the runtime."""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.api import ARN, event
from support.files import write
from support.runtime import AWS, Runtime, Serve, start

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

#: What Lambda sets.
FUNCTION = {
    "AWS_LAMBDA_FUNCTION_NAME": "sample",
    "AWS_LAMBDA_FUNCTION_VERSION": "7",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/sample",
    "AWS_LAMBDA_LOG_STREAM_NAME": "one",
    "AWS_REGION": "eu-central-1",
}

#: Starts a runtime on an `app.py`, with one of the plugins.
Observe = Callable[..., Runtime]


@pytest.fixture
def observe(serve: Serve) -> Observe:
    """Start a runtime beside a plugin: `observe("sentry", source)`."""

    def begin(plugin: str, source: str, convention: str = "lambda", **env: str) -> Runtime:
        settings = {"PYTHONPATH": str(EXAMPLES / f"plugin-{plugin}"), "HANDLER_PLUGINS": f"dispatch_{plugin}"}
        return serve(source, convention=convention, env={**FUNCTION, **settings, **env})

    return begin


@pytest.mark.parametrize("folder", sorted(EXAMPLES.glob("plugin-*")), ids=lambda folder: str(folder.name))
def test_distributions(folder: Path) -> None:
    """Each example is a distribution with one module, which its entry point names."""
    settings = tomllib.loads((folder / "pyproject.toml").read_text())
    [module] = settings["project"]["entry-points"]["dispatch"].values()
    assert [f"{module}.py"] == settings["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert [f"{module}.py"] == [path.name for path in folder.glob("*.py")]


# ----------------------------------------------------------------------------------------------------------------------
# OpenTelemetry
# ----------------------------------------------------------------------------------------------------------------------

#: Answers with the spans that have been exported before the event; `BatchSpanProcessor` waits five seconds by itself.
SPANS = """
import atexit, json, threading
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(exporter))

def exported():
    spans = [json.loads(span.to_json()) for span in exporter.get_finished_spans()]
    exporter.clear()
    return spans

def handler(event, context):
    spans = exported()
    with trace.get_tracer("app").start_as_current_span("inside"):
        if "raise" in event:
            raise KeyError(event["raise"])
        if "wait" in event:
            atexit.register(lambda: print("EXPORTED", json.dumps(exported())))
            print("WAITING", flush=True)
            threading.Event().wait()
    return {"statusCode": 201, "spans": spans}

async def streaming(event, headers):
    with trace.get_tracer("app").start_as_current_span("inside"):
        yield json.dumps(exported())
"""
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HTTP_1 = {
    "resource": "/a/{b}",
    "path": "/a/c",
    "httpMethod": "POST",
    "headers": {"User-Agent": "curl", "Host": "one.example"},
    "multiValueHeaders": {"X-Forwarded-Proto": ["https"], "TRACEPARENT": [f"00-{TRACE}-{PARENT}-01"]},
    "queryStringParameters": {"q": "a b"},
    "requestContext": {"stage": "dev"},
}
HTTP_2 = {
    "version": "2.0",
    "rawQueryString": "q=1",
    "headers": None,
    "requestContext": {"domainName": "two.example", "http": {"method": "GET", "path": "/d", "userAgent": "curl"}},
}
QUEUE = {"Records": [{"eventSource": "aws:sqs", "eventSourceARN": f"{ARN}", "body": "x"}]}
ODD = b'{"headers": [], "multiValueHeaders": {"a": "b"}, "requestContext": "x", "version": "2.0", "Records": [1]}'
EVENTS = [HTTP_1, HTTP_2, QUEUE, {"requestContext": {"elb": {}}, "httpMethod": "GET"}, {"n": 1}]


def by_instrumentation(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[dict[str, Any]]:
    """The attributes that OpenTelemetry's own instrumentation gives to the spans of EVENTS."""
    sdk = import_module("opentelemetry.sdk.trace")
    export = import_module("opentelemetry.sdk.trace.export")
    memory = import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter").InMemorySpanExporter()
    instrumentor = import_module("opentelemetry.instrumentation.aws_lambda").AwsLambdaInstrumentor()
    write(folder, {"instrumented.py": 'def handler(event, context):\n    return {"statusCode": 201}\n'})
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "sample")
    monkeypatch.setenv("_HANDLER", "instrumented.handler")
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(memory))
    instrumentor.instrument(tracer_provider=provider)
    for number, sent in enumerate(EVENTS):
        context = SimpleNamespace(function_name="sample", invoked_function_arn=ARN, aws_request_id=str(number))
        import_module("instrumented").handler(sent, context)
    instrumentor.uninstrument()
    return [dict(span.attributes) for span in memory.get_finished_spans() if span.kind.name == "SERVER"]


def spans_of(runtime: Runtime, events: list[Any]) -> list[list[dict[str, Any]]]:
    """The spans of each event, all of which have been exported before the next event is handled."""
    answers = [
        runtime.invoke(json.dumps(sent).encode(), {"Lambda-Runtime-Aws-Request-Id": str(number)})
        for number, sent in enumerate([*events, {}])
    ]
    return [json.loads(answer.body)["spans"] for answer in answers[1:]]


def test_attributes_of_spans(observe: Observe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A span has the attributes that OpenTelemetry's own instrumentation sets, and says whether the start was cold."""
    pytest.importorskip("opentelemetry.instrumentation.aws_lambda")
    found = spans_of(observe("opentelemetry", SPANS), EVENTS)

    expected = [
        {**attributes, "faas.coldstart": not number}
        for number, attributes in enumerate(by_instrumentation(monkeypatch, tmp_path / "instrumented"))
    ]
    assert expected == [span["attributes"] for _, span in found]
    assert {("sample", "SpanKind.SERVER")} == {(span["name"], span["kind"]) for _, span in found}


def test_parents_of_spans(observe: Observe) -> None:
    """A span's parent comes from the event's headers, and the spans of the handler are its children."""
    pytest.importorskip("opentelemetry.sdk")
    first, second = spans_of(observe("opentelemetry", SPANS), [HTTP_1, {"no": "headers"}])

    assert [f"0x{TRACE}"] * 2 == [span["context"]["trace_id"] for span in first]
    for inside, span in (first, second):
        assert ("inside", span["context"]["span_id"]) == (inside["name"], inside["parent_id"])
    assert [f"0x{PARENT}", None] == [first[1]["parent_id"], second[1]["parent_id"]]


def test_failures_in_spans(observe: Observe) -> None:
    """A failed invocation has an error status and the exception; the next one has neither."""
    pytest.importorskip("opentelemetry.sdk")
    (_, failed), (_, passed) = spans_of(observe("opentelemetry", SPANS), [{"raise": "nobody home"}, HTTP_2])

    assert {"status_code": "ERROR", "description": "KeyError: 'nobody home'"} == failed["status"]
    assert ["KeyError"] == [event["attributes"]["exception.type"] for event in failed["events"]]
    assert ({"status_code": "UNSET"}, []) == (passed["status"], passed["events"])
    assert 201 == passed["attributes"]["http.status_code"]


@pytest.mark.parametrize("concurrency", ["", "async"])
def test_spans_of_async_streams(observe: Observe, concurrency: str) -> None:
    """An async generator's spans are children of the invocation's, too, also on an event loop of another thread."""
    pytest.importorskip("opentelemetry.sdk")
    source = SPANS.replace("def handler", "def other").replace("streaming", "handler")
    runtime = observe("opentelemetry", source, "json", HANDLER_CONCURRENCY=concurrency)
    assert b"[]" in runtime.invoke(b"{}").body
    inside, span = json.loads(json.loads(runtime.invoke(b"{}").body))
    assert (span["context"]["span_id"], "SpanKind.SERVER") == (inside["parent_id"], span["kind"])


def test_spans_at_the_end(observe: Observe) -> None:
    """If the environment ends while an event is handled, the span ends too and is exported."""
    pytest.importorskip("opentelemetry.sdk")
    runtime = observe("opentelemetry", SPANS)
    runtime.api.hand_out(event(b'{"wait": true}'))
    runtime.child.wait_log("WAITING")
    line = next(line for line in runtime.end().splitlines() if line.startswith("EXPORTED"))
    status = json.loads(line.removeprefix("EXPORTED "))[-1]["status"]
    assert {"status_code": "ERROR", "description": "the execution environment ended: SIGTERM"} == status


def test_spans_without_a_provider(observe: Observe) -> None:
    """A function that sets up no OpenTelemetry works, and the log says what is missing."""
    pytest.importorskip("opentelemetry")
    runtime = observe("opentelemetry", "def handler(event, context):\n    return event\n")
    assert [b"[1]", ODD] == [runtime.invoke(body).body for body in (b"[1]", ODD)]
    assert [1, 0] == [runtime.end().count(words) for words in ("no TracerProvider is set", "failed: ")]


# ----------------------------------------------------------------------------------------------------------------------
# Metrics
# ----------------------------------------------------------------------------------------------------------------------


def test_metrics(observe: Observe) -> None:
    """Each invocation has one line in the embedded metric format, the same as Powertools writes for these metrics."""
    metrics = pytest.importorskip("aws_lambda_powertools.metrics")
    runtime = observe("metrics", "def handler(event, headers):\n    return str(1 / int(event))\n", "standard")
    for body in (b"1", b"0", b"2"):
        runtime.invoke(body, {"Lambda-Runtime-Aws-Request-Id": f"number-{body.decode()}"})
    runtime.child.wait_log('"number-2"')

    lines = [json.loads(line) for line in runtime.child.log.splitlines() if line.startswith("{")]
    assert [(0, 1), (1, 0), (0, 0)] == [(line["Errors"], line["ColdStarts"]) for line in lines]
    assert [None, "ZeroDivisionError", None] == [line.get("ErrorType") for line in lines]
    for line in lines:
        same = metrics.EphemeralMetrics(namespace="dispatch")
        same.add_dimension(name="FunctionName", value="sample")
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            same.add_metric(name=metric["Name"], unit=metric["Unit"], value=line[metric["Name"]])
        expected = same.serialize_metric_set()
        expected["_aws"]["Timestamp"] = line["_aws"]["Timestamp"]
        expected = {name: value[0] if isinstance(value, list) else value for name, value in expected.items()}
        assert expected == {name: line[name] for name in expected}


# ----------------------------------------------------------------------------------------------------------------------
# Sentry
# ----------------------------------------------------------------------------------------------------------------------

#: Prints what Sentry would be sent, and answers with how often that was flushed.
SENTRY = """
import json, threading
import sentry_sdk
from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration
from sentry_sdk.transport import Transport

class Seen(Transport):
    flushed = 0
    warned = threading.Event()

    def capture_envelope(self, envelope):
        event = envelope.get_event() or envelope.get_transaction_event()
        print("SENT", json.dumps(event), flush=True)
        self.warned.set()

    def flush(self, *args, **options):
        Seen.flushed += 1

sentry_sdk.init(
    "http://k@127.0.0.1:9/1",
    integrations=[AwsLambdaIntegration(timeout_warning=True)],
    transport=Seen,
    traces_sample_rate=1.0,
    auto_enabling_integrations=False,  # which import every library that they know
)

def handler(event, context):
    if event == "flushed":
        return Seen.flushed
    if event == "wait":
        Seen.warned.clear()
        return Seen.warned.wait(20)
    sentry_sdk.set_tag("of", str(event)[:10])
    sentry_sdk.add_breadcrumb(message="seen")
    raise KeyError("nobody home")
"""


def sent_by(runtime: Runtime, *events: Any) -> list[dict[str, Any]]:
    """What Sentry is sent for these events."""
    for sent in events:
        runtime.invoke(json.dumps(sent).encode())
    runtime.invoke(b'"flushed"')  # the transactions of the others have been sent by now
    lines = runtime.child.log.splitlines()
    return [json.loads(line.removeprefix("SENT ")) for line in lines if line.startswith("SENT ")]


def compared(sent: dict[str, Any]) -> dict[str, Any]:
    """What must be the same under each runtime."""
    trace = {key: sent["contexts"]["trace"].get(key) for key in ("op", "status", "origin")}
    if "exception" not in sent:
        return {"transaction": sent["transaction"], "trace": trace, "request": sent["request"]}
    [exception] = sent["exception"]["values"]
    times = ("execution_duration_in_millis", "remaining_time_in_millis", "aws_request_id")
    return {
        "exception": [exception[key] for key in ("type", "value", "mechanism")],
        "frame": exception["stacktrace"]["frames"][-1]["context_line"],
        "request": sent["request"],
        "tags": sent["tags"],
        "breadcrumbs": [crumb["message"] for crumb in sent["breadcrumbs"]["values"]],
        "lambda": {key: value for key, value in sent["extra"]["lambda"].items() if key not in times},
        "log": {key: value for key, value in sent["extra"]["cloudwatch logs"].items() if key != "url"},
        "transaction": sent["transaction"],
        "trace": trace,
    }


def test_sentry_reports_as_under_aws(observe: Observe, tmp_path: Path) -> None:
    """Exceptions reach Sentry with the same data as under AWS's own client, each on a scope of its own."""
    pytest.importorskip("sentry_sdk")
    events = [HTTP_1, [{"n": 1}, {"n": 2}], "text"]
    with start(AWS, "app.handler", write(tmp_path / "aws", {"app.py": SENTRY}), FUNCTION) as aws:
        expected = [compared(sent) for sent in sent_by(aws, *events)][:6]
    assert ["exception", "transaction"] * 3 == [next(iter(sent)) for sent in expected]
    assert expected == [compared(sent) for sent in sent_by(observe("sentry", SENTRY), *events)][:6]


def test_sentry_reports_init_errors(serve: Serve, observe: Observe, tmp_path: Path) -> None:
    """What a module raises after `sentry_sdk.init` reaches Sentry, as under AWS's own client."""
    pytest.importorskip("sentry_sdk")
    source = f"{SENTRY}\nraise LookupError('no table')\n"
    with start(AWS, "app.handler", write(tmp_path / "aws", {"app.py": source}), FUNCTION) as aws:
        logs = [aws.failed().log, observe("sentry", source).failed().log]
    [expected], [found] = (re.findall("^SENT (.*)", log, re.MULTILINE) for log in logs)
    [expected], [found] = (json.loads(sent)["exception"]["values"] for sent in (expected, found))
    assert expected["mechanism"] == found["mechanism"]
    assert ("LookupError", "no table") == (found["type"], found["value"])
    assert expected["type"] == found["type"]


def test_sentry_is_flushed(observe: Observe) -> None:
    """What is queued is sent before the next event."""
    pytest.importorskip("sentry_sdk")
    runtime = observe("sentry", SENTRY)
    assert [b"0", b"1"] == [runtime.invoke(b'"flushed"').body for _ in range(2)]
    assert "failed: " not in runtime.end()


def test_sentry_warns_of_a_timeout(observe: Observe) -> None:
    """An invocation that has little time left is reported if the integration asks for that."""
    pytest.importorskip("sentry_sdk")
    runtime = observe("sentry", SENTRY)
    runtime.invoke(b'"flushed"')  # not counting the start
    deadline = str(int((time.time() + 2.5) * 1000))
    assert b"true" == runtime.invoke(b'"wait"', {"Lambda-Runtime-Deadline-Ms": deadline}).body
    errors = [sent["exception"]["values"][0]["type"] for sent in sent_by(runtime) if "exception" in sent]
    assert ["ServerlessTimeoutWarning"] == errors


def test_without_sentry(observe: Observe) -> None:
    """A function that does not use Sentry does not load it."""
    source = "import sys\ndef handler(event, context):\n    return 'sentry_sdk' in sys.modules\n"
    assert b"false" == observe("sentry", source).invoke(b"{}").body
