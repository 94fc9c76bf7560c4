"""The performance budgets that this project promises to keep, and the verdicts of a run on them."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.rounds import Series

#: CPython's obmalloc allocates memory in arenas of 1 MiB, so a new one may still appear. The smallest leak, one object
#: of 16 bytes per invocation, adds up to 3 MiB in 200,000.
ARENA_KIB = 1024


@dataclass(frozen=True)
class Budget:
    """An upper limit for one of our figures: a share of the same figure of `theirs`, or absolute without `theirs`."""

    text: str
    scenario: str
    figure: str
    ours: str
    limit: float
    theirs: str | None = None


@dataclass(frozen=True)
class Verdict:
    """A budget and the measured value, which is None if it was not measured."""

    budget: Budget
    value: float | None

    @property
    def met(self) -> bool:
        """Whether the value was measured and is within the limit."""
        return self.value is not None and self.value <= self.budget.limit


_LAMBDA, _RIC, _AS_AWS = "dispatch-lambda", "awslambdaric", "awslambdaric-aws"
_OBSERVER = "dispatch-lambda-observer"
_SIXTEEN, _THEIRS = "dispatch-preload-16", "awslambdaric-boto3-16"

BUDGETS = (
    Budget("time per invocation, 45-byte event", "small", "time", _LAMBDA, 0.40, _RIC),
    Budget("the same, against awslambdaric as AWS runs it", "small", "time", _LAMBDA, 0.25, _AS_AWS),
    Budget("the same, server and runtime on one processor", "small-one-cpu", "time", _LAMBDA, 0.60, _RIC),
    Budget("processor time per invocation", "small", "CPU", _LAMBDA, 0.50, _RIC),
    Budget("time per invocation, 120 KB of JSON in and out", "json", "time", _LAMBDA, 0.50, _RIC),
    # With the json convention, because the lambda convention also writes the blanks that the managed runtime writes.
    Budget("the same in the json convention with the fast extra", "json", "time", "dispatch-json-fast", 0.35, _RIC),
    Budget("time per invocation, 120 KB SQS event with JSON bodies", "sqs", "time", _LAMBDA, 0.45, _RIC),
    Budget("process start to the first poll", "cold", "first poll", _LAMBDA, 0.70, _RIC),
    Budget("the same with one plugin", "cold", "first poll", "dispatch-lambda-plugin", 1.1, _RIC),
    Budget("the same with one that observes, and so needs pluggy", "cold", "first poll", _OBSERVER, 1.1, _RIC),
    Budget("resident memory after 5,000 invocations", "small", "memory", _LAMBDA, 0.90, _RIC),
    Budget("time per request of an ASGI application, against mangum", "web", "time", "dispatch-asgi", 0.60, "mangum"),
    Budget(
        "16 preloaded workers that import boto3, until all poll", "preload-16", "all polls", _SIXTEEN, 0.25, _THEIRS
    ),
    Budget(
        "the same: memory of all processes, shared pages in proportion", "preload-16", "PSS", _SIXTEEN, 0.40, _THEIRS
    ),
    Budget(
        "dispatch serve, a synchronous invocation of an idle function", "platform", "time", "dispatch-serve", 1.0, "rie"
    ),
    Budget("memory growth over 200,000 invocations, KiB", "growth", "growth", _LAMBDA, ARENA_KIB),
)


def judge(series: Sequence[Series], scenarios: Sequence[str]) -> list[Verdict]:
    """The verdict on each budget of the chosen scenarios; a budget without a figure is not met."""
    found = {(one.scenario, one.figure, one.subject): one for one in series}
    return [Verdict(budget, _value(budget, found)) for budget in BUDGETS if budget.scenario in scenarios]


def _value(budget: Budget, found: dict[tuple[str, str, str], Series]) -> float | None:
    ours = found.get((budget.scenario, budget.figure, budget.ours))
    if ours is None:
        return None
    if budget.theirs is None:
        return ours.median
    theirs = found.get((budget.scenario, budget.figure, budget.theirs))
    return None if theirs is None else ours.ratio(theirs)
