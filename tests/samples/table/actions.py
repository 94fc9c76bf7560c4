"""Functions of other platforms."""

import base64


def main(args):
    """An action of OpenWhisk: the path and the body; any other payload is the result."""
    if "__ow_path" not in args:
        return args
    body = base64.b64decode(args["__ow_body"]).decode()
    return {"headers": {"Content-Type": "text/plain"}, "body": f"{args['__ow_path']} {body}"}


def handle(event, context):
    """A function of OpenFaaS: the path and the body."""
    return event.path.encode() + b" " + event.body, {"content-type": "text/plain"}
