"""What `dispatch serve` makes of its settings: of the command line, of dispatch.toml and of a template."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from support.local import ServerProcess, client, save

from runtime.cli.serve import command
from runtime.local.config import dispatch_toml
from runtime.local.function import FunctionConfig, FunctionSettingError

SOURCE = """
import os
def handler(event, context):
    return [os.environ.get("X"), os.environ.get("HANDLER_PLUGINS"), os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], context.get_remaining_time_in_millis() > 60_000]
"""
TABLE = '[functions.one]\nhandler = "app.handler"\nconvention = "lambda"\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a handler."""
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "app.py").write_text(SOURCE)
    return folder


def refused(root: Path, *arguments: str) -> str:
    """The last line that a server writes which does not start."""
    command = [sys.executable, "-m", "runtime.cli", "serve", "--port", "0", *arguments]
    env = {**os.environ, "XDG_STATE_HOME": str(root / "state")}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=40, check=False)
    assert "" == done.stdout
    assert done.returncode != 0
    return done.stderr.splitlines()[-1]


def test_what_the_file_says_of_all_functions_is_read_again(root: Path) -> None:
    """A key outside of the tables counts for every function, also when it is changed, broken, or gone."""
    file = root / "dispatch.toml"
    file.write_text(f'memory = 256\nplugins = ["-json", "-wsgi"]\nenv = {{X = "1"}}\n{TABLE}')

    def answer() -> Any:
        with client(server.host) as one:
            return one.call("POST", "/2015-03-31/functions/one/invocations", "{}").json

    with ServerProcess(root) as server:
        assert ["1", "-json -wsgi", "256", False] == answer()
        save(file, f'memory = 512\ntimeout = 90\nplugins = "-json"\nenv = {{X = "9"}}\n{TABLE}')
        server.line("dispatch.toml again")
        assert ["9", "-json", "512", True] == answer()
        save(file, f'memory = "much"\n{TABLE}')
        server.line("memory must be a whole number, not 'much'; the functions are as before")
        assert ["9", "-json", "512", True] == answer()
        save(file, TABLE)
        server.line("dispatch.toml again", 2)
        assert [None, None, "128", False] == answer()


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('bootstrap = "nope"', "bootstrap: no such file: "),
        ('initialization = "warm"', "the initialization must be on-demand or snap-start, not 'warm'"),
        ("asynchronous = {retries = 9}", "asynchronous: retries must be 0, 1 or 2, not 9"),
        ("asynchronous = {maximum_age = nan}", "asynchronous: the maximum age must be a number of seconds, not nan"),
        (
            "asynchronous = {retrys = 1}",
            "unknown key 'retrys'; did you mean 'retries'? known keys: retries, maximum_age, on_failure",
        ),
        ('asynchronous = {on_failure = "function:two"}', "on failure: unknown function 'two'; known functions: one"),
        ("url = {foo = 1}", "url: unknown key 'foo'; known keys: streaming, cors"),
        ('url = "yes"', "url: must be a table, not 'yes'"),
        ('environment = "X=1"', "environment: must be a table, not 'X=1'"),
    ],
)
def test_keys_that_cannot_be_used(root: Path, keys: str, told: str) -> None:
    """A wrong value in dispatch.toml is told at the start, with what there could be."""
    (root / "dispatch.toml").write_text(TABLE + keys + "\n")
    assert told in refused(root)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("root = 5", "root: must be text, not 5"),
        ('root = "a\\u0000b"', "root: must be text, not 'a\\x00b'"),
        ("bootstrap = true", "bootstrap: must be text, not true"),
        ("environment = {A = [1]}", "environment: A must be text, not [1]"),
        ("url = {streaming = 'yes'}", "url: streaming must be true or false, not 'yes'"),
        ("asynchronous = {maximum_age = 'x'}", "asynchronous: maximum_age must be a number, not 'x'"),
        ("asynchronous = {on_failure = 5}", "asynchronous: on_failure must be text, not 5"),
        ("asynchronous = {retries = true}", "asynchronous: retries must be a whole number, not true"),
    ],
)
def test_values_of_another_kind(root: Path, keys: str, told: str) -> None:
    """Each is refused with its key, in words of the file."""
    with pytest.raises(FunctionSettingError) as refusal:
        dispatch_toml.functions(tomllib.loads(TABLE + keys), root, FunctionConfig())
    assert f"[functions.one] {told}" == str(refusal.value)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("no_reload = 5", "no_reload must be true or false, not 5"),
        ("memory = 1e400", "memory must be a whole number, not inf"),
        ('timeout = "x"', "timeout must be a number, not 'x'"),
        ("port = true", "port must be a whole number, not true"),
        ("queue = 5", "queue must be text, not 5"),
        ('root = "a\\u0000b"', "root must be text, not 'a\\x00b'"),
        ("env = 5", "env must be a list or a table, not 5"),
        ("name = {}", "name must be text, not {}"),
        ("plugins = 5", "plugins must be text, not 5"),
    ],
)
def test_settings_of_another_kind(root: Path, keys: str, told: str) -> None:
    """The same for what the file says of the server and of all functions."""
    file = root / "dispatch.toml"
    file.write_text(keys)
    with pytest.raises(click.BadParameter) as refusal:
        command.make_context("serve", ["--config", str(file)])
    assert f"{file}: {told}" == refusal.value.message


