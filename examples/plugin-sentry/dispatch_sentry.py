"""Lets Sentry's AwsLambdaIntegration report again, which switches itself off without AWS's own runtime client."""

import json
import os
import sys
from contextlib import ExitStack
from types import SimpleNamespace


def dispatch_init_error(error):
    if _integration() is not None:
        _capture(error)
        _flush(2)


def dispatch_before_invoke(invocation):
    if _integration() is None:
        return
    import sentry_sdk
    from sentry_sdk.integrations import aws_lambda

    event, context, left = _event(invocation), _context(invocation), _left(invocation)
    first = event[0] if isinstance(event, list) and event else event
    first = first if isinstance(first, dict) else {}
    stack = invocation.stash[__name__] = ExitStack()
    scope = stack.enter_context(sentry_sdk.isolation_scope())
    scope.clear_breadcrumbs()
    # Not public, but it knows which of the request's data is private.
    scope.add_event_processor(aws_lambda._make_request_event_processor(first, context, left))  # noqa: SLF001
    scope.set_tag("aws_region", os.environ.get("AWS_REGION", ""))
    if isinstance(event, list) and len(event) > 1:
        scope.set_tags({"batch_request": True, "batch_size": len(event)})
    if _integration().timeout_warning and left > aws_lambda.TIMEOUT_WARNING_BUFFER:
        _warn(stack, scope, left - aws_lambda.TIMEOUT_WARNING_BUFFER, left)
    headers = first.get("headers")
    name, origin = context.function_name, aws_lambda.AwsLambdaIntegration.origin
    trace = sentry_sdk.continue_trace(
        headers if isinstance(headers, dict) else {}, op="function.aws", name=name, source="component", origin=origin
    )
    sampling = {"aws_event": event, "aws_context": context}
    stack.enter_context(sentry_sdk.start_transaction(trace, custom_sampling_context=sampling))


def dispatch_after_invoke(invocation, response, error):
    if _integration() is None:
        return
    failure = (None, None, None)
    if error is not None:
        failure = (type(error), error, error.__traceback__)
        _capture(error)
    if __name__ in invocation.stash:  # not if the handler itself has called init()
        invocation.stash[__name__].__exit__(*failure)
    _flush(invocation.remaining_time)


def dispatch_shutdown(reason):
    if _integration() is not None:
        _flush(1)


def _integration():
    sentry_sdk = sys.modules.get("sentry_sdk")  # a function that does not import it pays nothing
    return sentry_sdk and sentry_sdk.get_client().get_integration("aws_lambda")


def _capture(error):
    import sentry_sdk
    from sentry_sdk.utils import event_from_exception

    mechanism = {"type": "aws_lambda", "handled": False}
    options = sentry_sdk.get_client().options
    event, hint = event_from_exception(error, client_options=options, mechanism=mechanism)
    sentry_sdk.capture_event(event, hint=hint)


def _flush(seconds):
    """Lambda stops the process between two events, so whatever is queued is sent now."""
    import sentry_sdk

    sentry_sdk.flush(timeout=min(seconds, 2))


def _warn(stack, scope, after, left):
    import sentry_sdk
    from sentry_sdk.utils import TimeoutThread

    scopes = {"isolation_scope": scope, "current_scope": sentry_sdk.get_current_scope()}
    thread = TimeoutThread(after / 1000, left / 1000, **scopes)
    thread.daemon = True
    thread.start()
    stack.callback(thread.stop)


def _event(invocation):
    try:
        return json.loads(invocation.body)
    except ValueError:
        return {}


def _left(invocation):
    return int(min(invocation.remaining_time, 900) * 1000)


def _context(invocation):
    """What the integration reads of the context object of AWS's managed Python runtime."""
    return SimpleNamespace(
        function_name=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "function"),
        function_version=os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", ""),
        log_group_name=os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", ""),
        log_stream_name=os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", ""),
        invoked_function_arn=invocation.invoked_function_arn,
        aws_request_id=invocation.request_id,
        get_remaining_time_in_millis=lambda: _left(invocation),
    )
