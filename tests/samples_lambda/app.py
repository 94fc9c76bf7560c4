"""The handler of the differential suite: does what its event says, the same under both runtimes."""

import datetime
import decimal
import enum
import logging
import math
import os
import sys
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import failures

Point = namedtuple("Point", "x y")


@dataclass
class Row:
    """A dataclass."""

    x: int


class Colour(enum.Enum):
    """Members that JSON does not know."""

    RED = "red"


class Level(enum.IntEnum):
    """Members that are numbers."""

    LOW = 1


class Word(str):
    """Text of a class of its own."""


class WithDict(dict):
    """A dict of a class of its own."""


class WithAsDict:
    """An object that looks like a namedtuple."""

    def _asdict(self):
        return {"a": 1}


class ForJson:
    """An object that offers itself to simplejson."""

    def for_json(self):
        return {"a": 1}


def handler(event, context):
    """Return what is asked for; any event that asks for nothing comes back as its repr()."""
    if not isinstance(event, dict) or "do" not in event:
        return f"{type(event).__name__} {event!r}"
    return globals()[event["do"]](event, context)


def mark(event, context):
    """A line in the log, to part one case's words from the next."""
    print(f"=== {event['name']}")


def value(event, context):
    """The value of a Python expression."""
    return eval(event["source"])


def fail(event, context):
    """Whatever the function of `failures` raises."""
    return getattr(failures, event["name"])()


def attributes(event, context):
    """Everything that a context object tells."""
    names = sorted(name for name in dir(context) if not name.startswith("_"))
    client = context.client_context
    return {
        "names": names,
        "plain": {name: getattr(context, name) for name in names if isinstance(getattr(context, name), str | None)},
        "types": [type(context).__name__, type(client).__name__, type(context.identity).__name__],
        "repr": [repr(context), repr(client), repr(context.identity), repr(client and client.client)],
        "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
        "client": client and [client.custom, client.env, client.client and client.client.installation_id],
        "slots": [sorted(getattr(part, "__slots__", ())) for part in (context, client, context.identity)],
        "w3c": context.w3c(),
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
    }


def remaining(event, context):
    """Whether the remaining time counts down from the header's."""
    first, second = context.get_remaining_time_in_millis(), context.get_remaining_time_in_millis()
    return [type(first).__name__, 0 <= second <= first <= event["at_most"], first > 0]


def kept(event, context):
    """What a handler does to its context must work."""
    context.extra = context.w3c()
    context.w3c()["traceparent"] = "changed"
    context.identity.cognito_identity_id = "changed"
    try:
        context.identity.other = 1
    except AttributeError as error:
        return [context.extra, context.w3c(), context.identity.cognito_identity_id, str(error)]
    return None


def context_log(event, context):
    """context.log() of text and of a value, with no line end."""
    context.log("text ü")
    context.log({"a": 1})
    context.log("\n")


def words(event, context):
    """Prints and records, in turn."""
    print("printed")
    print("to standard error", file=sys.stderr)
    logger = logging.getLogger("sample")
    logger.warning("warned of %s", "ü\U0001f40d")
    logging.getLogger().error("several\nlines")
    logger.info("not shown at the default level")
    sys.stdout.write("no line end")
    sys.stdout.write("\n")
    print("äöü", "\udcff".encode("utf-8", "surrogateescape"))


def traced(event, context):
    """A record with a traceback."""
    try:
        failures.plain()
    except ValueError:
        logging.exception("caught")


def records(event, context):
    """Records of every kind of message, level and extra."""
    logger = logging.getLogger("sample.inner")
    logger.debug("at level debug")
    logger.info("at level info")
    logger.log(25, "between two levels")
    logger.log(99, "above all levels")
    logger.critical("critical")
    logger.error({"a": 1, "b": ["ü", None]})
    logger.error("an argument %s and %d", {"a": 1}, 2)
    logger.error("extra", extra={"order": 7, "when": Colour.RED, "none": None, "requestId": "mine"})
    logger.error(12)
    logger.error("with a stack", stack_info=False)


def environment(event, context):
    """What the runtime itself adds to a process."""
    root = logging.getLogger()
    return {
        "argv0": os.path.basename(sys.argv[0]) != "",
        "cwd": os.getcwd(),
        "handlers": len(root.handlers),
        "level": root.level,
        "formatter": isinstance(root.handlers[0].formatter, logging.Formatter),
        "format": root.handlers[0].formatter._fmt,
        "datefmt": root.handlers[0].formatter.datefmt,
        "handler": type(root.handlers[0]).__name__,
        "filters": len(root.handlers[0].filters),
        "gmt": logging.Formatter.converter.__name__,
    }


def clock(event, context):
    """Values whose types simplejson knows or does not."""
    return datetime.datetime.now(tz=datetime.UTC)


IMPORTED = (OrderedDict, decimal, math, uuid)
