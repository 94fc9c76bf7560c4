"""`dispatch explain` and `dispatch plugins` as a user calls them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from pytest_mock import MockerFixture
from support.files import write
from support.text import missing

from dispatch import __version__
from dispatch.discovery import BUILT_IN
from runtime.cli.apart import apart

FILES = {
    "bin/tool": "#!/bin/sh\n",
    "hooks.sh": "one() { :; }\n",
    "app.py": "def one(event, headers): ...\ndef two(event, headers): ...\n",
    "noisy.py": "import colorsys\nimport os\nprint('noise')\nos.write(1, b'more noise')\ndef handler(event, headers): ...\n",
    "ends.py": "import os\nos._exit(0)\n",
    "killed.py": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "raises.py": "class Own(BaseException): ...\nraise Own('mine')\n",
    "site/heavy.py": "import time\nend = time.perf_counter() + 0.03\nwhile time.perf_counter() < end: ...\ndef dispatch_shutdown(): ...\n",
    "site/heavy-1.0.dist-info/entry_points.txt": "[dispatch]\nheavy = heavy\n",
    "site/heavy-1.0.dist-info/METADATA": """\
        Metadata-Version: 2.1
        Name: heavy
        Version: 1.0
        Provides-Extra: dispatch
        Requires-Dist: other>=9
        Requires-Dist: handler-dispatch>=0.0.1
        Requires-Dist: handler_dispatch[local]>=9.0; extra == "dispatch"
        Requires-Dist: handler-dispatch>=8; python_version < "3"
        """,
    "site/long.py": "raise ValueError('[/x] ' + 3000 * 'y' + '\\nend')\n",
    "site/long-2.0.dist-info/entry_points.txt": "[dispatch]\nlong = long\n",
    "site/long-2.0.dist-info/METADATA": """\
        Metadata-Version: 2.1
        Name: long
        Version: 2.0
        Requires-Dist: handler-dispatch (<0.1)
        """,
    "interrupts.py": "raise KeyboardInterrupt\n",
    "noisy_plugin.py": "print('noise')\ndef dispatch_shutdown(reason): ...\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with modules that behave, and some that do not."""
    return write(tmp_path, FILES)


