"""Text: HANDLER_ENCODING alone decides, never the locale."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.runtime import Ask, Serve

TEXT = "Grüße"
LOCALES = [
    {},
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0"},
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
]
HANDLERS = {
    "standard": ("app.handler", "def handler(event, headers):\n    assert event == 'Grüße', event\n    return event\n"),
    "script": ("app.py", "text = input()\nassert text == 'Grüße', text\nprint(text, end='')\n"),
    "expression": ("{'Grüße': event}[event]", ""),
    "json": ("app.handler", "def handler(event, headers):\n    return event['Grüße']\n"),
}


@pytest.mark.parametrize("locale", LOCALES, ids=str)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
@pytest.mark.parametrize("convention", ["standard", "script", "expression"])
def test_encodings(ask: Ask, convention: str, encoding: str, locale: dict[str, str]) -> None:
    """Events and answers are in the set encoding, whatever the locale says."""
    handler, source = HANDLERS[convention]
    env = {"HANDLER_ENCODING": encoding, **locale}
    answer = ask(source, TEXT.encode(encoding), handler, convention, env=env)
    assert ("response", TEXT) == (answer.kind, answer.body.decode(encoding))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_bytes_are_not_recoded(ask: Ask, encoding: str) -> None:
    """Bytes are sent as they are in any encoding."""
    source = "def handler(event, headers):\n    return b'\\x00\\xff'\n"
    assert b"\x00\xff" == ask(source, "x".encode(encoding), env={"HANDLER_ENCODING": encoding}).body


@pytest.mark.parametrize(
    ("convention", "handler"), [("standard", "app.handler"), ("expression", "event"), ("json", "app.handler")]
)
@pytest.mark.parametrize("body", [b"\xff", b'"\xc3"', b"\xed\xa0\x80", b"abc\x80"])
def test_undecodable_bodies(serve: Serve, convention: str, handler: str, body: bytes) -> None:
    """A body that can't be decoded fails this invocation and no other."""
    runtime = serve("def handler(event, headers):\n    return event\n", handler, convention)
    report = runtime.invoke(body).report
    assert "Runtime.UnmarshalError" == report["errorType"]
    assert b'"ok"' == runtime.invoke(b'"ok"').body


def test_undecodable_script_input(serve: Serve) -> None:
    """A script that reads undecodable text fails; one that reads the bytes does not."""
    runtime = serve({"s.py": "import sys\nprint(len(sys.stdin.read()), end='')\n"}, "s.py")
    assert ["error", "response"] == [runtime.invoke(body).kind for body in (b"\xff", b"a")]


def test_line_ends_are_kept(ask: Ask) -> None:
    """Text arrives and leaves with its own line ends."""
    body = b"a\r\nb\rc\n"
    assert body == ask("def handler(event, headers):\n    return event\n", body).body
    assert body == ask({"s.py": "import sys\nsys.stdout.write(sys.stdin.read())\n"}, body, "s.py").body


@pytest.mark.parametrize(
    "code",
    [
        "print([*csv.reader(sys.stdin)])",
        "print([*csv.DictReader(sys.stdin)])",
        "print([*sys.stdin])",
        "print(repr(input()), repr(sys.stdin.readline()), repr(sys.stdin.read()))",
        "print(sys.stdin.newlines, repr(sys.stdin.read()), sys.stdin.newlines)",
        "def main(): print([*csv.reader(sys.stdin)])",
    ],
)
def test_line_ends_as_in_a_program(ask: Ask, code: str, tmp_path: Path) -> None:
    """A script sees the line ends that Python itself sees on standard input, also inside a quoted cell."""
    event = b'name,note\r\n"A\r\nda","x\ry"\r\nB,"1\n2"\n'
    source = f"import csv, sys\n{code}\n"
    (tmp_path / "program.py").write_text(f"{source}if 'main' in vars(): main()\n")
    program = subprocess.run([sys.executable, tmp_path / "program.py"], input=event, capture_output=True, check=True)
    assert program.stdout == ask({"s.py": source}, event, "s.py").body


@pytest.mark.parametrize("value", ["", "\ufeff", "\0", "a" * 300_000, "\N{SNAKE}"])
def test_text_round_trip(ask: Ask, value: str) -> None:
    """Empty text, marks, NULs, large text and text beyond the basic plane come back as they went."""
    assert value == ask("def handler(event, headers):\n    return event\n", value.encode()).body.decode()


@pytest.mark.parametrize("value", ["3", "3.5", "True", "{}", "{'a': 1}", "[]", "['a']", "('a',)", "object()"])
def test_standard_takes_text_and_bytes_only(ask: Ask, value: str) -> None:
    """Any other answer is an error that names the json convention."""
    report = ask(f"def handler(event, headers):\n    return {value}\n").report
    assert "Runtime.MarshalError" == report["errorType"]
    assert "json" in report["errorMessage"]


def test_lone_surrogate_is_an_invocation_error(serve: Serve) -> None:
    """An answer that no encoding can express fails its invocation only."""
    runtime = serve("def handler(event, headers):\n    return '\\ud800' if event else 'fine'\n")
    assert ["error", "response"] == [runtime.invoke(body).kind for body in (b"x", b"")]


def test_headers_are_read_only_and_case_blind(ask: Ask) -> None:
    """Headers are a mapping that takes names in any case and no changes."""
    source = """
    from collections.abc import Mapping
    def handler(event, headers):
        try:
            headers["x"] = "y"
        except TypeError:
            pass
        else:
            return "changed"
        same = headers["LAMBDA-RUNTIME-DEADLINE-MS"] == headers["lambda-runtime-deadline-ms"]
        there = "Lambda-Runtime-AWS-Request-ID" in headers and headers.get("nothing", "default") == "default"
        copy = dict(headers)
        return f"{isinstance(headers, Mapping)} {same} {there} {len(copy) == len(headers)} {headers['X-Own']}"
    """
    answer = ask(source, headers={"X-Own": "value: with colon"})
    assert b"True True True True value: with colon" == answer.body


def test_missing_header_is_a_key_error(ask: Ask) -> None:
    """A header that did not come is missing as from any mapping."""
    assert "KeyError" == ask("def handler(event, headers):\n    return headers['Nope']\n").report["errorType"]
