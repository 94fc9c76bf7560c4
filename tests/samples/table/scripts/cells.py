import csv
import sys

print([*csv.reader(sys.stdin)], end="")
