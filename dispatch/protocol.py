"""The names, paths and limits of Lambda's interfaces, each written down once.

Constants only. Header names are spelled as AWS sends them; to look one up in `Headers.lowered`, use `.lower()`.
"""

# ----------------------------------------------------------------------------------------------------------------------
# The Runtime API (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html)
# ----------------------------------------------------------------------------------------------------------------------

RUNTIME_API = "/2018-06-01"
INVOCATION = f"{RUNTIME_API}/runtime/invocation"
NEXT = f"{INVOCATION}/next"
INIT_ERROR = f"{RUNTIME_API}/runtime/init/error"
RESTORE_NEXT = f"{RUNTIME_API}/runtime/restore/next"
RESTORE_ERROR = f"{RUNTIME_API}/runtime/restore/error"

#: The beginning of the names of the Runtime API's own headers.
OWN_HEADERS = "Lambda-Runtime-"

#: Headers of an event.
REQUEST_ID = "Lambda-Runtime-Aws-Request-Id"
DEADLINE_MS = "Lambda-Runtime-Deadline-Ms"
FUNCTION_ARN = "Lambda-Runtime-Invoked-Function-Arn"
TRACE_ID = "Lambda-Runtime-Trace-Id"
CLIENT_CONTEXT = "Lambda-Runtime-Client-Context"
COGNITO_IDENTITY = "Lambda-Runtime-Cognito-Identity"
TENANT_ID = "Lambda-Runtime-Aws-Tenant-Id"

#: Comes with an event and goes back with its answer, so that a late answer is not mistaken for the current one.
INVOCATION_ID = "Lambda-Runtime-Invocation-Id"

#: Headers of an answer and of an error report. A streamed answer has the error's type and body as trailers.
RESPONSE_MODE = "Lambda-Runtime-Function-Response-Mode"
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
ERROR_BODY = "Lambda-Runtime-Function-Error-Body"
XRAY_CAUSE = "Lambda-Runtime-Function-XRay-Error-Cause"
TRAILERS = (ERROR_TYPE, ERROR_BODY)

#: The variable that has the trace id of the event (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
TRACE_VARIABLE = "_X_AMZN_TRACE_ID"

#: The only value of RESPONSE_MODE.
STREAMING = "streaming"

# ----------------------------------------------------------------------------------------------------------------------
# The Extensions API (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html)
# ----------------------------------------------------------------------------------------------------------------------

EXTENSION = "/2020-01-01/extension"
EXTENSION_NAME = "Lambda-Extension-Name"
EXTENSION_ID = "Lambda-Extension-Identifier"
EXTENSION_EVENT_ID = "Lambda-Extension-Event-Identifier"
EXTENSION_ERROR_TYPE = "Lambda-Extension-Function-Error-Type"

# ----------------------------------------------------------------------------------------------------------------------
# The Invoke API (botocore's service model for Lambda)
# ----------------------------------------------------------------------------------------------------------------------

FUNCTIONS = "/2015-03-31/functions"
INVOKE = FUNCTIONS + "/{name}/invocations"
INVOKE_STREAMING = "/2021-11-15/functions/{name}/response-streaming-invocations"
INVOKE_ASYNC = "/2014-11-13/functions/{name}/invoke-async"

#: The version that a function without a qualifier has.
LATEST = "$LATEST"

INVOCATION_TYPE = "X-Amz-Invocation-Type"
LOG_TYPE = "X-Amz-Log-Type"
LOG_RESULT = "X-Amz-Log-Result"
FUNCTION_ERROR = "X-Amz-Function-Error"
EXECUTED_VERSION = "X-Amz-Executed-Version"
CALLER_CLIENT_CONTEXT = "X-Amz-Client-Context"
CALLER_COGNITO_IDENTITY = "X-Amz-Cognito-Identity"
CALLER_TENANT_ID = "X-Amz-Tenant-Id"
AMZN_REQUEST_ID = "x-amzn-RequestId"
AMZN_ERROR_TYPE = "x-amzn-ErrorType"
AMZN_TRACE_ID = "X-Amzn-Trace-Id"
AMZN_REMAPPED_LENGTH = "x-amzn-Remapped-Content-Length"

# ----------------------------------------------------------------------------------------------------------------------
# Bodies
# ----------------------------------------------------------------------------------------------------------------------

JSON = "application/json"
TEXT = "text/plain"
OCTETS = "application/octet-stream"
#: What the media types of all formats of CloudEvents begin with, and those of batches.
CLOUDEVENTS = "application/cloudevents"

#: The content type that tells API Gateway and function URLs that a stream starts with a prelude, and the bytes between
#: the prelude and the body (https://docs.aws.amazon.com/lambda/latest/dg/response-streaming.html).
HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response"
PRELUDE_END = b"\0" * 8

#: The largest event, in bytes: of any invocation, of one that no caller waits for, of the old InvokeAsync operation.
EVENT_LIMIT = 6 * 1024 * 1024
ASYNC_EVENT_LIMIT = 1024 * 1024
INVOKE_ASYNC_LIMIT = 256 * 1024

#: Characters that a client context may have, base64-encoded.
CLIENT_CONTEXT_LIMIT = 3583

#: The largest buffered answer, in bytes: the limit that a 413 of the Runtime API names.
RESPONSE_LIMIT = 6 * 1024 * 1024 + 100

#: The largest streamed answer, in bytes (AWS documentation, "Response streaming", 2025-07).
STREAM_LIMIT = 200 * 1024 * 1024

#: Lambda's own words for an answer that exceeds its limit.
EXCEEDED = "exceeded maximum allowed payload size ({} bytes)."
