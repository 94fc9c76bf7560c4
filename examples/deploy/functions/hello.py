"""A script: reads the event from standard input and prints the answer to standard output."""

import json
import sys


def main():
    event = json.load(sys.stdin)
    print(f"Hello, {event['name']}!")
