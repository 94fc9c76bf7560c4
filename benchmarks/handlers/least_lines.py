"""The least that a program for the convention coprocess does: it answers each event with the event."""

import json
import sys

for line in sys.stdin:
    print(json.dumps({"result": json.loads(line)["event"]}), flush=True)
