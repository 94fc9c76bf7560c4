"""An app of Azure Functions with routes, a blueprint and triggers that are not HTTP."""

import json
import logging

import azure.functions as func

from answers import bp

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(bp)


@app.route(route="echo/{*rest}")
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    logging.info("%s %s", context.function_name, req.method)
    seen = {
        "method": req.method,
        "path": req.url.partition("://")[2].partition("/")[2].partition("?")[0],
        "rest": req.route_params.get("rest"),
        "query": dict(req.params),
        "own": req.headers.get("x-own"),
        "cookie": req.headers.get("Cookie"),
        "type": req.headers.get("content-type"),
        "body": req.get_body().decode("latin-1"),
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")


@app.function_name("json")
@app.route("json", methods=["POST"])
async def parsed(req: func.HttpRequest) -> func.HttpResponse:
    try:
        name = req.get_json()
    except ValueError as error:
        return func.HttpResponse(f"bad: {error}", status_code=400)
    return func.HttpResponse(json.dumps(name), headers={"Content-Type": "application/json"})


@app.route("fail")
def fail(req: func.HttpRequest) -> func.HttpResponse:
    raise LookupError("fail")


@app.queue_trigger(arg_name="msg", queue_name="orders", connection="AzureWebJobsStorage")
def order(msg: func.QueueMessage) -> None:
    logging.info("order %s: %s", msg.id, msg.get_json())


@app.timer_trigger(schedule="0 */5 * * * *", arg_name="timer")
def tidy(timer: func.TimerRequest) -> None:
    logging.info("past due: %s", timer.past_due)