def dispatch(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "runtime.cli", *arguments, "--root", str(root)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


def explained(root: Path, *arguments: str) -> tuple[Any, int]:
    """The facts, and the status."""
    done = dispatch(root, "explain", *arguments, "--json")
    return json.loads(done.stdout), done.returncode


def test_what_a_string_names(root: Path) -> None:
    """In words: what it is, the convention and why, and that it can be used."""
    done = dispatch(root, "explain", "app.one")

    assert [
        f"'app.one' in {root}",
        "  names       one in the module app",
        "  convention  standard: the string is a dotted name",
        "  events      any; Lambda's Invoke accepts only JSON, so send others through a function URL or S3",
        "  usable      yes",
    ] == done.stdout.splitlines()
    assert ("", 0) == (done.stderr, done.returncode)


@pytest.mark.parametrize(
    ("handler", "convention", "reason"),
    [
        ("app.one", "standard", "the string is a dotted name"),
        ("app.py", "script", "the string is the path of a script"),
        ("bin/tool", "process", "the string is the path of an executable file"),
        ("hooks.one", "shell", "there is a file hooks.sh, and no module of that name"),
        ("event.upper() + '!'", "expression", "the string is neither a file nor a dotted name"),
    ],
)
def test_why_a_convention_takes_it(root: Path, handler: str, convention: str, reason: str) -> None:
    """The reason for which `auto` picks each convention."""
    facts, _ = explained(root, handler)
    assert (convention, reason) == (facts["convention"], facts["why"])


@pytest.mark.parametrize(
    ("convention", "expected"),
    [("standard", "any"), ("expression", "any"), ("stream", "any"), ("process", "any"), ("json", ""), ("lambda", "")],
)
def test_which_events_a_convention_accepts(root: Path, convention: str, expected: str) -> None:
    """Conventions of text and bytes accept more than Lambda's Invoke does, and only for them there is a line."""
    facts, _ = explained(root, "app.one", "--convention", convention)
    assert expected == facts["events"]
    assert bool(expected) == ("  events " in dispatch(root, "explain", "app.one", "--convention", convention).stdout)


def test_why_when_it_is_asked_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is the flag or the variable that names the convention; the first of them counts."""
    reasons = []
    for variable, arguments in (
        ("DISPATCH_EXPLAIN_CONVENTION", ("--convention", "json")),
        ("DISPATCH_EXPLAIN_CONVENTION", ()),
        ("HANDLER_CONVENTION", ("--env", "HANDLER_CONVENTION=json")),
        ("HANDLER_CONVENTION", ()),
    ):
        monkeypatch.setenv(variable, "lambda" if arguments else "json")
        facts, _ = explained(root, "app.one", *arguments)
        assert "json" == facts["convention"]
        reasons.append(facts["why"])
        monkeypatch.delenv(variable)

    assert [
        "--convention names it",
        "the variable DISPATCH_EXPLAIN_CONVENTION names it",
        "--env HANDLER_CONVENTION names it",
        "the variable HANDLER_CONVENTION names it",
    ] == reasons


def test_what_a_file_sets_for_serve(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of dispatch.toml with the same handler and its own convention is named, and changes nothing here."""
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    (root / "dispatch.toml").write_text(
        "[functions.orders]\nhandler = 'app.one'\nconvention = 'json'\n[functions.other]\nhandler = 'app.two'\n"
    )
    done = dispatch(root, "explain", "app.one")

    assert "  convention  standard: the string is a dotted name" in done.stdout.splitlines()
    told = "  in file     json in `dispatch serve`: [functions.orders] in dispatch.toml names it"
    assert told in done.stdout.splitlines()


def test_command_line(root: Path) -> None:
    """A command line is shown with the program that was found and its arguments, or with what is wrong."""
    facts, status = explained(root, "bin/tool -x 'a b'", "--convention", "process")
    assert (f"the program {root}/bin/tool with the arguments ['-x', 'a b']", 0) == (facts["names"], status)
    facts, status = explained(root, "bin/none", "--convention", "process")
    assert ("Runtime.HandlerNotFound", 1) == (facts["error"]["type"], status)


def test_what_modules_print_is_no_answer(root: Path) -> None:
    """By print() or to the file descriptor, from the handler's module or a plugin: it goes to standard error."""
    done = dispatch(root, "explain", "noisy.handler", "--plugins", "noisy_plugin", "--json")
    assert (True, 0) == (json.loads(done.stdout)["usable"], done.returncode)
    assert [] == missing(done.stderr, "more noise", "noise\n")

    done = dispatch(root, "plugins", "--plugins", "noisy_plugin", "--json")
    assert ("noisy_plugin", "ok") == (json.loads(done.stdout)[-1]["name"], json.loads(done.stdout)[-1]["state"])
    assert "noise\n" == done.stderr


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        ("ends.handler", {"type": "Runtime.ExitError", "message": "the loaded code ended the process with status 0"}),
        (
            "killed.handler",
            {"type": "Runtime.ExitError", "message": "the loaded code ended the process with status -9"},
        ),
        ("raises.handler", {"type": "Own", "message": "mine"}),
        ("interrupts.handler", {"type": "KeyboardInterrupt", "message": ""}),
    ],
)
def test_a_module_that_ends_everything(root: Path, handler: str, error: dict[str, str]) -> None:
    """It is not usable, and what it names is said all the same."""
    facts, status = explained(root, handler)

    assert (error, False, 1) == (facts["error"], facts["usable"], status)
    assert ("standard", f"handler in the module {handler.partition('.')[0]}") == (facts["convention"], facts["names"])


