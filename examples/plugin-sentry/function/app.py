import sentry_sdk
from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration
from sentry_sdk.transport import Transport


class Log(Transport):
    """Prints what Sentry would be sent; without it, SENTRY_DSN says where that goes."""

    def capture_envelope(self, envelope):
        if event := envelope.get_event():
            print("sent to Sentry:", event["exception"]["values"][0]["type"], "of", event["request"]["url"])


sentry_sdk.init(
    "https://key@sentry.example/1",
    integrations=[AwsLambdaIntegration()],
    auto_enabling_integrations=False,  # otherwise a cold start imports every framework that is installed
    transport=Log,
)


def handler(event, context):
    raise KeyError("nobody home")
