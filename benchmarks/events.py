"""The events of the scenarios, the same bytes in every run."""

import base64
import json
import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

#: The events that are measured, by the names of their samples.
SOURCES = {
    "sqs": "SQS event with JSON bodies",
    "sns": "SNS event with JSON messages",
    "api-gateway": "API Gateway event with a JSON body",
    "kinesis": "Kinesis event with JSON in base64",
    "s3": "S3 event",
    "dynamodb": "DynamoDB stream event",
}

#: The sizes of those events, in units of 1,000 bytes.
SIZES = (1, 10, 120)

#: The local platform's sample events, which have the shapes of AWS's.
_SAMPLES = Path(__file__).parents[1] / "runtime" / "local" / "events"

#: About how large a record becomes, in bytes, if an event has several.
_RECORD = 2000


def event(name: str) -> bytes:
    """The event of a scenario, the same in every run."""
    return _EVENTS[name]()


def _records(size: int) -> bytes:
    """JSON of about `size` bytes with names, numbers, flags and text, as in events of queues and tables."""
    chance = random.Random(45)
    records: list[object] = []
    length = 0
    while length < size:
        number = len(records)
        record = {
            "messageId": f"{chance.getrandbits(128):032x}",
            "sequence": number,
            "price": round(chance.random() * 1000, 2),
            "active": number % 3 == 0,
            "parent": None,
            "tags": ["new", "größer", f"group-{number % 17}"],
            "body": "The quick brown fox jumps over the lazy dog. " * (number % 4),
        }
        records.append(record)
        length += len(json.dumps(record)) + 2
    return json.dumps({"Records": records}).encode()


def _request() -> bytes:
    """A POST of JSON to a function URL, with the headers of a browser."""
    headers = {
        "accept": "*/*",
        "accept-encoding": "gzip, deflate, br, zstd",
        "accept-language": "en-GB,en;q=0.5",
        "content-length": "17",
        "content-type": "application/json",
        "host": "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-central-1.on.aws",
        "origin": "https://www.example.com",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }
    http = {"method": "POST", "path": "/users/7", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"}
    context = {"apiId": headers["host"][:32], "domainName": headers["host"], "http": http, "stage": "$default"}
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/users/7",
        "rawQueryString": "fields=name&fields=age",
        "cookies": ["session=0123456789abcdef", "theme=dark"],
        "headers": headers,
        "queryStringParameters": {"fields": "name,age"},
        "requestContext": context,
        "body": '{"name": "Grüß"}',
        "isBase64Encoded": False,
    }
    return json.dumps(event).encode()


def _cloudevent() -> bytes:
    """A CloudEvent in JSON whose data is the small event."""
    attributes = {"specversion": "1.0", "id": "1", "source": "/orders", "type": "com.example.order"}
    data = {"message": "small event", "n": 123456789012}
    return json.dumps({**attributes, "datacontenttype": "application/json", "data": data}).encode()


def _of_source(name: str, size: int) -> bytes:
    """An event of a service, of about `size` bytes, written without blanks, as AWS writes it."""
    chance = random.Random(size)
    sample = json.loads((_SAMPLES / f"{name}.json").read_text())
    if "Records" not in sample:
        return _compact(_grown(sample, size, _FILLED[name], chance))
    share = size // max(1, size // _RECORD)
    records: list[Any] = []
    while sum(map(len, map(_compact, records))) < size - share // 2:
        records.append(_grown(sample["Records"][0], share, _FILLED[name], chance))
    return _compact({"Records": records})


def _grown(sample: Any, size: int, filled: Callable[[Any, Any, str], Any], chance: random.Random) -> Any:
    """A copy of a sample with an order in it, which has as many items as make it as large as wanted."""
    number = f"{chance.getrandbits(128):032x}"
    order: dict[str, Any] = {"orderId": number[:12], "customer": {"name": 'Zoë "Zo" Müller', "vip": True}, "items": []}
    while len(_compact(made := filled(json.loads(json.dumps(sample)), order, number))) < size:
        sku, price = f"{chance.getrandbits(32):08x}", round(chance.random() * 100, 2)
        order["items"].append({"sku": sku, "title": "Tea, loose", "quantity": chance.randrange(1, 9), "price": price})
        if filled is _s3:  # whose events do not carry data
            break
    return made


def _sqs(record: Any, order: Any, number: str) -> Any:
    return {**record, "messageId": number, "receiptHandle": number * 11, "body": _compact(order).decode()}


def _sns(record: Any, order: Any, number: str) -> Any:
    record["Sns"].update(MessageId=number, Signature=number * 10, Message=_compact(order).decode())
    return record


def _api_gateway(event: Any, order: Any, number: str) -> Any:
    event["requestContext"]["requestId"] = number
    return {**event, "httpMethod": "POST", "body": _compact(order).decode()}


def _kinesis(record: Any, order: Any, number: str) -> Any:
    record["kinesis"].update(partitionKey=number, data=base64.b64encode(_compact(order)).decode())
    return record


def _s3(record: Any, _order: Any, number: str) -> Any:
    record["responseElements"].update({"x-amz-request-id": number[:16].upper(), "x-amz-id-2": number * 2})
    record["s3"]["object"].update(key=f"orders/{number}.json", eTag=number, size=int(number[:4], 16))
    return record


def _dynamodb(record: Any, order: Any, number: str) -> Any:
    record["dynamodb"].update(Keys={"id": {"S": number}}, NewImage={"id": {"S": number}, "order": _attribute(order)})
    return {**record, "eventID": number}


def _attribute(value: Any) -> Any:
    """A value as DynamoDB types it."""
    if isinstance(value, dict):
        return {"M": {key: _attribute(each) for key, each in value.items()}}
    if isinstance(value, list):
        return {"L": [_attribute(each) for each in value]}
    return {"BOOL": value} if isinstance(value, bool) else {"S": value} if isinstance(value, str) else {"N": str(value)}


def _compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


_FILLED: Mapping[str, Callable[[Any, Any, str], Any]] = {
    "sqs": _sqs,
    "sns": _sns,
    "api-gateway": _api_gateway,
    "kinesis": _kinesis,
    "s3": _s3,
    "dynamodb": _dynamodb,
}

_EVENTS: Mapping[str, Callable[[], bytes]] = {
    "small": lambda: b'{"message": "small event", "n": 123456789012}',
    "records": lambda: _records(120_000),
    "large": lambda: _records(5_000_000),
    "count": lambda: b"3200",
    "request": _request,
    "cloudevent": _cloudevent,
    **{f"{name}-{size}": partial(_of_source, name, size * 1000) for name in SOURCES for size in SIZES},
}
