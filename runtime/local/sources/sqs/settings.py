"""The settings of a queue of SQS as an event source: what Lambda allows, and what a queue's name, URL or ARN says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self
from urllib.parse import urlsplit

from runtime.local.function import ACCOUNT, default_region
from runtime.local.source import BadMapping
from runtime.local.sources.sqs.filters import Filter

#: What Lambda allows (botocore's service model, shapes BatchSize and MaximumConcurrency, and the documentation of SQS
#: event source mappings).
BATCH_LIMIT: Final = 10_000
#: What one request receives or deletes at most, and a batch of a FIFO queue has (SQS's API reference).
REQUEST_LIMIT: Final = 10
WINDOW_LIMIT: Final = 300
LOWEST_CONCURRENCY, HIGHEST_CONCURRENCY = 2, 1000
FILTERS_LIMIT: Final = 10
#: The variables that name an endpoint of SQS, for boto3 and for us.
ENDPOINTS: Final = ("AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL")
REPORTS: Final = "ReportBatchItemFailures"
FIFO: Final = ".fifo"

#: SQS's own rule for names.
NAME: Final = re.compile(rf"[A-Za-z0-9_-]{{1,80}}|(?=.{{6,80}}$)[A-Za-z0-9_-]+{re.escape(FIFO)}")
ARN: Final = re.compile(r"arn:[!-9;-~]+:sqs:[!-9;-~]+:[!-9;-~]+:[!-9;-~]+")
#: A host of AWS's for a region, and the region in it or in the likes of it.
AT_AWS: Final = re.compile(r"sqs\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")
REGION: Final = re.compile(r"(?:^|\.)sqs(?:-fips)?\.([a-z]+-[a-z0-9-]+)\.")


@dataclass(frozen=True, slots=True)
class SqsSettings:
    """A queue and how it is polled.

    Attributes:
        sqs: the queue's name, URL or ARN.
        batch: how many messages an event has at most.
        window: seconds for which messages are gathered.
        report_failures: whether the function's answer names the messages that failed.
        filter: patterns as JSON; a message is handled if one of them matches, or there is none.
        maximum_concurrency: how many events are under way at most; None for as many as the function handles.
    """

    kind: ClassVar[str] = "sqs"

    sqs: str
    batch: int = REQUEST_LIMIT
    window: float = 0
    report_failures: bool = False
    filter: tuple[str, ...] = ()
    maximum_concurrency: int | None = None

    def __post_init__(self) -> None:
        if not (NAME.fullmatch(self.sqs) or ARN.fullmatch(self.sqs) or NAME.fullmatch(_path(self.sqs)[-1])):
            raise BadMapping(f"not the name, URL or ARN of a queue: {self.sqs!r}")
        if not 1 <= self.batch <= BATCH_LIMIT:
            raise BadMapping(f"the batch size must be 1 to {BATCH_LIMIT}, not {self.batch}")
        if not 0 <= self.window <= WINDOW_LIMIT:
            raise BadMapping(f"the window must be 0 to {WINDOW_LIMIT} seconds, not {self.window:g}")
        if self.fifo and self.window:
            raise BadMapping("Batching window is not supported for FIFO queues")
        if self.fifo and self.batch > REQUEST_LIMIT:
            raise BadMapping(f"the batch size of a FIFO queue must be 1 to {REQUEST_LIMIT}, not {self.batch}")
        if self.batch > REQUEST_LIMIT and not self.window:
            raise BadMapping(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than "
                f"{REQUEST_LIMIT}"
            )
        low, high = LOWEST_CONCURRENCY, HIGHEST_CONCURRENCY
        if self.maximum_concurrency is not None and not low <= self.maximum_concurrency <= high:
            raise BadMapping(f"the maximum concurrency must be {low} to {high}, not {self.maximum_concurrency}")
        if len(self.filter) > FILTERS_LIMIT:
            raise BadMapping(f"a source has at most {FILTERS_LIMIT} filters, not {len(self.filter)}")
        self.filters()

    @classmethod
    def from_fields(cls, queue: str, fields: Mapping[str, Any]) -> Self:
        """Return the source of a queue, with settings by their names in Lambda's API. Raises BadMapping."""
        scaling, criteria = fields.get("ScalingConfig") or {}, fields.get("FilterCriteria") or {}
        return cls(
            queue,
            batch=_number(fields, "BatchSize", REQUEST_LIMIT),
            window=_number(fields, "MaximumBatchingWindowInSeconds", 0),
            report_failures=_reports(fields.get("FunctionResponseTypes") or []),
            filter=tuple(_patterns(criteria)),
            maximum_concurrency=_number(scaling, "MaximumConcurrency", None),
        )

    def described(self) -> dict[str, Any]:
        """Return the settings by their names in Lambda's API."""
        found: dict[str, Any] = {
            "BatchSize": self.batch,
            "MaximumBatchingWindowInSeconds": int(self.window),
            "FunctionResponseTypes": [REPORTS] if self.report_failures else [],
        }
        if self.filter:
            found["FilterCriteria"] = {"Filters": [{"Pattern": pattern} for pattern in self.filter]}
        if self.maximum_concurrency is not None:
            found["ScalingConfig"] = {"MaximumConcurrency": self.maximum_concurrency}
        return found

    @property
    def name(self) -> str:
        """The queue's name."""
        return re.split("[:/]", self.sqs.rstrip("/"))[-1]

    @property
    def fifo(self) -> bool:
        """Whether it is a FIFO queue."""
        return self.name.endswith(FIFO)

    @property
    def title(self) -> str:
        """The queue, for people."""
        return f"{self.kind} {self.name}"

    @property
    def region(self) -> str:
        """The region in the ARN or in the URL, else the developer's."""
        if ARN.fullmatch(self.sqs):
            return self.sqs.split(":")[3]
        match = REGION.search(urlsplit(self.sqs).hostname or "")
        return match[1] if match else default_region()

    @property
    def account(self) -> str:
        """The account that has the queue; empty if it is the caller's."""
        path = _path(self.sqs)
        account = self.sqs.split(":")[4] if ARN.fullmatch(self.sqs) else path[-2] if len(path) > 1 else ""
        return account if re.fullmatch(r"\d{12}", account) and account != ACCOUNT else ""

    @property
    def endpoint(self) -> str | None:
        """Where a URL says that the queue is; None for the address of its region at AWS."""
        parts = urlsplit(self.sqs)
        is_url = parts.scheme in {"http", "https"}
        return f"{parts.scheme}://{parts.netloc}" if is_url and not AT_AWS.fullmatch(parts.hostname or "") else None

    @property
    def arn(self) -> str:
        """The queue's ARN; with a placeholder for an account that is not known."""
        if ARN.fullmatch(self.sqs):
            return self.sqs
        return f"arn:aws:sqs:{self.region}:{self.account or ACCOUNT}:{self.name}"

    def filters(self) -> list[Filter]:
        """Return the filters. Raises BadMapping."""
        return [Filter.parse(pattern) for pattern in self.filter]


