"""A handler that starts a program for each event, in the way of Python's manual."""

import subprocess


def handler(event: str, headers: object) -> bytes:
    return subprocess.run(["cat"], input=event.encode(), capture_output=True, check=True).stdout
