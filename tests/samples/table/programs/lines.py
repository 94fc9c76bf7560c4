#!/usr/bin/env -S python3 -S -E
import json
import sys

ANSWERS = {
    "fails": [{"error": {"errorType": "LookupError", "errorMessage": "no"}}],
    "chunks": [{"chunk": "one "}, {"chunk": "two"}, {"result": None}],
    "nonsense": ["nonsense"],
}
for line in sys.stdin:
    asked = json.loads(line)
    event = asked["event"]
    if event == "ends":
        sys.exit(3)
    if event == "context":
        event = asked["headers"]["Lambda-Runtime-Client-Context"]
    answers = ANSWERS.get(event) if isinstance(event, str) else None
    if answers is None:
        text = line[len('{"event": ') : line.rindex(', "headers"')]
        print('{"result": %s}' % (text if event == asked["event"] else json.dumps(event)), flush=True)
        continue
    for answer in answers:
        print(json.dumps(answer), flush=True)
