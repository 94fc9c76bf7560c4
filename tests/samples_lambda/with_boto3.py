"""Clients of boto3, made at import as AWS recommends."""

import json
import os

import boto3

s3 = boto3.client("s3", endpoint_url=os.environ["ENDPOINT"])
table = boto3.resource("dynamodb", endpoint_url=os.environ["ENDPOINT"]).Table("orders")


def handler(event, context):
    s3.put_object(Bucket="bucket", Key=event["key"], Body=json.dumps(event).encode())
    table.put_item(Item={"id": event["key"], "amount": 1})
    table.update_item(
        Key={"id": event["key"]},
        UpdateExpression="ADD amount :one",
        ExpressionAttributeValues={":one": 1},
    )
    # DynamoDB's numbers are Decimal.
    return {
        "object": json.load(s3.get_object(Bucket="bucket", Key=event["key"])["Body"]),
        "item": table.get_item(Key={"id": event["key"]})["Item"],
        "missing": missing(),
    }


def missing():
    try:
        s3.get_object(Bucket="bucket", Key="missing")
    except s3.exceptions.NoSuchKey as error:
        return error.response["Error"]["Code"]
