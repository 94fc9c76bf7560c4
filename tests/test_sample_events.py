"""The sample events, read by Powertools: its models check every field, its data classes find what a sample is about."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import reduce
from hashlib import md5
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import (
    APIGatewayWebSocketEvent,
    AppSyncResolverEventsEvent,
    AWSConfigRuleEvent,
    CloudWatchAlarmEvent,
    CloudWatchLogsEvent,
    CodeDeployLifecycleHookEvent,
    CodePipelineJobEvent,
    ConnectContactFlowEvent,
    KafkaEvent,
    KinesisFirehoseEvent,
    SecretsManagerEvent,
    VPCLatticeEventV2,
)
from aws_lambda_powertools.utilities.data_classes.active_mq_event import ActiveMQEvent
from aws_lambda_powertools.utilities.data_classes.appsync_authorizer_event import AppSyncAuthorizerEvent
from aws_lambda_powertools.utilities.data_classes.iot_registry_event import IoTCoreThingEvent
from aws_lambda_powertools.utilities.data_classes.rabbit_mq_event import RabbitMQEvent
from aws_lambda_powertools.utilities.parser import models
from botocore.session import Session
from botocore.validate import validate_parameters

from dispatch import http
from runtime.local import samples

Sample = Callable[..., dict[str, Any]]

ORDER = {"orderId": 1042, "total": "19.90"}

#: The models that samples are validated with.
MODELS = {
    "alb": "AlbModel",
    "api-gateway": "APIGatewayProxyEventModel",
    "appsync": "AppSyncResolverEventModel",
    "appsync-events": "AppSyncEventsModel",
    "authorizer-http-api": "ApiGatewayAuthorizerRequestV2",
    "authorizer-request": "ApiGatewayAuthorizerRequest",
    "authorizer-token": "ApiGatewayAuthorizerToken",
    "bedrock-agent": "BedrockAgentEventModel",
    "bedrock-agent-function": "BedrockAgentFunctionEventModel",
    "cloudformation": "CloudFormationCustomResourceCreateModel",
    "cloudwatch-logs": "CloudWatchLogsModel",
    "cognito": "CognitoPreSignupTriggerModel",
    "dynamodb": "DynamoDBStreamModel",
    "eventbridge": "EventBridgeModel",
    "firehose": "KinesisFirehoseModel",
    "function-url": "LambdaFunctionUrlModel",
    "http-api": "APIGatewayProxyEventV2Model",
    "kafka": "KafkaMskEventModel",
    "kinesis": "KinesisDataStreamModel",
    "s3": "S3Model",
    "s3-batch": "S3BatchOperationModel",
    "s3-object-lambda": "S3ObjectLambdaEvent",
    "schedule": "EventBridgeModel",
    "self-managed-kafka": "KafkaSelfManagedEventModel",
    "ses": "SesModel",
    "sns": "SnsModel",
    "sqs": "SqsModel",
    "sqs-fifo": "SqsModel",
    "transfer-family": "TransferFamilyAuthorizer",
    "websocket": "APIGatewayWebSocketMessageEventModel",
}

#: What a data class finds in a sample.
FACTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "activemq": (lambda event: ActiveMQEvent(event).message.json_data, ORDER),
    "appsync-authorizer": (lambda event: AppSyncAuthorizerEvent(event).request_context.operation_name, "GetUser"),
    "appsync-events": (lambda event: AppSyncResolverEventsEvent(event).info.channel_path, "/chat/room-7"),
    "cloudwatch-alarm": (lambda event: CloudWatchAlarmEvent(event).alarm_data.state.value, "ALARM"),
    "codedeploy": (lambda event: CodeDeployLifecycleHookEvent(event).deployment_id, "d-ABCDEFGH0"),
    "codepipeline": (lambda event: CodePipelineJobEvent(event).decoded_user_parameters, {"stage": "prod"}),
    "config": (lambda event: AWSConfigRuleEvent(event).rule_parameters, {"encryption": "required"}),
    "connect": (lambda event: ConnectContactFlowEvent(event).parameters, {"menu": "orders"}),
    "firehose": (lambda event: next(KinesisFirehoseEvent(event).records).data_as_json, {"temperature": 21.5}),
    "iot": (lambda event: IoTCoreThingEvent(event).thing_name, "sensor-7"),
    "kafka": (lambda event: KafkaEvent(event).record.json_value, ORDER),
    "rabbitmq": (lambda event: RabbitMQEvent(event).rmq_messages_by_queue["orders::/"][0].json_data, ORDER),
    "secrets-manager": (lambda event: SecretsManagerEvent(event).step, "createSecret"),
    "vpc-lattice": (lambda event: VPCLatticeEventV2(event).json_body, {"name": "Ada"}),
    "websocket": (lambda event: APIGatewayWebSocketEvent(event).json_body["text"], "Hello"),
}

#: The samples that Powertools cannot read.
UNREAD = {"alexa", "cloudfront", "codecommit", "documentdb", "hello", "lex"}


def load(name: str) -> Any:
    """A sample, parsed."""
    return json.loads(samples.load(name))


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    """A sample has what its source documents."""
    getattr(models, MODELS[name]).model_validate(load(name))


@pytest.mark.parametrize("name", FACTS)
def test_data_classes(name: str) -> None:
    """A data class finds what its users look for."""
    read, expected = FACTS[name]
    assert expected == read(load(name))


def test_all_are_read() -> None:
    """No sample is forgotten here."""
    assert {*samples.names()} == MODELS.keys() | FACTS.keys() | UNREAD


def test_the_state_of_a_session_of_lex() -> None:
    """It is what the API accepts as a session's state, but for slots without a value, which are null in events."""
    state = load("lex")["sessionState"]
    state["intent"]["slots"] = {name: slot for name, slot in state["intent"]["slots"].items() if slot}
    validate_parameters(state, Session().get_service_model("lexv2-runtime").shape_for("SessionState"))


