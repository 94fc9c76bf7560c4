"""Runs an MCP server of the stdio transport behind the `coprocess` convention: `python adapter.py COMMAND`.

The event is a JSON-RPC message, the result the server's response to it; null for a notification.
"""

import json
import subprocess
import sys

server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def exchange(message):
    """Send a message and wait for the response with its id; notifications of the server are left out."""
    server.stdin.write(json.dumps(message).encode() + b"\n")
    server.stdin.flush()
    while "id" in message:
        line = server.stdout.readline()
        if not line:
            sys.exit(f"the MCP server has ended with status {server.wait()}")
        response = json.loads(line)
        if response.get("id") == message["id"] and "method" not in response:
            return response
    return None


client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "dispatch", "version": "1"}}
exchange({"jsonrpc": "2.0", "id": "initialize", "method": "initialize", "params": client})
exchange({"jsonrpc": "2.0", "method": "notifications/initialized"})
for line in sys.stdin:
    print(json.dumps({"result": exchange(json.loads(line)["event"])}), flush=True)
