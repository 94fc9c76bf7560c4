import base64

from bedrock_agentcore import BedrockAgentCoreApp
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

app = BedrockAgentCoreApp()


@app.entrypoint
async def invoke(payload, context):
    path = payload.get("path", "") if isinstance(payload, dict) else ""
    if path == "/text":
        return "Grüße"
    if path == "/object":
        return {"name": "Zoë", "list": [1, 2.5, None, True]}
    if path == "/bytes":
        return base64.b64encode(bytes(range(256))).decode()
    if path == "/empty":
        return Response(status_code=204)
    if path == "/created":
        return PlainTextResponse("created", 201, {"x-own": "made"})
    if path == "/cookies":
        response = PlainTextResponse("two")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response
    if path == "/stream":
        return numbers()
    if path == "/fail":
        raise LookupError("fail")
    if path == "/unknown/route":
        raise HTTPException(404, "nothing there")
    return {"payload": payload, "session": context.session_id, "own": (context.request_headers or {}).get("x-own")}


async def numbers():
    for number in range(3):
        yield {"number": number}


if __name__ == "__main__":
    app.run()
