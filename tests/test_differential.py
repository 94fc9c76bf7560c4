"""AWS's runtime client and ours, on the same handler and the same events: what they post and log is the same.

Both serve all the cases one after the other, each beside a case that leaves a mark in the log; every test then compares
one case. Where they differ on purpose, tests/test_differential_differences.py has the case.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from support.differential import LAMBDA, MANAGED, RENAMED, SAMPLES, Case, Outcome, Side, asking, in_ascii
from support.runtime import BOTH

VALUES = [
    *("None", "True", "False", "0", "-1", "2**53 + 1", "10**40", "-10**40", "1.5", "-0.0", "1e16", "1e-7", "0.1 + 0.2"),
    *("5e-324", "1.7976931348623157e308", "float('nan')", "float('inf')", "-float('inf')", "[float('nan'), None]"),
    *("''", "'text'", "'\\x00\\x1f\\x7f\\b\\f\\n\\r\\t\"\\\\/'", "'</script>'"),
    *("[]", "{}", "()", "[[], {}, ()]", "(1, 'a', None)", "[1, [2, [3, {'a': {'b': []}}]]]", "{'b': 1, 'a': 2}"),
    *("{1: 1, 1.5: 2, True: 3, None: 4}", "{'a': 1, 1: 2, '1': 3}", "{(1, 2): 3}", "{b'k': 1}", "{b'\\xff': 1}"),
    *("{Level.LOW: 1}", "{Word('k'): 1}", "{float('nan'): 1}", "{decimal.Decimal('1.0'): 1}"),
    *("decimal.Decimal('1.10')", "decimal.Decimal('1E+3')", "decimal.Decimal('NaN')", "decimal.Decimal('-NaN')"),
    *("decimal.Decimal('sNaN')", "decimal.Decimal('Infinity')", "[decimal.Decimal('0.1') + decimal.Decimal('0.2')]"),
    *("b''", "b'raw\\xff\\x00'", "[b'nested']", "[b'\\xff']", "bytearray(b'raw')", "memoryview(b'raw')"),
    *("Point(1, 2)", "{'p': [Point(1, Point(2, 3))]}", "Row(1)", "Colour.RED", "Level.LOW", "Word('text')"),
    *("WithDict(a=1)", "OrderedDict(b=1, a=2)", "WithAsDict()", "ForJson()", "{1, 2}", "frozenset()"),
    *("datetime.datetime(2026, 1, 2, 3, 4)", "datetime.date(2026, 1, 2)", "datetime.timedelta(1)", "uuid.UUID(int=1)"),
    *("object()", "{'a': [1, object()]}", "1j", "len", "Ellipsis", "range(3)", "ValueError('x')", "type", "os.environ"),
    *("(lambda a: a.append(a) or a)([])", "(lambda d: d.update(a=d) or d)({})", "'x' * 100_000", "list(range(20_000))"),
    *("{str(n): [n, n / 7, str(n), None, n % 2 == 0] for n in range(3_000)}", "[1] * 3 + [[2] * 3]"),
    *("(lambda f: f(f, 150))(lambda f, n: [f(f, n - 1)] if n else 0)", "10**5000"),
]

UNICODE = ["'ü'", "'\\u2028\\u2029\\x80\\xa0'", "'\\U0001f40d'", "{'ключ': ['значение', '值']}"]

EVENTS = {
    "null": b"null",
    "true": b"true",
    "text": '"ü \\ud83d\\udc0d \\u0000"'.encode(),
    "a lone surrogate": b'"\\ud800"',
    "big integers": b"[12345678901234567890123, -9223372036854775809, 18446744073709551616, 1e3, 1E400, -0, -0.0]",
    "floats": b"[0.1, 1.0, 1e16, 5e-324, 0.30000000000000004, 123456789012345678.0]",
    "duplicate names": b'{"a": 1, "b": 2, "a": 3}',
    "blanks": b" \t\r\n[ 1 , 2 ] \n",
    "a byte order mark": b"\xef\xbb\xbf1",
    "nesting": b"[" * 90 + b"]" * 90,
    "nothing": b"",
    "no JSON": b"nonsense",
    "an open brace": b'{"a":',
    "a trailing comma": b"[1,]",
    "single quotes": b"{'a': 1}",
    "two values": b"1 2",
    "a leading zero": b"01",
    "no UTF-8": b'"\xff"',
    "a raw control character": b'"\n"',
    "a bad escape": b'"\\x"',
    "NaN": b"NaN",
    "Infinity": b"[Infinity]",
    "-Infinity": b'{"a": -Infinity}',
    "an abyss": b"[" * 100_000,
    "large": json.dumps([{"n": n, "x": n / 3, "s": "ü" * 10} for n in range(2_000)]).encode(),
    "large, with big integers": json.dumps([2**70 + n for n in range(500)]).encode(),
    "large, with Infinity": json.dumps([float("inf")] * 2_000).encode(),
    "large, broken": b"[" + b"1," * 5_000,
}

FAILURES = [
    *("plain", "no_message", "empty_message", "several_arguments", "key", "custom", "carrying", "chained"),
    *("while_handling", "suppressed", "grouped", "noted", "nested", "lines", "quotes", "markup"),
    *("local_class", "in_library", "in_eval", "in_lambda", "in_comprehension", "operating_system"),
    *("asserting", "stop", "syntax_at_run_time", "import_at_run_time", "unicode_error", "long_message"),
    *("under_a_megabyte", "a_megabyte"),
]

CLIENT = {
    "custom": {"a": [1, None]},
    "env": {"locale": "de"},
    "client": {"installation_id": "i", "app_title": "t", "app_version_name": "1", "app_version_code": "2"},
}
IDENTITY = '{"cognitoIdentityId": "one", "cognitoIdentityPoolId": "pool", "other": 1}'
W3C = {"traceparent": "00-1", "tracestate": "a=b", "baggage": 1, "other": "x"}


def client(**fields: object) -> Mapping[str, str]:
    """The header with a client context."""
    return {"Lambda-Runtime-Client-Context": json.dumps(fields)}


CONTEXTS: dict[str, Mapping[str, str | None]] = {
    "no optional header": {"Lambda-Runtime-Invoked-Function-Arn": None},
    "a client context": client(**CLIENT),
    "a client context without a client": client(custom={}, env=None),
    "a client context with an empty client": client(client={}),
    "a W3C trace context": client(**CLIENT, w3c=W3C),
    "a W3C trace context alone": client(w3c=W3C),
    "a W3C trace context that is none": client(w3c="x"),
    "a client context that is null": {"Lambda-Runtime-Client-Context": "null"},
    "an identity": {"Lambda-Runtime-Cognito-Identity": IDENTITY},
    "half an identity": {"Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "one"}'},
    "an identity that is null": {"Lambda-Runtime-Cognito-Identity": "null"},
    "a tenant": {"Lambda-Runtime-Aws-Tenant-Id": "tenant-1"},
    "a trace id": {
        "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"
    },
    "no trace id after one": {},
    "an invocation id": {"Lambda-Runtime-Invocation-Id": "invocation-1"},
    "broken client context": {"Lambda-Runtime-Client-Context": "{"},
    "broken identity": {"Lambda-Runtime-Cognito-Identity": "{'a': 1}"},
    "both broken": {"Lambda-Runtime-Client-Context": "x", "Lambda-Runtime-Cognito-Identity": "y"},
    "empty headers": {
        f"Lambda-Runtime-{name}": ""
        for name in ("Client-Context", "Cognito-Identity", "Aws-Tenant-Id", "Trace-Id", "Invoked-Function-Arn")
    },
    "a number in the client context": client(custom=2**70, client={"installation_id": 1.5}),
}

LOGGED = [
    asking("words", do="words"),
    asking("traced", do="traced"),
    asking("records", do="records"),
    asking("failure in the log", do="fail", name="chained"),
    asking("a tenant in the log", {"Lambda-Runtime-Aws-Tenant-Id": "tenant-1"}, do="records"),
]
LOG_SETTINGS = {
    "json": {"AWS_LAMBDA_LOG_FORMAT": "JSON"},
    "json debug": {"AWS_LAMBDA_LOG_FORMAT": "json", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"},
    "json trace": {"AWS_LAMBDA_LOG_FORMAT": "Json", "AWS_LAMBDA_LOG_LEVEL": "TRACE"},
    "text info": {"AWS_LAMBDA_LOG_FORMAT": "Text", "AWS_LAMBDA_LOG_LEVEL": "info"},
    "text error": {"AWS_LAMBDA_LOG_LEVEL": "ERROR"},
    "nonsense": {"AWS_LAMBDA_LOG_FORMAT": "xml", "AWS_LAMBDA_LOG_LEVEL": "LOUD"},
}

CASES = [
    *(asking(f"value {source}", do="value", source=source) for source in VALUES),
    *(Case(f"event {name}", body) for name, body in EVENTS.items()),
    *(asking(f"failure {name}", do="fail", name=name) for name in FAILURES),
    *(asking(f"context {name}", headers, do="attributes") for name, headers in CONTEXTS.items()),
    asking("failure with an invocation id", {"Lambda-Runtime-Invocation-Id": "invocation-2"}, do="fail", name="plain"),
    asking(
        "remaining time", {"Lambda-Runtime-Deadline-Ms": "4102444800000"}, do="remaining", at_most=4_102_444_800_000
    ),
    asking("no remaining time", {"Lambda-Runtime-Deadline-Ms": "1"}, do="remaining", at_most=0),
    asking("no deadline", {"Lambda-Runtime-Deadline-Ms": None}, do="remaining", at_most=0),
    asking("context kept", client(w3c=W3C), do="kept"),
    asking("context log", do="context_log"),
    *LOGGED[:1],
    asking("environment", do="environment"),
    Case("a binary event", b"raw\xff", {"Content-Type": "application/octet-stream"}),
    Case("a text event", b'{"a": 1}', {"Content-Type": "text/plain"}),
]
UNICODE_CASES = [
    *(asking(f"value {source}", do="value", source=source) for source in UNICODE),
    asking("unicode in a context", client(custom={"a": "ü"}), do="attributes"),
]

#: What is compared, with the variables that each has of its own: the last is our convention as a plugin offers it.
SIDES: Mapping[str, Mapping[str, str]] = {**{name: {} for name in BOTH}, "lambda2": RENAMED}

Outcomes = Mapping[str, Mapping[str, Outcome]]


def served(env: Mapping[str, str], cases: list[Case]) -> Outcomes:
    """What became of every case, by its name and the runtime's."""
    found: dict[str, dict[str, Outcome]] = {case.name: {} for case in cases}
    with ExitStack() as stack:
        for name, more in SIDES.items():
            which = name if name in BOTH else "dispatch"
            side = stack.enter_context(Side(which, "app.handler", SAMPLES, {**env, **more}))
            for case in cases:
                found[case.name][name] = side.run(case)
                assert not side.ended(), f"{name} ended at {case.name}: {found[case.name][name].log}"
    return found


