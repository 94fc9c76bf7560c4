"""The X-Ray SDK: a subsegment with an annotation, and a failing one."""

from aws_xray_sdk.core import patch, xray_recorder

patch(["sqlite3"])


@xray_recorder.capture("work")
def work(number):
    xray_recorder.put_annotation("number", number)
    if number < 0:
        raise ValueError("negative")
    return number * 2


def handler(event, context):
    return work(event["number"])
