"""The sample events, read by Powertools: its models check every field, its data classes find what a sample is about."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import md5
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import (
    APIGatewayWebSocketEvent,
    AppSyncResolverEventsEvent,
    AWSConfigRuleEvent,
    CloudWatchAlarmEvent,
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

from runtime.local import samples

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
