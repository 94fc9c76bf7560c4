"""Looking for words, so that what fails shows which of them it was."""

from __future__ import annotations


def missing(text: str, *words: str) -> list[str]:
    """Those of the words that the text has not."""
    return [word for word in words if word not in text]