@pytest.mark.parametrize("name", ["sqs", "sqs-fifo"])
def test_checksums(name: str) -> None:
    """The checksum is the body's."""
    record = load(name)["Records"][0]
    assert md5(record["body"].encode(), usedforsecurity=False).hexdigest() == record["md5OfBody"]


def test_one_format() -> None:
    """A sample is readable as it is: indented, with a line feed at its end."""
    unformatted = [name for name in samples.names() if samples.load(name) != json.dumps(load(name), indent=2) + "\n"]
    assert [] == unformatted


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("codecommit", ["eventId"]),
        ("dynamodb", ["eventID", "dynamodb.SequenceNumber"]),
        ("firehose", ["recordId"]),
        ("kafka", ["offset"]),
        ("kinesis", ["eventID", "kinesis.sequenceNumber"]),
        ("s3-batch", ["taskId"]),
        ("sqs-fifo", ["messageId", "receiptHandle", "attributes.SequenceNumber", "attributes.MessageDeduplicationId"]),
    ],
)
def test_records_have_ids_of_their_own(sample: Sample, name: str, ids: list[str]) -> None:
    """Whatever a handler reports as failed or looks for duplicates with differs, and has the form that it had."""
    event = sample(name, records=[{}, {}, {}])
    if name in MODELS:
        getattr(models, MODELS[name]).model_validate(event)
    records = next(event[key] for key in ("Records", "records", "tasks") if key in event)
    records = records["orders-0"] if name == "kafka" else records
    for path in ids:
        found = [reduce(dict.__getitem__, path.split("."), record) for record in records]
        assert 3 == len({*found}), path
        assert {str(found[0]).isdigit()} == {str(each).isdigit() for each in found}, path


