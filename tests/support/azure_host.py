"""A stand-in for the host of Azure Functions: routes HTTP requests to Azure's own worker library for Python.

    python azure_host.py PORT

The app is in the current folder; `PYTHON_SCRIPT_FILE_NAME` names its file, as for the real worker. The host is written
in C# and comes as no package that Python could start, so this does what its sources do: `WebScriptHostHttpRoutesManager`
for routes, `GrpcMessageConversionExtensions` for requests, `HttpBinding` and `RawScriptResult` for responses, and ASGI
servers' own rules for the rest. What passes between the host and the worker has the shapes of `FunctionRpc.proto`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import httpx
import uvicorn

#: The constraints in the templates of the samples, and what they match.
_CONSTRAINTS = {"": "[^/]+", "int": "[+-]?[0-9]+", "alpha": "[A-Za-z]+"}


class Message:
    """Any message of the protocol: fields by name, None where a field is not set."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        if not name.islower():  # messages, which the worker looks for
            raise AttributeError(name)
        return None

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 - the name in protobuf
        """The one field that is set."""
        return next((name for name, value in self.__dict__.items() if value is not None), None)


class Cookie(Message):
    """A cookie, with the values of its enumeration."""

    SameSite = SimpleNamespace(**{"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3})


class Status(Message):
    """Whether a request to the worker succeeded."""

    Failure, Success = 0, 1


class Binding(Message):
    """A binding, with the values of its enumerations."""

    out, inout, undefined = 1, 2, 0


class Protos:
    """The module of messages that the worker is given."""

    RpcHttpCookie, StatusResult, BindingInfo = Cookie, Status, Binding

    def __getattr__(self, name: str) -> type[Message]:
        return Message


class Host:
    """The app, loaded by the worker, and its routes."""

    async def start(self) -> None:
        """Let the worker load the app."""
        import azure_functions_runtime as worker

        self._worker = worker
        init = Message(capabilities={}, function_app_directory=os.getcwd())
        properties = {"host": "127.0.0.1", "protos": Protos()}
        answer = await worker.worker_init_request(
            SimpleNamespace(request=Message(worker_init_request=init), properties=properties)
        )
        assert answer.result.status == Status.Success, vars(answer.result.exception)
        self._proxied = answer.capabilities.get("HttpUri")
        answer = await worker.functions_metadata_request(None)
        found = sorted(answer.function_metadata_results, key=lambda function: function.name.upper())
        prefix = _route_prefix()
        self._routes = [route for function in found for route in _routes(function, prefix)]

    async def answer(self, scope: dict[str, Any], body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """The response to a request."""
        raw = scope["raw_path"].decode()
        path = "%2F".join(unquote(part) for part in re.split("%2[fF]", raw))
        for pattern, methods, function in self._routes:
            found = pattern.fullmatch(path)
            if found and (methods is None or scope["method"] in methods):
                return await self._invoke(function, _http(scope, path, found.groupdict(), body))
        return 404, [], b""

    async def _invoke(self, function: Any, http: Message) -> tuple[int, list[tuple[str, str]], bytes]:
        trigger = next(name for name, each in function.bindings.items() if each.type == "httpTrigger")
        invocation = Message(
            invocation_id=str(uuid.uuid4()),
            function_id=function.function_id,
            input_data=[Message(name=trigger, data=Message(http=http))],
            trigger_metadata={},
            trace_context=Message(trace_parent="", trace_state="", attributes={}),
            retry_context=Message(retry_count=0, max_retry_count=0),
        )
        # A parameter binding's one field of its group is its data.
        invocation.input_data[0].WhichOneof = lambda group: "data"
        call = self._worker.invocation_request(SimpleNamespace(request=Message(invocation_request=invocation)))
        if self._proxied:
            return await self._forward(call, invocation.invocation_id, http)
        answer = await call
        if answer.result.status != Status.Success:
            sys.stderr.write(f"{answer.result.exception.message}\n{answer.result.exception.stack_trace}")
            return 500, [], b""
        outputs = [each.data for each in answer.output_data]
        return _sent([*outputs, *([answer.return_value] if answer.return_value else [])])

    async def _forward(self, call: Any, identifier: str, http: Message) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send a request on to the worker's own server, which a web extension of the app starts."""
        invocation = asyncio.create_task(call)
        headers = {**http.headers, "x-ms-invocation-id": identifier}
        content = http.body.bytes or b""
        target = http.url.partition("://")[2].partition("/")[2]
        async with httpx.AsyncClient() as client:
            answer = await client.request(
                http.method, f"{self._proxied}/{target}", headers=headers, content=content or None
            )
        await invocation
        return answer.status_code, answer.headers.multi_items(), answer.content


def _route_prefix() -> str:
    text = re.sub(r"^\s*//.*$", "", Path("host.json").read_text(), flags=re.MULTILINE)
    return str(json.loads(text).get("extensions", {}).get("http", {}).get("routePrefix", "api"))


def _routes(function: Any, prefix: str) -> list[tuple[re.Pattern[str], set[str] | None, Any]]:
    triggers = [each for each in map(json.loads, function.raw_bindings) if each["type"] == "httpTrigger"]
    return [
        (_pattern(f"{prefix}/{each['route']}" if prefix else each["route"]), _methods(each), function)
        for each in triggers
    ]


def _methods(trigger: dict[str, Any]) -> set[str] | None:
    return {method.upper() for method in trigger["methods"]} if "methods" in trigger else None


def _pattern(template: str) -> re.Pattern[str]:
    """The templates of the samples: literals, `{name:constraint?}` as a whole segment, and a `{*rest}` at the end."""
    pattern = ""
    for segment in template.removeprefix("/").split("/"):
        catch_all = re.fullmatch(r"\{\*(\w+)\}", segment)
        parameter = re.fullmatch(r"\{(\w+):?(\w*)(\??)\}", segment)
        if catch_all:
            pattern += f"(?:/(?P<{catch_all[1]}>[^/].*)?)?"
        elif parameter:
            part = f"/(?P<{parameter[1]}>{_CONSTRAINTS[parameter[2]]})"
            pattern += f"(?:{part})?" if parameter[3] else part
        else:
            pattern += re.escape(f"/{segment}")
    return re.compile(f"{pattern}/?" if not template.endswith("}") else pattern, re.IGNORECASE)


def _http(scope: dict[str, Any], path: str, values: dict[str, str | None], body: bytes) -> Message:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    query: dict[str, str] = {}
    for name, value in parse_qsl(scope["query_string"].decode()):  # leaves out what has no value
        query[name] = f"{query[name]},{value}" if name in query else value
    kept = quote(path, safe="!$&'()*+,;=:@/%~")
    text = scope["query_string"].decode()
    return Message(
        method=scope["method"],
        url=f"http://{headers['host']}{kept}{'?' if text else ''}{text}",
        headers=headers,
        query=query,
        params={name: value for name, value in values.items() if value is not None},
        body=Message(bytes=body) if body else Message(),
    )


def _sent(outputs: list[Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    if not outputs:
        return 204, [], b""
    http = outputs[-1].http
    if http is None:
        return 200, [("content-type", "text/plain; charset=utf-8")], _as_text(outputs[-1].string).encode()
    headers = [*http.headers.items(), *(("set-cookie", _cookie(each)) for each in http.cookies or ())]
    return int(http.status_code), headers, http.body.bytes


def _as_text(text: str) -> str:
    """Newtonsoft's JSON, indented, if the text is an object or a list of JSON."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return json.dumps(value, indent=2, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _cookie(cookie: Any) -> str:
    text = f"{cookie.name}={quote(cookie.value, safe='')}"
    if cookie.expires:
        moment = datetime.fromtimestamp(cookie.expires.value.seconds, UTC)
        text += f"; expires={moment:%a, %d %b %Y %H:%M:%S GMT}"
    if cookie.max_age:
        text += f"; max-age={int(cookie.max_age.value)}"
    text += f"; domain={cookie.domain.value}; path={cookie.path.value}"
    text += "; secure" if cookie.secure.value else ""
    text += {0: "", 1: "; samesite=lax", 2: "; samesite=strict", 3: "; samesite=none"}[cookie.same_site]
    return text + ("; httponly" if cookie.http_only.value else "")


async def _main(port: int) -> None:
    host = Host()
    await host.start()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        status, headers, content = await host.answer(scope, body)
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": b"" if status in {204, 304} else content})

    await uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off")).serve()


if __name__ == "__main__":
    sys.path[0] = os.getcwd()  # not this folder, whose modules are no one's business
    asyncio.run(_main(int(sys.argv[1])))