@pytest.fixture(scope="module")
def plain() -> Outcomes:
    """All cases, in the environment of a container image."""
    return served(LAMBDA, CASES)


@pytest.fixture(scope="module")
def managed() -> Outcomes:
    """All cases, in the environment of the managed runtime."""
    return served({**LAMBDA, **MANAGED}, CASES + UNICODE_CASES)


@pytest.fixture(scope="module")
def logs() -> Mapping[str, Outcomes]:
    """The cases that log, with each setting."""
    return {name: served({**LAMBDA, **MANAGED, **env}, LOGGED) for name, env in LOG_SETTINGS.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name[:60])
def test_plain(plain: Outcomes, case: Case) -> None:
    """In a container image both post and log the same, once what we send in UTF-8 is escaped."""
    theirs, ours = plain[case.name]["awslambdaric"], plain[case.name]["dispatch"]
    raw = b"raw" in case.name.encode()
    assert (1, theirs.posts) == (len(ours.posts), ours.posts if raw else [in_ascii(post) for post in ours.posts])
    assert (theirs.log, theirs.status) == (ours.log, ours.status)


@pytest.mark.parametrize("case", CASES + UNICODE_CASES, ids=lambda case: case.name[:60])
def test_managed(managed: Outcomes, case: Case) -> None:
    """As the managed runtime both post and log the same."""
    theirs, ours = managed[case.name]["awslambdaric"], managed[case.name]["dispatch"]
    assert (1, theirs.posts) == (len(ours.posts), ours.posts)
    assert (theirs.log, theirs.status) == (ours.log, ours.status)


@pytest.mark.parametrize("case", CASES + UNICODE_CASES, ids=lambda case: case.name[:60])
def test_another_name(managed: Outcomes, case: Case) -> None:
    """Offered by a plugin under another name, the convention posts and logs the same."""
    assert managed[case.name]["dispatch"] == managed[case.name]["lambda2"]


@pytest.mark.parametrize("case", LOGGED, ids=lambda case: case.name[:60])
@pytest.mark.parametrize("settings", LOG_SETTINGS)
def test_log_settings(logs: Mapping[str, Outcomes], settings: str, case: Case) -> None:
    """In each format and with each level all log the same records; of a JSON record the values count."""
    theirs, *ours = (records(logs[settings][case.name][name].log) for name in SIDES)
    assert [theirs, theirs] == ours


def records(log: str) -> list[Any]:
    """The lines of a log, JSON ones parsed."""
    return [json.loads(line) if line.startswith("{") else line for line in log.splitlines()]
