"""What functions that come from AWS's runtime rely on, in the conventions in which they may arrive."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.files import archive, write
from support.runtime import Ask, Fail, Serve

import dispatch
from dispatch import HTTPResponse
from dispatch.response import stop

#: A dictionary as addict's Dict and munch's DefaultMunch are: it answers any attribute.
ANSWERS_ALL = """
class Dict(dict):
    def __getattr__(self, name):
        return self.get(name, Dict())
    __setattr__ = dict.__setitem__
"""


@pytest.mark.parametrize(("convention", "expected"), [("json", b'{"body":"ok"}'), ("lambda", b'{"body": "ok"}')])
def test_dictionary_that_answers_any_attribute(ask: Ask, convention: str, expected: bytes) -> None:
    """It is a dictionary, and not taken for an iterator."""
    source = f"{ANSWERS_ALL}\ndef handler(event, _):\n    answer = Dict()\n    answer.body = 'ok'\n    return answer\n"
    assert expected == ask(source, b"1", convention=convention).body


@pytest.mark.parametrize(
    ("convention", "source", "expected"),
    [
        ("json", "def handler(event, _):\n    return HTTPResponse(200, body=Dict(a=1))", b'{"a":1}\n'),
        ("stream", "def handler(source, sink, headers):\n    sink.write(b'written')\n    return Dict(a=1)", b"written"),
        ("script", "def main():\n    print('printed', end='')\n    return Dict(a=1)", b"printed"),
        ("script", "def main():\n    return HTTPResponse(200, body=String('ok'))", b"ok"),
    ],
)
def test_it_in_other_places(ask: Ask, convention: str, source: str, expected: bytes) -> None:
    """Wherever an iterator is streamed, what answers any attribute is none."""
    text = (
        f"class String(str):\n    __getattr__ = print\n\nfrom dispatch import HTTPResponse\n{ANSWERS_ALL}\n{source}\n"
    )
    handler = "app.py" if convention == "script" else "app.handler"
    assert expected == ask(text, b"1", handler, convention).body.rpartition(b"\0")[2]


@pytest.mark.parametrize("convention", ["standard", "json", "lambda"])
def test_class_of_iterators(ask: Ask, convention: str) -> None:
    """A class is an answer that cannot be sent, also if its instances could be streamed."""
    answer = ask("import io\ndef handler(event, _):\n    return io.StringIO\n", b"1", convention=convention)
    assert "Runtime.MarshalError" == answer.report["errorType"]


def test_iterator_that_answers_any_attribute(ask: Ask) -> None:
    """It is streamed to its end, where the attribute `close`, which its class does not have, is left alone."""
    source = """
    class Items:
        def __init__(self): self.left = ["b", "a"]
        def __getattr__(self, name): raise KeyError(name)
        def __iter__(self): return self
        def __next__(self):
            if not self.left: raise StopIteration
            return self.left.pop()
    def handler(event, headers): return Items()
    """
    answer = ask(source)
    assert (b"ab", {}) == (answer.body, answer.request.trailers)


def test_iterator_is_closed() -> None:
    """An iterator whose class has `close()` is closed."""
    file = io.StringIO("line\n")
    stop(file)
    assert file.closed


FILES = {
    f"{name}.py": "def handler(event, _):\n    return __name__\n"
    for name in ("01_func", "1app", "2024/report", "2024/q1/report", "3", "4/__init__")
}


@pytest.mark.parametrize("convention", ["auto", "lambda"])
@pytest.mark.parametrize(
    ("handler", "module"),
    [
        ("01_func.handler", "01_func"),
        ("1app.handler", "1app"),
        ("2024/report.handler", "2024.report"),
        ("2024.report.handler", "2024.report"),
        ("./2024/q1/report.handler", "2024.q1.report"),
        ("3.handler", "3"),
        ("4.handler", "4"),
    ],
)
def test_modules_that_begin_with_a_digit(ask: Ask, handler: str, module: str, convention: str) -> None:
    """A module that is there is found by its name, though Python has no import statement for it."""
    assert module == ask(FILES, b"1", handler, convention).body.decode().strip('"')


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        ("02_func.handler", ["no module 02_func", "01_func.py"]),
        ("2024/repot.handler", ["no module 2024.repot", "2024/ has: q1/, report.py"]),
        ("5/report.handler", ["no module 5.report", "1app.py"]),
    ],
)
def test_no_module_that_begins_with_a_digit(fail: Fail, handler: str, words: list[str]) -> None:
    """One that is not there is missing, and what is there is named."""
    failed = fail(FILES, handler)
    assert "Runtime.ImportModuleError" == failed.type
    assert [] == [word for word in words if word not in failed.report["errorMessage"]]


@pytest.mark.parametrize("handler", ["1.5", "2024.5", "3.5", "1.real", "1.5.real"])
def test_numbers(fail: Fail, handler: str) -> None:
    """A number is an expression, unless there is a module of that name and a function is asked for."""
    assert "read as Python source" in fail(FILES, handler).report["errorMessage"]


@pytest.mark.parametrize("answer", ["'text'", "Text('text')", "Member.TEXT"])
def test_content_type_of_text(ask: Ask, answer: str) -> None:
    """Text is text, also of a class of its own."""
    classes = "import enum\nclass Text(str): pass\nclass Member(enum.StrEnum):\n    TEXT = 'text'\n"
    request = ask(f"{classes}\ndef handler(event, headers):\n    return {answer}\n").request
    assert (b"text", "text/plain") == (request.body, request.header("Content-Type"))


@pytest.mark.parametrize(
    "arguments",
    [
        *({"headers": {"X": f"a{end}b"}} for end in ("\r\n", "\n", "\r", "\0")),
        *({"headers": {f"X{wrong}Y": "a"}} for wrong in ("\r\n", "\n", "\0", ":", " ", "ü")),
        *({"headers": {"": "a"}}, {"headers": {"Set-Cookie": "a=b\n"}}, {"cookies": ["a=b\r\nX: Y"]}),
    ],
)
def test_what_http_cannot_carry(arguments: dict[str, Any]) -> None:
    """Line ends and NULs in headers and cookies, and names that are none, are refused where they are given."""
    with pytest.raises(ValueError, match="HTTP header"):
        HTTPResponse(**arguments)


@pytest.mark.parametrize("headers", [{"X-Own_1": "ü\ttab"}, {"!#$%&'*+-.^_`|~": ""}])
def test_what_http_can_carry(headers: dict[str, str]) -> None:
    """All else is taken as it is."""
    assert headers == HTTPResponse(headers=headers).headers


@pytest.mark.parametrize(
    ("source", "has"),
    [
        ("class Own:\n    __slots__ = ()\n    def func(self): pass\n", "app; it has: func"),
        ("class Own:\n    __file__ = 1\n    def __init__(self): self.func = print\n", "app; it has: func"),
        ("Own = object\n", "app; it has: nothing callable"),
    ],
)
def test_module_that_puts_an_object_in_its_place(fail: Fail, source: str, has: str) -> None:
    """Whatever it is, a function that it does not have is missing, and what it has is named."""
    failed = fail(f"import sys\n{source}sys.modules[__name__] = Own()\n", "app.missing")
    assert "Runtime.HandlerNotFound" == failed.type
    assert f"no 'missing' in {has}" == failed.report["errorMessage"]


#: With the usual last lines, which must not run.
MAIN = {
    "__main__.py": "def main(event, headers):\n    return f'{main.__module__} {__file__[-11:]} {event}'\n"
    "if __name__ == '__main__':\n    raise SystemExit('called')\n"
}
MAIN_ANSWER = b"__main__of_function __main__.py x"


def test_main_that_is_not_there(fail: Fail) -> None:
    """`__main__` is a module of the function's, never the runtime's own."""
    failed = fail({"app.py": ""}, "__main__.main")
    assert "Runtime.ImportModuleError" == failed.type
    assert "it has: app.py" in failed.report["errorMessage"]


def test_main_that_is_there(ask: Ask) -> None:
    """A `__main__.py` in the task root, or in an archive, is a module like any, under a name of its own."""
    assert MAIN_ANSWER == ask(MAIN, b"x", "__main__.main").body
    assert MAIN_ANSWER == ask({"app.pyz": archive(MAIN)}, b"x", "app.pyz/__main__.main").body


def test_main_beside_the_runtime(ask: Ask, tmp_path: Path) -> None:
    """So it is where the runtime itself lies in the task root, as in a function's archive."""
    root = write(tmp_path / "task", MAIN)
    for package in ("conventions", "dispatch", "runtime"):
        shutil.copytree(Path(dispatch.__file__).parents[1] / package, root / package)
    assert MAIN_ANSWER == ask({}, b"x", "__main__.main", root=root, env={"PYTHONPATH": str(root)}).body