def _path(url: str) -> Sequence[str]:
    """The parts of a URL's path: account and name, with AWS and its likes; an empty one for anything else."""
    parts = urlsplit(url)
    return parts.path.strip("/").split("/") if parts.scheme in {"http", "https"} and parts.netloc else [""]


def _number(fields: Mapping[str, Any], name: str, default: Any) -> Any:
    """A whole number, which may be a text in a template."""
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadMapping(f"{name} must be a whole number, not {value!r}")
    return value


def _reports(types: Any) -> bool:
    """Whether Lambda's `FunctionResponseTypes` has the one type that there is; another word would lose failures."""
    found = types if isinstance(types, list) else [types]
    if any(each != REPORTS for each in found):
        raise BadMapping(f"FunctionResponseTypes must be [{REPORTS!r}] or empty, not {types!r:.80}")
    return bool(found)


def _patterns(criteria: Any) -> list[str]:
    """The patterns of Lambda's `FilterCriteria`, as JSON."""
    filters = criteria.get("Filters") or [] if isinstance(criteria, Mapping) else None
    if not isinstance(filters, list) or not all(isinstance(each, Mapping) for each in filters):
        raise BadMapping("FilterCriteria must be like {'Filters': [{'Pattern': '{\"body\": …}'}]}")
    found = [each.get("Pattern") for each in filters]
    return [each if isinstance(each, str) else json.dumps(each) for each in found if each is not None]