def test_variables_of_other_kinds(root: Path) -> None:
    """Booleans and numbers are written as in a template."""
    table = tomllib.loads(TABLE + "environment = {A = true, B = 1.5, C = 2024-01-02}")
    [one] = dispatch_toml.functions(table, root, FunctionConfig())
    assert {"A": "true", "B": "1.5", "C": "2024-01-02"} == one.environment


def test_a_table_without_a_handler(root: Path) -> None:
    """A function has a handler, or a bootstrap."""
    (root / "dispatch.toml").write_text("[functions.one]\nmemory = 256\n")
    assert "Error: [functions.one] has no handler" == refused(root)


@pytest.mark.parametrize("name", ["template.yaml", "dispatch.toml", "Stack.template.json"])
def test_a_file_that_describes_functions_is_no_handler(root: Path, name: str) -> None:
    """Nobody has to guess why there is no such module."""
    (root / name).write_text("")
    told = f"Error: {name} is a file that describes functions, not a handler; pass --config {name}"
    assert told == refused(root, name)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--grace", "nan", "'nan' is not a finite number"),
        ("--grace", "inf", "'inf' is not a finite number"),
        ("--time-scale", "-1", "-1.0 is not in the range x>=0."),
        ("--maximum-age", "nan", "'nan' is not a finite number"),
        ("--on-failure", "function:two", "on failure: unknown function 'two'; known functions: function"),
    ],
)
def test_options_that_cannot_be_used(root: Path, option: str, value: str, told: str) -> None:
    """The same on the command line."""
    assert refused(root, "app.handler", option, value).endswith(told)


def test_functions_of_a_template_that_cannot_be_served(root: Path) -> None:
    """Each is left out with the reason; the rest is served."""
    left_out: dict[str, tuple[dict[str, Any], str]] = {
        "A": ({"Timeout": "abc"}, "its Timeout is not a number: 'abc'"),
        "B": ({"MemorySize": ["Size"]}, "its MemorySize is not a number: ['Size']"),
        "C": ({"PackageType": "Image"}, "its code is an image, not in a local folder"),
        "D": ({"ReservedConcurrentExecutions": -1}, "the concurrency must be at least 1, not -1"),
        "E": (
            {"EventInvokeConfig": {"MaximumRetryAttempts": "x"}},
            "its MaximumRetryAttempts is not a number: 'x'",
        ),
    }
    common = {"Runtime": "python3.13", "Handler": "app.handler"}
    functions = {name: {**common, **properties} for name, (properties, _) in left_out.items()} | {"F": common}
    resources = {name: {"Type": "AWS::Serverless::Function", "Properties": own} for name, own in functions.items()}
    template = {"Parameters": {"Size": {"Type": "Number"}}, "Resources": resources}
    (root / "template.yaml").write_text(json.dumps(template))
    with ServerProcess(root, "--config", "template.yaml") as server:
        for name, (_, why) in left_out.items():
            assert server.line(f"{name} is left out").endswith(why)
        with client(server.host) as one:
            assert 200 == one.call("POST", "/2015-03-31/functions/F/invocations", "{}").status