def test_the_argument_and_the_flags_win_over_the_variables(root: Path) -> None:
    """As in `dispatch run`: --env says what they leave open."""
    variables = ("--env", "HANDLER=app.two", "--env", "HANDLER_CONVENTION=lambda", "--env", "HANDLER_PLUGINS=no_such")

    facts, _ = explained(root, "app.one", *variables, "--convention", "json", "--plugins", "")
    assert ("one in the module app", "json") == (facts["names"], facts["convention"])
    facts, _ = explained(root, "app.one", *variables, "--plugins", "")
    assert "lambda" == facts["convention"]
    facts, status = explained(root, "app.one", *variables)
    assert ("Runtime.PluginError", 1) == (facts["error"]["type"], status)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("HANDLER_ENCODING=nope", "HANDLER_ENCODING is 'nope'"),
        ("HANDLER_WORKERS=0", "HANDLER_WORKERS is '0'"),
        ("HANDLER_CONCURRENCY=async", "async def"),
    ],
)
def test_a_variable_that_the_runtime_would_refuse(root: Path, variable: str, words: str) -> None:
    """A handler that could not be started is not usable."""
    facts, status = explained(root, "app.one", "--env", variable)

    assert ("Runtime.InvalidSetting", False, 1) == (facts["error"]["type"], facts["usable"], status)
    assert words in facts["error"]["message"]


def test_a_reserved_variable(root: Path) -> None:
    """It is a usage error, as in `dispatch run`."""
    done = dispatch(root, "explain", "app.one", "--env", "_HANDLER=app.two")

    assert 2 == done.returncode
    assert "_HANDLER is reserved" in done.stderr


def test_imports(root: Path) -> None:
    """What a start costs, module by module; what is printed meanwhile is no answer."""
    done = dispatch(root, "explain", "noisy.handler", "--imports", "--json")

    found = {entry["module"] for entry in json.loads(done.stdout)}
    assert ({"dispatch.load", "colorsys"}, 0) == (found & {"dispatch.load", "colorsys"}, done.returncode)
    assert [] == missing(done.stderr, "more noise", "noise\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch.std"], "Runtime.ImportModuleError"),
        (["app.one", "--convention", "nope"], "Runtime.UnknownConvention"),
        (["app.one", "--env", "HANDLER_PLUGINS=nosuch"], "Runtime.PluginError"),
        (["app.one", "--plugins", "nosuch"], "Runtime.PluginError"),
        (["ends.handler"], "Runtime.ExitError"),
        (["raises.handler"], "Own"),
    ],
)
def test_imports_of_what_does_not_start(root: Path, arguments: list[str], words: str) -> None:
    """The imports until then, why it did not start, and status 1; and nobody waits."""
    done = dispatch(root, "explain", *arguments, "--imports", "--json")

    assert "dispatch.load" in {entry["module"] for entry in json.loads(done.stdout)}
    assert 1 == done.returncode
    assert words in done.stderr
    assert not {"Traceback", "\r"} & {done.stderr[:9], *done.stderr}


def test_a_broken_plugin_is_listed(root: Path) -> None:
    """One that was asked for has its row and its state, and the status is 1; a blocked one too, and the status is 0."""
    done = dispatch(root, "plugins", "--plugins", "no_such", "--json")
    rows = {row["name"]: row["state"] for row in json.loads(done.stdout)}
    assert ("ok", "broken", 1) == (rows["standard"], rows["no_such"].partition(":")[0], done.returncode)
    assert "HANDLER_PLUGINS asks for no_such, which is broken" in done.stderr

    done = dispatch(root, "plugins", "--plugins", "no_such")
    assert 1 == done.returncode
    assert "no_such" in done.stdout

    done = dispatch(root, "plugins", "--plugins=-json", "--json")
    rows = {row["name"]: row["state"] for row in json.loads(done.stdout)}
    assert ("blocked", 0) == (rows["json"], done.returncode)


