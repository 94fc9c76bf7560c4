import json
import sys

print("said", end="")
sys.exit(json.load(sys.stdin))
