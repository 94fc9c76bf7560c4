"""A script whose `main()` reads the event from standard input and prints the answer."""

import sys


def main():
    for line in sys.stdin:
        print(line.rstrip())


if __name__ == "__main__":
    main()
