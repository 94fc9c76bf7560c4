"""Changes inputs at random: the values of a JSON document by others, the bytes of anything else."""

import json
import random
from typing import Any

#: Values that a field may have against all expectations.
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e999, float("nan"), 10**400, 2**63, "", "0", "\0", "\ud800", "é", "€", "\r\nX: y",
    "a" * 5000, "=", "////", "%", "%zz", "..", [], {}, [None], {"": None}, [[]], "null", "[", "http://[",
    "data:text/plain;base64,é",
)  # fmt: skip


def mutated(data: bytes, choose: random.Random) -> bytes:
    """The input, changed in one to four places."""
    for _ in range(choose.randrange(1, 5)):
        data = (choose.random() < 0.8 and _document(data, choose)) or _bytes(data, choose)
    return data


def _document(data: bytes, choose: random.Random) -> bytes | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    places = list(_places(document))
    if not places:
        return json.dumps(choose.choice(ODD)).encode()
    holder, key = choose.choice(places)
    action = choose.randrange(5)
    if action == 0:
        del holder[key]
    elif action == 1:
        other, at = choose.choice(places)
        holder[key] = json.loads(json.dumps(other[at]))
    elif action == 2 and isinstance(holder, dict):
        odd = choose.choice(ODD)
        holder[odd if isinstance(odd, str) else key + "x"] = holder.pop(key)
    elif action == 3 and isinstance(holder[key], str):
        text = _bytes(holder[key].encode(errors="replace"), choose).decode("latin-1")
        holder[key] = text
    else:
        holder[key] = choose.choice(ODD)
    return json.dumps(document).encode()


def _places(value: Any, depth: int = 0) -> list[tuple[Any, Any]]:
    """Every place of a value in a list or an object, as the holder and the key."""
    if depth > 20 or not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key], depth + 1)]


def _bytes(data: bytes, choose: random.Random) -> bytes:
    at = choose.randrange(len(data) + 1)
    upto = min(at + choose.choice((1, 1, 2, 8, 64)), len(data))
    new = choose.choice(
        (b"", bytes([choose.randrange(256)]), data[at:upto] * 2, b"\0", b"\xff\xfe", b'"', b"\r\n", b"9" * 30)
    )
    return data[:at] + new + data[upto:]