def test_hooks_by_another_name(root: Path) -> None:
    """A hook that hookimpl(specname=…) names is listed by its own name; one that fails makes no claim."""
    marked = "from dispatch import hookimpl\n@hookimpl(specname='dispatch_locate')\ndef find(spec):\n    {}\n"
    write(root, {"fails.py": marked.format("1 / 0"), "passes.py": marked.format("pass")})
    both = ("--plugins", "fails passes")
    rows = {row["name"]: row["hooks"] for row in json.loads(dispatch(root, "plugins", *both, "--json").stdout)}
    assert [["dispatch_locate"]] * 2 == [rows["fails"], rows["passes"]]

    done = dispatch(root, "explain", "app.one", *both, "--json")
    assert [{"plugin": "passes", "says": None}] == json.loads(done.stdout)["plugins"]
    assert "dispatch_locate in the plugin fails failed: ZeroDivisionError: division by zero" in done.stderr


def test_a_plugin_that_ends_everything(root: Path) -> None:
    """It is an error in one line."""
    done = dispatch(root, "plugins", "--plugins", "ends")

    told = "Error: Runtime.ExitError: the loaded code ended the process with status 0\n"
    assert ("", told, 1) == (done.stdout, done.stderr, done.returncode)


@pytest.fixture
def installed(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The states of two distributions, heavy and long, that are installed there."""
    monkeypatch.setenv("PYTHONPATH", str(root / "site"))
    return {
        "heavy": f"ok, but requires handler-dispatch>=9.0; this is {__version__}",
        "long": f"broken: ValueError: [/x] {3000 * 'y'}\nend; requires handler-dispatch<0.1; this is {__version__}",
    }


def test_what_plugins_cost_and_require(root: Path, installed: dict[str, str]) -> None:
    """For programs: the milliseconds of each import, and a requirement that this version does not meet."""
    done = dispatch(root, "plugins", "--plugins", "noisy_plugin", "--json")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert {**installed, "noisy_plugin": "ok"} == {name: row["state"] for name, row in list(rows.items())[-3:]}
    costs = {name: row["importMs"] for name, row in rows.items()}
    assert costs["json"] is None
    assert 30 <= costs["heavy"]
    assert 0 < costs["noisy_plugin"]


def test_the_table_of_plugins(root: Path, installed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """For pipes each plugin has one line, however long and narrow; in a terminal heavy ones are bold, and it may fold."""
    monkeypatch.setenv("COLUMNS", "60")
    lines = dispatch(root, "plugins").stdout.splitlines()
    found = {line.split()[0]: line for line in lines}
    assert len(BUILT_IN) + 3 == len(lines)
    assert dict.fromkeys(installed, True) == {
        name: found[name].endswith(" ".join(state.split())) for name, state in installed.items()
    }
    assert re.search(r" shutdown +\d\d+\.\d  ok, but", found["heavy"])

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    lines = dispatch(root, "plugins").stdout.splitlines()
    assert len(BUILT_IN) + 3 < len(lines)
    bold = {line.split()[0] for line in lines[1:] if line.startswith("\x1b[1m")}
    assert {"\x1b[1mheavy"} <= bold
    assert "\x1b[1mjson" not in bold


def test_the_trace_of_plugins(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HANDLER_TRACE_PLUGINS counts for `dispatch plugins` too, and its value must be right."""
    (root / "own.py").write_text("def dispatch_conventions():\n    return {'own': id}\n")
    monkeypatch.setenv("HANDLER_TRACE_PLUGINS", "1")
    done = dispatch(root, "plugins", "--plugins", "own")
    assert re.fullmatch(r"dispatch: dispatch_conventions in the plugin own took \d+\.\d+ ms\n", done.stderr)

    monkeypatch.setenv("HANDLER_TRACE_PLUGINS", "yes")
    done = dispatch(root, "plugins")
    told = "Error: Runtime.InvalidSetting: HANDLER_TRACE_PLUGINS is 'yes'; allowed: 0, 1\n"
    assert ("", told, 1) == (done.stdout, done.stderr, done.returncode)


def test_ctrl_c_just_after_the_end(mocker: MockerFixture) -> None:
    """The process that loads the handler has been waited for, so there is none to end."""
    wait = os.waitpid

    def interrupted(process: int, options: int) -> NoReturn:
        wait(process, options)
        raise KeyboardInterrupt

    mocker.patch("os.waitpid", interrupted)
    with pytest.raises(KeyboardInterrupt):
        apart(lambda: [{"usable": True}])
