"""The same as a script: standard input goes to standard output."""

import sys

sys.stdout.write(sys.stdin.read())
