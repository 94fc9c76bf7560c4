"""Variables and keys that are almost settings are named, with the setting that was probably meant."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from runtime.cli.group import command as group
from runtime.cli.mistyped import RUNTIME_SETTINGS
from runtime.local.config.likely import unknown_key

ROOT = Path(__file__).parents[1]


def hints(*arguments: str, **variables: str) -> dict[str, str]:
    """What the command names on standard error, and what it takes each for."""
    done = subprocess.run(
        [sys.executable, "-m", "runtime.cli", *arguments],
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=60,
        check=False,
    )
    return dict(re.findall(r"^dispatch: (\w+) is not a setting; did you mean (\w+)\?$", done.stderr, re.MULTILINE))


def test_variables_of_the_environment() -> None:
    """Those of the runtime and of the called command; a wrong prefix counts only before the name of a setting."""
    mistyped = {
        "DISPATCH_RUN_TIMOUT": "DISPATCH_RUN_TIMEOUT",
        "DISPATCH_RN_MEMORY": "DISPATCH_RUN_MEMORY",
        "DISPATCH_ROOT": "DISPATCH_RUN_ROOT",
        "DISPATH_RUN_ENV": "DISPATCH_RUN_ENV",
        "Dispatch_Run": "",
        "HANDLER_CONVENTON": "HANDLER_CONVENTION",
        "HANDLER_PLUGIN": "HANDLER_PLUGINS",
        "HANDLER_HTTPBODY": "HANDLER_HTTP_BODY",
        "HANDLER_convention": "HANDLER_CONVENTION",
        "HANLDER_WORKERS": "HANDLER_WORKERS",
    }
    others = ("DISPATCH_SERVE_MEMORY", "DISPATCH_SERVE_MEMRY", "DISPATCH_TOKEN", "DISPATCH_QUEUE_URL", "DISPATCHER_RUN",
              "HANDLER", "HANDLER_DB_PATH", "HANDLER_WEB_PORT", "HANDLERS_COUNT", "HANDLES_WEBSITES")  # fmt: skip
    settings = {"DISPATCH_RUN_VERBOSE": "1", "HANDLER_WEB": "raw"}

    found = hints("run", "'x'", **dict.fromkeys((*mistyped, *others), "1"), **settings)
    assert {name: meant for name, meant in mistyped.items() if meant} == found


def variables(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """The variable of each option, and the one that it should have."""
    for option in command.params:
        if isinstance(option, click.Option) and len(max(option.opts, key=len)) > 2:
            yield str(option.envvar), f"{name}_{max(option.opts, key=len)[2:]}".upper().replace("-", "_")
    for child, subcommand in command.commands.items() if isinstance(command, click.Group) else ():
        yield from variables(subcommand, f"{name}_{child}")


def test_each_option_has_a_variable_of_its_name() -> None:
    """As docs/reference/commands/README.md says, whatever the parameter of the function is called; the token is also that of `serve`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        assert {("DISPATCH_TOKEN", "DISPATCH_INVOKE_TOKEN")} >= {
            pair for pair in variables(command, f"dispatch_{name}") if pair[0] != pair[1]
        }
    done = subprocess.run(
        [sys.executable, "-m", "runtime.cli", "run", "event[::-1]", "-e", "abc"],
        env={**os.environ, "DISPATCH_RUN_JSON": "1"}, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert "cba" == json.loads(done.stdout)["answer"]


def test_options_of_subcommands() -> None:
    """They have the names of both."""
    found = hints("build", "layer", "--help", DISPATCH_BUILD_LAYER_PYTON="3.13", DISPATCH_BUILD_LAYER_ARCH="arm64")
    assert {"DISPATCH_BUILD_LAYER_PYTON": "DISPATCH_BUILD_LAYER_PYTHON"} == found


def test_variables_of_a_function(tmp_path: Path) -> None:
    """By --env, and in a file of functions; each is named once."""
    (tmp_path / "dispatch.toml").write_text(
        "[functions.a]\nhandler = 'event'\nenvironment = {HANDLER_ENCODNG = 'utf-8'}\n"
        "[functions.b]\nhandler = 'event'\nenvironment = {HANDLER_ENCODNG = 'utf-8'}\n"
    )
    file = str(tmp_path / "dispatch.toml")
    # The port is refused after the functions have been read.
    found = hints("serve", "--config", file, "--host", "192.0.2.1", "--env", "HANDLER_TRANSPROT=socket")
    assert {"HANDLER_ENCODNG": "HANDLER_ENCODING", "HANDLER_TRANSPROT": "HANDLER_TRANSPORT"} == found


def test_the_known_settings_are_those_of_the_page() -> None:
    """Every variable of the runtime's own is one that could be meant."""
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert sorted(re.findall(r'^\| <a id="HANDLER_\w+"></a>`HANDLER_(\w+)`', page, re.MULTILINE)) == sorted(
        RUNTIME_SETTINGS
    )


@pytest.mark.parametrize(
    ("key", "meant"),
    [("function", "functions"), ("prot", "port"), ("env", "environment"), ("Port", "port"), ("pasword", "")],
)
def test_keys(key: str, meant: str) -> None:
    """The likely one, and all that there are."""
    hint = f"did you mean {meant!r}? " if meant else ""
    known = ["environment", "functions", "port", "root"]
    assert f"unknown key {key!r}; {hint}known keys: environment, functions, port, root" == unknown_key(key, known)
