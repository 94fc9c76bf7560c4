"""Handler strings: what they name, and what they must not reach."""

from __future__ import annotations

import importlib.util
import io
import marshal
import py_compile
import zipfile
from pathlib import Path

import pytest
from support.files import Files, write
from support.runtime import Ask, Fail, Serve

ECHO = "def handler(event, headers):\n    return f'{__name__} {event}'\n"
TREE: Files = {
    "app.py": ECHO,
    "package/__init__.py": ECHO,
    "package/module.py": ECHO,
    "package/deep/__init__.py": "",
    "package/deep/leaf.py": "from ..module import handler as other\n" + ECHO,
    "folder/inside.py": ECHO,
    "folder/tool.py": "import sys\nprint('tool', sys.stdin.read(), sys.argv, end='')\n",
    "tool.py": "import sys\nprint('tool', sys.stdin.read(), sys.argv, end='')\n",
    "dashed-name.py": ECHO,
    "with space.py": "print('spaced', end='')\n",
    "a folder/module.py": ECHO,
}


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("app.handler", "app x"),
        ("package.handler", "package x"),
        ("package.module.handler", "package.module x"),
        ("package/module.handler", "package.module x"),
        ("package/deep/leaf.handler", "package.deep.leaf x"),
        ("package.deep.leaf.other", "package.module x"),
        ("folder/inside.handler", "folder.inside x"),
        ("folder.inside.handler", "folder.inside x"),
        ("dashed-name.handler", "dashed-name x"),
        ("a folder/module.handler", "a folder.module x"),
        ("'a folder/module'.title()[:1] + event", "Ax"),
        ("tool.py", "tool x ['tool.py']"),
        ("folder/tool.py", "tool x ['folder/tool.py']"),
        ("./tool.py", None),
        ("./app.handler", "app x"),
        ("./package/./module.handler", "package.module x"),
        ("with space.py", "spaced"),
    ],
)
def test_forms(ask: Ask, handler: str, expected: str | None) -> None:
    """Each form of a handler string finds what it names."""
    answer = ask(TREE, b"x", handler)
    assert "response" == answer.kind
    if expected is not None:
        assert expected == answer.body.decode()


@pytest.mark.parametrize(
    ("handler", "advice"),
    [
        ("app:total", "write app.total,"),
        ("web:app", "write web.app, or set HANDLER_CONVENTION to asgi or wsgi for a web application, or to nuclio"),
        (" app : total\n", "write app.total,"),
        ("package.module:handler", "write package.module.handler,"),
        ("package/module:handler", "write package/module.handler,"),
        ("dashed-name:handler", "write dashed-name.handler,"),
        ("app.py:handler", "write app.handler,"),
        ("tool.py:main", "write tool.py, which calls its main(),"),
        ("app.pyz:module.func", "write app.pyz/module.func,"),
        ("app:Total.method", "bind Total.method to a name in the module, and write app.name,"),
        (" app.handler", "there are spaces or line ends around it; write app.handler"),
        ("app.handler\n", "there are spaces or line ends around it; write app.handler"),
        ("\tpackage/module.handler ", "there are spaces or line ends around it; write package/module.handler"),
        ("tool.py ", "there are spaces or line ends around it; write tool.py"),
        (" ./tool.py", "there are spaces or line ends around it; write ./tool.py"),
    ],
)
def test_what_was_meant(fail: Fail, handler: str, advice: str) -> None:
    """A string that is nearly right is an init error that says what to write."""
    failed = fail(TREE, handler)
    assert "Runtime.MalformedHandlerName" == failed.type
    assert failed.report["errorMessage"].startswith(f"{handler!r} does not name a handler: ")
    assert advice in failed.report["errorMessage"]


@pytest.mark.parametrize("handler", [" event.upper() ", "\nevent.upper()\n", "{'k': event}['k'].upper()"])
def test_source_may_have_blanks_and_colons(ask: Ask, handler: str) -> None:
    """Python source with blanks around it, or with colons, is a handler as before."""
    assert b"ADA" == ask("", b"Ada", handler).body


@pytest.mark.parametrize(("handler", "expected"), [("app.handler", b"app x"), ("tool.pyc", b"tool x ['tool.pyc']")])
def test_sourceless(ask: Ask, tmp_path: Path, handler: str, expected: bytes) -> None:
    """Compiled files without their source are modules and scripts too."""
    root = write(tmp_path / "task", TREE)
    for name in ("app", "tool"):
        py_compile.compile(str(root / f"{name}.py"), str(root / f"{name}.pyc"), doraise=True)
        (root / f"{name}.py").unlink()
    assert expected == ask({}, b"x", handler, root=root).body


