"""Which messages of a batch have failed, by the function's answer: AWS's own list of conditions."""

from __future__ import annotations

import pytest

from runtime.local.feed import Outcome
from runtime.local.function_error import FunctionError
from runtime.local.sources.partial_answers import failures

BATCH = {"1", "2"}


@pytest.mark.parametrize(
    "answer", ["", " ", "null", "{}", '{"batchItemFailures": []}', '{"batchItemFailures": null}', '{"statusCode": 200}']
)
def test_a_complete_success(answer: str) -> None:
    """An answer that is empty, null, or names nothing."""
    assert set() == failures(Outcome(answer.encode()), BATCH, reported=True)


@pytest.mark.parametrize(
    "answer",
    [
        "[",
        "[]",
        "5",
        '"ok"',
        "\ud800",
        '{"batchItemFailures": 5}',
        '{"batchItemFailures": false}',
        '{"batchItemFailures": ["1"]}',
        '{"batchItemFailures": [{"itemIdentifier": ""}]}',
        '{"batchItemFailures": [{"itemIdentifier": null}]}',
        '{"batchItemFailures": [{"itemIdentifier": {}}]}',
        '{"batchItemFailures": [{"id": "1"}]}',
        '{"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "3"}]}',
        "[" * 100_000,
    ],
)
def test_a_complete_failure(answer: str) -> None:
    """An answer that is not understood; without reports it means nothing."""
    outcome = Outcome(answer.encode(errors="surrogatepass"))
    assert (BATCH, set()) == (failures(outcome, BATCH, reported=True), failures(outcome, BATCH, reported=False))


def test_a_partial_failure() -> None:
    """Those that are named, once or twice; nothing without reports; all, if the function failed or was busy."""
    outcome = Outcome(b'{"batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "2"}]}')
    assert ({"2"}, set()) == (failures(outcome, BATCH, reported=True), failures(outcome, BATCH, reported=False))
    for failed in (Outcome(error=FunctionError("E", b"{}")), Outcome(refused="busy")):
        assert BATCH == failures(failed, BATCH, reported=False)
