"""Handles the orders in an event of SQS or NATS JetStream; returns which ones failed, so that they come again."""

import json


def handle(event, _headers):
    failed = []
    for record in event["Records"]:
        try:
            order = json.loads(record["body"])
            print(f"order {order['id']}")
        except (ValueError, KeyError) as error:
            print(f"message {record['messageId']} failed: {error!r}")
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