def test_pyc_of_another_python(fail: Fail, tmp_path: Path) -> None:
    """Bytecode of another interpreter is an init error that says so."""
    failed = fail({"app.pyc": b"\x00\x01\r\n" + bytes(60), "other.py": ""}, "app.handler")
    assert "Runtime.ImportModuleError" == failed.type
    assert "app" in failed.report["errorMessage"]


def archive(**members: str) -> bytes:
    """A zip archive."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("__slash__", "/") + ".py", content)
    return data.getvalue()


ARCHIVE = archive(
    __main__="import sys, library\nprint(library.NAME, sys.stdin.read(), __name__, end='')\n",
    library="NAME = 'brought along'\n",
    module="import library\ndef func(event, headers):\n    return f'{library.NAME} {event}'\n",
    pack__slash____init__="",
    pack__slash__part="def func(event, headers):\n    return __name__\n",
)


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("app.pyz", b"brought along x __main__"),
        ("app.pyz/module.func", b"brought along x"),
        ("app.pyz/pack.part.func", b"pack.part"),
        ("app.pyz/pack/part.func", b"pack.part"),
        ("sub/app.pyz/module.func", b"brought along x"),
        ("./sub/app.pyz/./module.func", b"brought along x"),
        ("sub/app.pyz", b"brought along x __main__"),
        ("an app.pyz/module.func", b"brought along x"),
    ],
)
@pytest.mark.parametrize("beside", [{}, {"module.py": "func = None\n", "library.py": "NAME = 'the root'\n"}])
def test_archives(serve: Serve, handler: str, expected: bytes, beside: Files) -> None:
    """An archive is a script by its __main__.py, or holds functions, with its libraries inside, whatever is beside it."""
    runtime = serve({"app.pyz": ARCHIVE, "sub/app.pyz": ARCHIVE, "an app.pyz": ARCHIVE, **beside}, handler)
    assert [expected] * 2 == [runtime.invoke(b"x").body for _ in range(2)]


def test_archive_with_shebang(ask: Ask) -> None:
    """The first line that zipapp writes does not disturb."""
    assert b"brought along x __main__" == ask({"a.pyz": b"#!/usr/bin/env python3\n" + ARCHIVE}, b"x", "a.pyz").body


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        ("a.pyz/module.fun", ["fun", "func"]),
        ("a.pyz/modul.func", ["modul", "module"]),
        ("a.pyz/pack.prt.func", ["pack.prt", "a.pyz", "pack/ has: part.py"]),
        ("a.pyz/pack.func", ["a.pyz/pack/__init__.py"]),
        ("a.pyz/tool.py", ["no file tool.py", "a.pyz", "library.py"]),
        ("a.pyz/sys.func", ["sys"]),
        ("a.pyz/../app.func", ["a.pyz/module.function"]),
        ("b.pyz", ["b.pyz", "__main__", "module.py"]),
        ("c.pyz", ["c.pyz is not a zip archive"]),
        ("c.pyz/module.func", ["c.pyz is not a zip archive"]),
        ("c.pzy/module.func", ["c.pzy", "c.pyz"]),
        ("sub/d.pyz/module.func", ["sub/d.pyz", "sub/ has: e.pyz"]),
    ],
)
def test_archives_that_lack_it(fail: Fail, handler: str, words: list[str]) -> None:
    """What is not in the archive is an init error that names what is."""
    failed = fail({"a.pyz": ARCHIVE, "b.pyz": archive(module=""), "c.pyz": "no zip", "sub/e.pyz": ARCHIVE}, handler)
    assert (failed.type or "").startswith("Runtime.")
    for word in words:
        assert word in failed.report["errorMessage"]


ESCAPES = [
    "../outside.py",
    "../outside.handler",
    "folder/../../outside.py",
    "folder/../../outside.handler",
    "{parent}/outside.py",
    "{parent}/outside.handler",
    "../other.pyz",
    "../other.pyz/module.func",
    "{parent}/other.pyz/module.func",
    "linked.py",
    "linked.handler",
    "linked.pyz",
    "linked.pyz/module.func",
    "linked_folder/outside.py",
    "linked_folder/outside.handler",
    "linked_folder.outside.handler",
    "linked_package.handler",
    "package.handler",
    "package.inside.handler",
    "linked_folder/other.pyz/module.func",
    "..outside.handler",
]


@pytest.mark.parametrize("handler", ESCAPES)
def test_no_way_out_of_the_task_root(fail: Fail, tmp_path: Path, handler: str) -> None:
    """A handler string that would leave the task root is an init error, and nothing outside is run."""
    escape = "open('ESCAPED', 'w').close()\ndef handler(event, headers):\n    return event\n"
    write(
        tmp_path,
        {"outside.py": escape, "other.pyz": archive(__main__=escape, module=escape), "pack/__init__.py": escape},
    )
    root = write(tmp_path / "task", {"folder/inside.py": ECHO, "package/inside.py": ECHO})
    for link, target in {
        "linked.py": "outside.py",
        "linked.pyz": "other.pyz",
        "linked_folder": ".",
        "linked_package": "pack",
        "package/__init__.py": "outside.py",
    }.items():
        (root / link).symlink_to(tmp_path / target)
    failed = fail({}, handler.format(parent=tmp_path.resolve()), root=root)
    assert (1, []) == (failed.status, list(tmp_path.rglob("ESCAPED")))


def test_links_inside_the_task_root(ask: Ask, tmp_path: Path) -> None:
    """A link that stays inside is as good as a file, and so is a task root that is itself a link."""
    root = write(tmp_path / "real", TREE)
    (root / "alias.py").symlink_to(root / "app.py")
    (tmp_path / "task").symlink_to(root)
    assert b"alias x" == ask({}, b"x", "alias.handler", root=tmp_path / "task").body


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("app.handler", b"function"),
        ("app.py", b"script"),
        ("'x'.join(event)", b"1x2"),
        ("event", b"12"),
        ("event[0]", b"1"),
        ("len(event) and event", b"12"),
        ("app.json", b"function"),
    ],
)
@pytest.mark.parametrize("data", [{}, {"app.json": "{}", "event": "", "event[0]": ""}])
def test_auto(ask: Ask, handler: str, expected: bytes, data: Files) -> None:
    """auto: an existing script file, then a dotted name, then an expression, whatever data files are there."""
    files = {
        **data,
        "app.py": "import sys\nsys.stdout.write('script')\ndef handler(*_):\n    return 'function'\njson = handler\n",
    }
    assert expected == ask(files, b"12", handler).body


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("event/4", b"2.5"),
        ("100//event", b"10"),
        ("event/2.5", b"4.0"),
        ("event.real/4-event.imag", b"2.5"),
        ("-event.real", b"-10"),
        ("1/event/event", b"0.01"),
    ],
)
def test_arithmetic(ask: Ask, handler: str, expected: bytes) -> None:
    """What looks like a path, names nothing that is there, and uses the event is an expression."""
    assert expected == ask({"app.py": ECHO}, b"10", handler, "json").body


@pytest.mark.parametrize(
    ("handler", "kind", "words"),
    [
        ("cut.pyc", "Runtime.ImportModuleError", "the script cut.pyc cannot be loaded: "),
        ("nul.py", "Runtime.UserCodeSyntaxError", "the script nul.py cannot be compiled: "),
        (".", "Runtime.UserCodeSyntaxError", "the handler, read as Python source, cannot be compiled: "),
        ("./", "Runtime.HandlerNotFound", "no file ./ in "),
    ],
)
def test_what_is_no_script(fail: Fail, handler: str, kind: str, words: str) -> None:
    """A file that is broken is named with what is wrong; the task root itself is no handler."""
    code = compile("x = 1", "cut.py", "exec")
    whole = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
    failed = fail({"cut.pyc": whole[:40], "nul.py": b"x = 1\0\n"}, handler)
    assert kind == failed.type
    assert failed.report["errorMessage"].startswith(words)
    assert "None" not in failed.report["errorMessage"]


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        ("event/4", ["no file event/4", "event/ has: inside.py"]),
        ("event/modul.handler", ["event.modul", "event/ has: inside.py"]),
        ("events/inside.handler", ["events", "event/"]),
        ("headers/inside.handler", ["headers", "event/"]),
        ("-event.handlr", ["handlr", "-event.py"]),
        ("my-event.handler", ["my-event", "-event.py"]),
        ("event.handler", ["no 'handler' in event"]),
    ],
)
def test_paths_that_look_like_arithmetic(fail: Fail, handler: str, words: list[str]) -> None:
    """A path with a slip stays one: the message says what was looked for, and what there is."""
    failed = fail({"event/inside.py": ECHO, "-event.py": ECHO}, handler)
    assert [] == [word for word in words if word not in failed.report["errorMessage"]]
