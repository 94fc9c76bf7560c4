"""A script: the event on standard input, the answer on standard output."""

import json
import sys


def main():
    event = json.load(sys.stdin)
    print(f"Hello, {event['name']}!")
