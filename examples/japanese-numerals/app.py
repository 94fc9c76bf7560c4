"""Integers to Japanese numerals, with a library in the same folder."""

from num2words import num2words


def handler(event, headers):
    return num2words(int(event), lang="ja")
