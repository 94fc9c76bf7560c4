"""A function of CloudEvents, which answers an event with another one."""

from cloudevents.core.v1.event import CloudEvent


def confirm(event):
    order = event.get_data()
    return CloudEvent(
        {
            "id": f"{event.get_id()}-confirmed",
            "source": "/shop",
            "type": "com.example.order.confirmed",
            "subject": event.get_subject(),
            "time": event.get_time(),
        },
        {"total": sum(item["price"] * item["count"] for item in order["items"])},
    )