def test_what_follows_from_a_change(sample: Sample) -> None:
    """A checksum, an ARN and the name of a partition fit what has been changed."""
    bucket = sample("s3", bucket="mine")["Records"][0]["s3"]["bucket"]
    assert ("mine", "arn:aws:s3:::mine") == (bucket["name"], bucket["arn"])
    assert md5(b"hi", usedforsecurity=False).hexdigest() == sample("sqs", body="hi")["Records"][0]["md5OfBody"]
    kafka = sample("kafka", records=[{"topic": "a"}, {"topic": "b", "partition": 3}, {"topic": "a"}])
    assert {"a-0": 2, "b-3": 1} == {name: len(records) for name, records in kafka["records"].items()}


def test_several_lines_of_a_log(sample: Sample) -> None:
    """The records inside the compressed data are records, too."""
    event = sample("cloudwatch-logs", records=[{"message": "a"}, {"message": "b"}], log_group="mine")
    logs = CloudWatchLogsEvent(event).parse_logs_data()
    assert ("mine", ["a", "b"]) == (logs.log_group, [line.message for line in logs.log_events])
    assert 2 == len({line.get_id for line in logs.log_events})


def test_a_field_named_name(sample: Sample) -> None:
    """Fields may be called as the function's own argument is."""
    assert {"name": "Bob"} == sample("hello", name="Bob")


@pytest.mark.parametrize("name", ["api-gateway", "http-api"])
def test_the_route_stays(sample: Sample, name: str) -> None:
    """Path parameters and route are the sample's until the path is another; then they are those of a catch-all."""
    event, changed, moved = sample(name), sample(name, method="PUT", body="hi"), sample(name, path="/orders/9")
    assert event["pathParameters"] == changed["pathParameters"] != moved.get("pathParameters")
    routes = [{each.get(key) for key in ("resource", "routeKey")} - {None} for each in (event, changed, moved)]
    expected = {
        "api-gateway": [{"/users/{id}"}, {"/users/{id}"}, {"/{proxy+}"}],
        "http-api": [{"POST /users/{id}"}, {"PUT /users/{id}"}, {"$default"}],
    }
    assert expected[name] == routes
    assert event["requestContext"]["requestId"] == moved["requestContext"]["requestId"]


@pytest.mark.parametrize("name", ["api-gateway", "http-api"])
def test_what_api_gateway_adds(sample: Sample, name: str) -> None:
    """Path parameters, stage variables and the authorizer's answer are fields, though most samples lack them."""
    claims = {"jwt": {"claims": {"sub": "7"}}}
    event = sample(name, path_parameters={"id": "9"}, stage_variables={"a": "b"}, authorizer=claims, stage="test")
    context = event["requestContext"]
    assert ({"id": "9"}, {"a": "b"}) == (event["pathParameters"], event["stageVariables"])
    assert (claims, "test") == (context["authorizer"], context["stage"])


def test_forms_of_a_request(sample: Sample) -> None:
    """The parts are accepted as clients of HTTP accept them."""
    event = sample("function-url", path="/ä b?q=1", headers=[("X-A", "1"), ("X-A", "2")], cookies=["a=1", "b=x=y"])
    assert ("/%C3%A4%20b", "q=1") == (event["rawPath"], event["rawQueryString"])
    assert ("1,2", ["a=1", "b=x=y"]) == (event["headers"]["x-a"], event["cookies"])
    posted = sample("alb", method="POST", body={"n": 1})
    assert ('{"n": 1}', "application/json") == (posted["body"], posted["headers"]["content-type"])
    assert b"" == http.Request.from_event(sample("http-api", body=None)).body


@pytest.mark.parametrize(
    ("name", "records", "words"),
    [
        ("http-api", [{}], "the sample http-api has no records"),
        ("lex", [{}], "the sample lex has no records"),
        ("sqs", {"body": "a"}, "records must be a list of dictionaries"),
    ],
)
def test_records_that_cannot_be_made(sample: Sample, name: str, records: Any, words: str) -> None:
    """They are refused, not ignored."""
    with pytest.raises(TypeError, match=words):
        sample(name, records=records)
