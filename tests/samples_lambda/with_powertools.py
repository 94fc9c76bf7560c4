"""AWS Lambda Powertools as its documentation shows it: logger, tracer and event handler."""

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="orders")
tracer = Tracer(service="orders")
app = APIGatewayHttpResolver()


@app.get("/orders/<order>")
@tracer.capture_method
def order(order: str):
    logger.info("looked up", extra={"order": order})
    if order == "0":
        raise NotFoundError("no order 0")
    return {"order": order, "query": app.current_event.get_query_string_value("q", "none")}


@app.post("/orders")
def create():
    body = app.current_event.json_body
    return Response(status_code=201, content_type="text/plain; charset=utf-8", body=f"größer {body['name']}")


@app.get("/fail")
def fail():
    raise ValueError("a bug")


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
@tracer.capture_lambda_handler
def handler(event: dict, context: LambdaContext) -> dict:
    return app.resolve(event, context)
