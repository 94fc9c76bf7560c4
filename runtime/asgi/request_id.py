"""Ids of requests that come without one: random UUIDs, for which no system call is made."""

from __future__ import annotations

import os
from random import Random

# Not the module's own generator, which the function may seed.
_random = Random()  # noqa: S311 - they are no secrets
os.register_at_fork(after_in_child=_random.seed)

#: What a random UUID has as its version and its variant, and the bits in which it has them (RFC 9562, section 5.4).
_FIXED = 4 << 76 | 2 << 62
_FREE = ~(15 << 76 | 3 << 62)


def new_id() -> str:
    """A random UUID; not a secret, because the next ones can be told from many of them."""
    drawn = f"{_random.getrandbits(128) & _FREE | _FIXED:032x}"
    return f"{drawn[:8]}-{drawn[8:12]}-{drawn[12:16]}-{drawn[16:20]}-{drawn[20:]}"
