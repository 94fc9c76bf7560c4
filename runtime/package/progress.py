"""How a build or a publication reports its progress."""

from collections.abc import Callable

#: Called at each step: what is being done, how many steps are finished, and how many there are.
OnProgress = Callable[[str, int, int], None]


def no_progress(what: str, done: int, total: int) -> None:
    """Report nothing."""
