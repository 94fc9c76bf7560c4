"""Every kind of exception, each raised by a function of its own."""

import json


class Custom(Exception):
    """A class of the user's own."""


class WithError(Exception):
    """One that carries attributes by names that a runtime might read."""

    error_type = "Mine"
    managed = "mine"
    exceptions = ()


class Unprintable(Exception):
    """One whose text cannot be had."""

    def __str__(self):
        raise RuntimeError("no text")


def plain():
    raise ValueError("a message")


def no_message():
    raise ValueError


def empty_message():
    raise ValueError("")


def several_arguments():
    raise ValueError("one", 2)


def key():
    return {}["missing"]


def custom():
    raise Custom("a message")


def carrying():
    raise WithError("a message")


def chained():
    try:
        plain()
    except ValueError as error:
        raise Custom("outer") from error


def while_handling():
    try:
        plain()
    except ValueError:
        raise Custom("outer")


def suppressed():
    try:
        plain()
    except ValueError:
        raise Custom("outer") from None


def grouped():
    raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])


def noted():
    error = ValueError("a message")
    error.add_note("a note")
    raise error


def nested(depth=5):
    if depth:
        nested(depth - 1)
    plain()


def recursion():
    recursion()


def lines():
    raise ValueError("first\nsecond\r\n  indented\n\nlast")


def unicode():
    raise ValueError("ümläut \U0001f40d \x00 \x1b[0m \u2028")


def quotes():
    raise ValueError('"quoted" \\ and \t tab')


def markup():
    raise ValueError("%s {} %(x)s")


def local_class():
    class Local(Exception):
        pass

    raise Local("local")


def in_library():
    json.loads("{")


def in_eval():
    eval(compile("1/0", "<made up>", "eval"))


def in_lambda():
    (lambda: plain())()


def in_comprehension():
    return [plain() for _ in range(1)]


def operating_system():
    open("no such file")


def asserting():
    assert 1 == 2


def stop():
    raise StopIteration("stopped")


def syntax_at_run_time():
    compile("def", "<made up>", "exec")


def import_at_run_time():
    import not_installed  # noqa: F401


def unicode_error():
    "\udc80".encode()


def long_message():
    raise ValueError("x" * 70_000)


def under_a_megabyte():
    raise ValueError("x" * (1024 * 1024 - 4096))


def a_megabyte():
    raise ValueError("x" * (1024 * 1024))


def no_traceback():
    raise ValueError("a message").with_traceback(None)


def exit_with_text():
    raise SystemExit("a reason")


def exit_with_status():
    raise SystemExit(3)


def exit_with_nothing():
    raise SystemExit


def interrupt():
    raise KeyboardInterrupt


def base():
    class Base(BaseException):
        pass

    raise Base("a message")


def unprintable():
    raise Unprintable


def lone_surrogate():
    raise ValueError("lone \ud800")
