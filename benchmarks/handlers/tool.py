"""The same handler as a script: it copies standard input to standard output."""

import sys

sys.stdout.write(sys.stdin.read())
