"""Integers to Japanese numerals, as a script for the archive."""

import sys

from num2words import num2words


def main():
    print(num2words(int(sys.stdin.read()), lang="ja"))


if __name__ == "__main__":
    main()
