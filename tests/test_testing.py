"""`runtime.testing`: functions served from a test, as docs/guides/local-platform.md shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.testing import Function, serving

SOURCE = """
def greet(event, context):
    print("greeting", event["name"])
    return {"greeting": "Hello " + event["name"]}

def fail(event, context):
    raise ValueError("no " + event["name"])

def stream(event, context):
    yield "one"
    yield "two"
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with functions, beside the current one."""
    folder = tmp_path / "functions"
    folder.mkdir()
    (folder / "app.py").write_text(SOURCE)
    current = tmp_path / "current"
    current.mkdir()
    monkeypatch.chdir(current)
    return folder


@pytest.mark.parametrize("name_root", [str, Path, lambda _root: "../functions", lambda _root: Path("../functions")])
def test_the_root_is_named_in_any_way(
    root: Path, name_root: Callable[[Path], str | Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text or a path, absolute or relative to the folder that was current when the function was made."""
    function = Function(handler="app.greet", root=name_root(root), convention="lambda")
    monkeypatch.chdir("/")
    with serving(function) as local:
        result = local.invoke('{"name": "Ada"}')

    assert None is result.error, result.log
    assert {"greeting": "Hello Ada"} == result.json
    assert '{"greeting": "Hello Ada"}' == result.text
    assert result.text.encode() == result.body
    assert "\ngreeting Ada\n" in result.log
    assert root == function.folder


def test_the_root_is_the_current_folder_by_default(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function needs no more than a handler."""
    monkeypatch.chdir(root)
    with serving(Function(handler="event.upper()")) as local:
        assert "ADA" == local.invoke("Ada").text


def test_a_failure_has_a_type_and_a_message(root: Path) -> None:
    """They are what the function raised; the body is the whole report."""
    with serving(Function(handler="app.fail", root=root, convention="lambda")) as local:
        result = local.invoke('{"name": "Ada"}')

    assert result.error is not None
    assert ("ValueError", "no Ada") == (result.error.type, result.error.message)
    assert {"errorType": "ValueError", "errorMessage": "no Ada"}.items() <= result.json.items()
    assert result.error.body == result.body


def test_one_of_several_functions_is_named(root: Path) -> None:
    """The first one is invoked by default; a streamed answer comes in its chunks."""
    first = Function(name="first", handler="event + ' first'", root=root)
    second = Function(name="second", handler="app.stream", root=root, convention="lambda")
    with serving(first, second) as local:
        assert "one first" == local.invoke("one").text
        streamed = local.invoke("{}", "second")

    assert ([b"one", b"two"], True) == (streamed.chunks, streamed.streaming)


def test_every_line_of_the_log_can_be_seen(root: Path) -> None:
    """`write_log` gets the function's lines and the platform's, as they come."""
    lines: list[tuple[str, bool]] = []
    function = Function(handler="app.greet", root=root, convention="lambda")
    with serving(function, write_log=lambda line: lines.append((line.text, line.platform))) as local:
        local.invoke('{"name": "Ada"}', request_id="1")

    assert ("greeting Ada", False) in lines
    assert ("END RequestId: 1", True) in lines
