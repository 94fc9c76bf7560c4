"""Metrics of each invocation in CloudWatch's embedded metric format: one line of JSON in the log."""

import json
import os
import sys
import time

UNITS = {"Invocations": "Count", "Errors": "Count", "ColdStarts": "Count", "Duration": "Milliseconds"}

#: Whether an invocation is the environment's first: True once.
_cold = iter([True])


def dispatch_before_invoke(invocation):
    invocation.stash[__name__] = time.perf_counter()


def dispatch_after_invoke(invocation, response, error):
    values = {
        "Invocations": 1,
        "Errors": int(error is not None),
        "ColdStarts": int(next(_cold, False)),
        "Duration": round((time.perf_counter() - invocation.stash[__name__]) * 1000, 3),
    }
    line = {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": os.environ.get("METRICS_NAMESPACE", "dispatch"),
                    "Dimensions": [["FunctionName"]],
                    "Metrics": [{"Name": name, "Unit": unit} for name, unit in UNITS.items()],
                }
            ],
        },
        "FunctionName": os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "function"),
        "RequestId": invocation.request_id,
        **({"ErrorType": type(error).__name__} if error is not None else {}),
        **values,
    }
    # One write, so that no other line can get into this one.
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()
