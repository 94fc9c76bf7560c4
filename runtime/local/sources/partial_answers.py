"""Which records of a batch have failed, by the function's answer, with Lambda's rules for answers that are malformed.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html, "Success and failure conditions".
"""

from __future__ import annotations

from collections.abc import Collection

from runtime.local.feed import Outcome
from runtime.local.values import parse_json


def failures(outcome: Outcome, ids: Collection[str], *, reported: bool) -> set[str]:
    """Return the ids of the records that have failed.

    An empty answer, `null`, an object without failures, an empty or null list of them: nothing has failed. Anything
    that is not understood fails the whole batch: invalid JSON, an entry without a key `itemIdentifier`, an identifier
    that is empty, null, or not one of the batch's.

    Args:
        outcome: what became of the event.
        ids: the records' ids.
        reported: whether the answer names the records that failed (`ReportBatchItemFailures`); without it, an answer
            means that nothing has failed.
    """
    everything = set(ids)
    if outcome.error is not None or outcome.refused:
        return everything
    if not reported or not outcome.body.strip():
        return set()
    try:
        answer = parse_json(outcome.body)
        entries = None if answer is None else answer.get("batchItemFailures")
        named = set() if entries is None else {entry["itemIdentifier"] for entry in entries}
    except (ValueError, TypeError, KeyError, AttributeError):
        return everything
    return everything if named - everything else named