@pytest.mark.parametrize("name", ["logging", "string", "weakref"])
def test_context_log_beside_a_module_of_the_users_own(serve: Serve, name: str) -> None:
    """What context.log() is given is told also where logging cannot be imported."""
    files = {"app.py": "def handler(event, context):\n    context.log('said')\n", f"{name}.py": ""}
    runtime = serve(files, convention="lambda")
    assert [b"null", b"null"] == [runtime.invoke(b"1").body for _ in range(2)]
    runtime.child.wait_log("saidsaid")


STREAMS = "' '.join(f'{s.name} {s.mode} {s.buffer.name} {s.buffer.mode}' for s in"


@pytest.mark.parametrize(
    ("handler", "source", "expected"),
    [
        (
            "app.handler",
            f"import sys\ndef handler(event, headers):\n    return {STREAMS} (sys.stdout, sys.stderr))\n",
            b"<stdout> w <stdout> wb <stderr> w <stderr> wb",
        ),
        (
            "app.py",
            f"import sys\nprint({STREAMS} (sys.stdin, sys.stdout)), end='')\n",
            b"<stdin> r <stdin> rb <stdout> w <stdout> wb",
        ),
    ],
)
def test_attributes_of_the_standard_streams(ask: Ask, handler: str, source: str, expected: bytes) -> None:
    """They have the names and modes that Python gives them."""
    assert expected == ask(source, handler=handler).body
