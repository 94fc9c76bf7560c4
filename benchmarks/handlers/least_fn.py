"""The least that a function of Fn does: it returns the request's body."""

import io

from fdk import response


def handler(ctx: object, data: io.BytesIO) -> object:
    return response.Response(ctx, data.getvalue().decode(), {"Content-Type": "application/json"})
