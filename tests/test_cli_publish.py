"""`dispatch publish` against moto's server, over HTTP, as it would be against AWS."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from click.testing import CliRunner, Result
from moto.server import ThreadedMotoServer
from pytest_mock import MockerFixture
from support.package import make_zip

from runtime.cli.publish import command
from runtime.package import publish
from runtime.package.aws import AwsCall

Publish = Callable[..., Result]
REGION = "eu-central-1"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a moto server."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def client(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Makers of clients of an empty AWS; what `dispatch publish` itself makes goes there too."""
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_DEFAULT_REGION", REGION)):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    made: list[Any] = []

    def make(service: str) -> Any:
        made.append(boto3.client(service, endpoint_url=server))
        return made[-1]

    requests.post(f"{server}/moto-api/reset", timeout=10).close()
    yield make
    for each in made:
        each.close()


@pytest.fixture
def role(client: Callable[[str], Any]) -> str:
    """A role for functions."""
    made = client("iam").create_role(RoleName="hello", AssumeRolePolicyDocument="{}")
    return str(made["Role"]["Arn"])


@pytest.fixture
def run(client: Callable[[str], Any]) -> Publish:
    """Run `dispatch publish`."""

    def once(*arguments: str | Path) -> Result:
        return CliRunner().invoke(command, [str(argument) for argument in arguments])

    return once


def app(path: Path, text: str = "def handler(event, headers): ...") -> Path:
    """A function archive."""
    return make_zip(path / "app.zip", {"app.py": text})


def layer(path: Path) -> Path:
    """A layer archive for Python 3.13 on either processor, with a bootstrap."""
    return make_zip(path / "layer.zip", {"python/lib.py": "", "bootstrap": "#!/bin/sh\n"}, {"bootstrap": 0o100755})


def arn(result: Result) -> str:
    """What was published, of an answer in JSON."""
    assert result.exit_code == 0, result.output
    return str(json.loads(result.stdout)["arn"])


def test_a_new_function(tmp_path: Path, run: Publish, role: str, client: Callable[[str], Any]) -> None:
    """Everything that was given is there afterwards, and the function is active."""
    result = run(
        "function", "hello", app(tmp_path), "--handler", "app.handler", "--runtime", "provided.al2023", "--role", role,
        "--arch", "arm64", "--env", "A=1", "--env", "B=x=y", "--timeout", "7", "--memory", "512",
        "--description", "says hello", "--json",
    )  # fmt: skip
    assert arn(result).endswith(":function:hello")
    there = client("lambda").get_function(FunctionName="hello")["Configuration"]
    assert there["State"] == "Active"
    names = ("Runtime", "Role", "Handler", "Timeout", "MemorySize", "Description", "Architectures")
    expected = ("provided.al2023", role, "app.handler", 7, 512, "says hello", ["arm64"])
    assert expected == tuple(there[name] for name in names)
    assert there["Environment"]["Variables"] == {"A": "1", "B": "x=y"}
    assert there["CodeSha256"] == publish.digest(tmp_path / "app.zip")


NOTE = "note: Lambda's Invoke accepts only JSON; send any other event to hello through a function URL"


@pytest.mark.parametrize(
    ("arguments", "noted"),
    [
        (("--runtime", "provided.al2023", "--handler", "app.handler"), True),
        (("--runtime", "provided.al2023", "--handler", "app.py"), True),
        (("--runtime", "provided.al2023", "--handler", "event.upper()"), True),
        (("--runtime", "python3.13", "--handler", "app.handler", "--env", "AWS_LAMBDA_EXEC_WRAPPER=/x"), True),
        (("--runtime", "provided.al2023", "--handler", "app.handler", "--env", "HANDLER_CONVENTION=stream"), True),
        (("--runtime", "provided.al2023", "--handler", "app.handler", "--env", "HANDLER_CONVENTION=json"), False),
        (("--runtime", "provided.al2023", "--handler", "app.handler", "--env", "HANDLER_CONVENTION=xml"), False),
        (("--runtime", "python3.13", "--handler", "app.handler"), False),
    ],
)
def test_events_that_invoke_does_not_accept(
    tmp_path: Path, run: Publish, role: str, arguments: tuple[str, ...], noted: bool
) -> None:
    """A note for a new function whose convention accepts more than JSON; none for others, nor for an update."""
    new = ("function", "hello", app(tmp_path), "--role", role, *arguments)
    assert noted == (NOTE in run(*new, "--dry-run").stderr)
    first = run(*new, "--json")
    assert noted == (NOTE in first.stderr)
    assert arn(first)
    assert NOTE not in run(*new, "--timeout", "9", "--json").stderr


def test_a_command_line(tmp_path: Path, run: Publish, role: str, client: Callable[[str], Any]) -> None:
    """The convention that a variable names decides what the handler string may be; blanks take it into HANDLER."""
    new = ("function", "hello", app(tmp_path), "--runtime", "provided.al2023", "--role", role, "--json")
    arn(run(*new, "--handler", "sort -n", "--env", "HANDLER_CONVENTION=process"))
    there = client("lambda").get_function(FunctionName="hello")["Configuration"]
    assert {"HANDLER": "sort -n", "HANDLER_CONVENTION": "process"} == there["Environment"]["Variables"]


@pytest.mark.parametrize(
    ("arguments", "expected", "said"),
    [
        (
            (),
            {"HANDLER_CONVENTION": "nuclio"},
            "note: HANDLER_CONVENTION=nuclio, because it is handler(context, event)\n",
        ),
        (("--env", "HANDLER_CONVENTION=json"), {"HANDLER_CONVENTION": "json"}, ""),
        (("--runtime", "python3.13"), {}, ""),
    ],
)
def test_a_function_for_another_platform(
    tmp_path: Path,
    run: Publish,
    role: str,
    client: Callable[[str], Any],
    *,
    arguments: tuple[str, ...],
    expected: dict[str, str],
    said: str,
) -> None:
    """It gets its convention if it runs here and has none; an update does not change the one that it has."""
    source = "def handler(context, event): ..."
    new = ("function", "hello", app(tmp_path, source), "--handler", "app.handler", "--role", role)
    result = run(*new, "--runtime", "provided.al2023", *arguments, "--json")
    arn(result)
    assert said == "".join(line for line in result.stderr.splitlines(keepends=True) if "CONVENTION" in line)

    def variables() -> Any:
        configuration = client("lambda").get_function(FunctionName="hello")["Configuration"]
        return configuration.get("Environment", {}).get("Variables", {})

    assert expected == variables()
    own = {"HANDLER_CONVENTION": "lambda"}
    client("lambda").update_function_configuration(FunctionName="hello", Environment={"Variables": own})
    arn(run(*new, "--json"))
    assert own == variables()


def test_an_update(tmp_path: Path, run: Publish, role: str, client: Callable[[str], Any]) -> None:
    """Code and settings are replaced, variables added; what was not given stays."""
    new = ("function", "hello", app(tmp_path), "--runtime", "python3.13", "--handler", "app.handler", "--role", role)
    arn(run(*new, "--env", "A=1", "--env", "B=1", "--memory", "256", "--json"))
    app(tmp_path, "def handler(event, headers): return event")
    result = run("function", "hello", tmp_path / "app.zip", "--env", "B=2", "--timeout", "9", "--json")
    calls = ["update_function_code", "wait function_updated_v2"]
    settings = ["update_function_configuration", "wait function_updated_v2"]
    assert json.loads(result.stdout)["calls"] == [f"lambda.{call}" for call in (*calls, *settings)]
    there = client("lambda").get_function(FunctionName="hello")["Configuration"]
    assert there["Environment"]["Variables"] == {"A": "1", "B": "2"}
    assert (there["MemorySize"], there["Timeout"], there["Handler"]) == (256, 9, "app.handler")
    assert there["CodeSha256"] == publish.digest(tmp_path / "app.zip")


def test_nothing_changed(tmp_path: Path, run: Publish, role: str) -> None:
    """The same archive with the same settings makes no call."""
    new = ("function", "hello", app(tmp_path), "--runtime", "python3.13", "--handler", "app.handler", "--role", role)
    arn(run(*new, "--json"))
    result = json.loads(run(*new, "--json").stdout)
    assert (result["unchanged"], result["calls"]) == (True, [])


def test_a_handler_that_lambda_would_not_take(
    tmp_path: Path, run: Publish, role: str, client: Callable[[str], Any]
) -> None:
    """An expression has blanks, so it goes into the variable HANDLER, until a handler comes that needs none."""
    new = ("function", "hello", app(tmp_path), "--runtime", "provided.al2023", "--role", role)
    arn(run(*new, "--handler", "event + '!'", "--json"))
    there = client("lambda").get_function(FunctionName="hello")["Configuration"]
    assert there["Environment"]["Variables"] == {"HANDLER": "event + '!'"}
    assert " " not in there["Handler"]
    arn(run(*new, "--handler", "app.handler", "--json"))
    there = client("lambda").get_function(FunctionName="hello")["Configuration"]
    assert (there["Handler"], there.get("Environment", {}).get("Variables", {})) == ("app.handler", {})


def test_the_variable_wins_over_the_handler(
    tmp_path: Path, run: Publish, role: str, client: Callable[[str], Any]
) -> None:
    """The variable HANDLER of --env is what the function will run, so it is what the checks look for."""
    new = ("function", "hello", app(tmp_path), "--runtime", "provided.al2023", "--role", role)
    refused = run(*new, "--handler", "app.handler", "--env", "HANDLER=app.handlr")
    assert "no 'handlr' in app.py; it has: handler" in refused.output
    arn(run(*new, "--handler", "event + '!'", "--env", "HANDLER=app.handler", "--json"))
    there = client("lambda").get_function(FunctionName="hello")["Configuration"]
    assert {"HANDLER": "app.handler"} == there["Environment"]["Variables"]


def test_layers(tmp_path: Path, run: Publish, role: str, client: Callable[[str], Any]) -> None:
    """A layer gets a version with its runtimes and processor; a function on AWS's Python uses it by the wrapper."""
    published = arn(
        run(
            "layer",
            "dispatch",
            layer(tmp_path),
            "--runtime",
            "python3.13",
            "--arch",
            "arm64",
            "--license",
            "MIT",
            "--json",
        )
    )
    assert published.endswith(":layer:dispatch:1")
    there = client("lambda").get_layer_version(LayerName="dispatch", VersionNumber=1)
    assert there["CompatibleRuntimes"] == ["python3.13"]
    assert (there["CompatibleArchitectures"], there["LicenseInfo"]) == (["arm64"], "MIT")
    new = ("function", "hello", app(tmp_path), "--runtime", "python3.13", "--handler", "app.handler", "--role", role)
    arn(run(*new, "--layer", published, "--arch", "arm64", "--json"))
    function = client("lambda").get_function(FunctionName="hello")["Configuration"]
    assert [used["Arn"] for used in function["Layers"]] == [published]
    assert function["Environment"]["Variables"] == {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/dispatch"}


def test_the_same_layer_is_not_published_again(tmp_path: Path, run: Publish) -> None:
    """A version is only made of what is new."""
    first = arn(run("layer", "dispatch", layer(tmp_path), "--json"))
    again = run("layer", "dispatch", tmp_path / "layer.zip", "--json")
    assert (first, True) == (arn(again), json.loads(again.stdout)["unchanged"])
    make_zip(tmp_path / "layer.zip", {"python/lib.py": "new = 1"})
    assert arn(run("layer", "dispatch", tmp_path / "layer.zip", "--json")).endswith(":2")


def test_the_runtimes_of_a_layer_are_read_off(tmp_path: Path, run: Publish) -> None:
    """A bootstrap makes a layer fit for the OS-only runtime."""
    result = run("layer", "dispatch", layer(tmp_path), "--dry-run", "--json")
    assert json.loads(result.stdout)["calls"][0]["parameters"]["CompatibleRuntimes"] == ["provided.al2023"]


def test_by_way_of_a_bucket(tmp_path: Path, run: Publish, role: str, client: Callable[[str], Any]) -> None:
    """With --bucket the archive is uploaded there, and Lambda is told where."""
    client("s3").create_bucket(Bucket="packages", CreateBucketConfiguration={"LocationConstraint": REGION})
    new = ("function", "hello", app(tmp_path), "--runtime", "python3.13", "--handler", "app.handler", "--role", role)
    arn(run(*new, "--bucket", "packages", "--json"))
    listed = client("s3").list_objects_v2(Bucket="packages")["Contents"]
    assert len(listed) == 1
    sent = client("s3").get_object(Bucket="packages", Key=listed[0]["Key"])["Body"].read()
    assert sent == (tmp_path / "app.zip").read_bytes()
    arn(run("layer", "dispatch", layer(tmp_path), "--bucket", "packages", "--json"))
    assert client("s3").list_objects_v2(Bucket="packages")["KeyCount"] == 2


def test_dry_run_makes_nothing(tmp_path: Path, run: Publish, role: str, client: Callable[[str], Any]) -> None:
    """The calls are shown, none is made."""
    new = ("function", "hello", app(tmp_path), "--runtime", "python3.13", "--handler", "app.handler", "--role", role)
    result = run(*new, "--dry-run", "--json")
    shown = json.loads(result.stdout)
    assert [call["call"] for call in shown["calls"]] == ["lambda.create_function", "lambda.wait function_active_v2"]
    assert client("lambda").list_functions()["Functions"] == []


@pytest.mark.parametrize(("name", "value"), [("AWS_ENDPOINT_URL", "nowhere"), ("AWS_MAX_ATTEMPTS", "many")])
def test_settings_of_aws_that_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """boto3 raises a ValueError for some, which is a sentence here."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv(name, value)
    settings = ("--handler", "app.handler", "--runtime", "python3.13", "--role", "r")
    result = CliRunner().invoke(command, ["function", "hello", str(app(tmp_path)), *settings])
    assert 1 == result.exit_code
    assert "Error: invalid AWS settings: " in result.stderr


@pytest.mark.parametrize(("option", "value"), [("--timeout", "901"), ("--timeout", "0"), ("--memory", "64")])
def test_limits_that_lambda_does_not_have(tmp_path: Path, option: str, value: str) -> None:
    """They are refused before anything is uploaded."""
    settings = ("--handler", "app.handler", "--runtime", "python3.13", "--role", "r", "--dry-run")
    result = CliRunner().invoke(command, ["function", "hello", str(app(tmp_path)), *settings, option, value])
    assert 2 == result.exit_code
    assert f"Invalid value for '{option}': {value} is not in the range" in result.stderr


@pytest.mark.parametrize("missing", ["network", "credentials", "region"])
def test_dry_run_without_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Where AWS cannot be asked what there is, the calls are those for a new function or layer, and a note says why."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    settings = {
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if missing != "region":
        settings["AWS_DEFAULT_REGION"] = REGION
    if missing == "network":
        settings |= {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    new = (
        "function",
        "hello",
        str(app(tmp_path)),
        "--handler",
        "app.handler",
        "--runtime",
        "python3.13",
        "--role",
        "r",
    )
    shown = json.loads(CliRunner().invoke(command, [*new, "--dry-run", "--json"]).stdout)
    assert ["lambda.create_function", "lambda.wait function_active_v2"] == [call["call"] for call in shown["calls"]]
    assert shown["unknown"].startswith("AWS: ")
    result = CliRunner().invoke(command, ["layer", "hello", str(layer(tmp_path)), "--dry-run"])
    assert (0, True) == (result.exit_code, "aws lambda publish-layer-version" in result.stdout)
    assert "note: whether it is there already is not known" in result.stderr
    result = CliRunner().invoke(command, ["function", "hello", str(app(tmp_path)), "--dry-run"])
    assert (0, True) == (result.exit_code, "aws lambda update-function-code" in result.stdout)
    assert 1 == CliRunner().invoke(command, list(new)).exit_code


def test_dry_run_shows_command_lines(tmp_path: Path, run: Publish, role: str) -> None:
    """Each call as the AWS command line has it, ready to be pasted."""
    new = ("function", "hello", app(tmp_path), "--runtime", "python3.13", "--handler", "app.handler", "--role", role)
    lines = [line for line in run(*new, "--env", "A=1 2", "--dry-run").stdout.splitlines() if line.startswith("aws ")]
    expected = [
        "aws", "lambda", "create-function", "--function-name", "hello", "--runtime", "python3.13", "--role", role,
        "--handler", "app.handler", "--environment", '{"Variables": {"A": "1 2"}}',
        "--zip-file", f"fileb://{tmp_path / 'app.zip'}",
    ]  # fmt: skip
    assert shlex.split(lines[0]) == expected
    assert lines[1] == "aws lambda wait function-active-v2 --function-name hello"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            AwsCall("s3", "upload_file", {"Bucket": "b", "Key": "k.zip"}, Path("a b.zip")),
            "aws s3 cp 'a b.zip' s3://b/k.zip",
        ),
        (
            AwsCall("lambda", "update_function_code", {"FunctionName": "f", "S3Bucket": "b", "S3Key": "k"}),
            "aws lambda update-function-code --function-name f --s3-bucket b --s3-key k",
        ),
        (
            AwsCall(
                "lambda", "publish_layer_version", {"LayerName": "l", "CompatibleRuntimes": ["a", "b"]}, Path("l.zip")
            ),
            "aws lambda publish-layer-version --layer-name l --compatible-runtimes a b --zip-file fileb://l.zip",
        ),
        (
            AwsCall("lambda", "publish_layer_version", {"LayerName": "l", "Content": {"S3Bucket": "b", "S3Key": "k"}}),
            """aws lambda publish-layer-version --layer-name l --content '{"S3Bucket": "b", "S3Key": "k"}'""",
        ),
    ],
)
def test_command_lines(call: AwsCall, expected: str) -> None:
    """How parameters become options."""
    assert expected == call.command_line()


def test_what_a_new_function_lacks(tmp_path: Path, run: Publish) -> None:
    """A function that is not there needs more than an archive: the error lists it."""
    result = run("function", "hello", app(tmp_path), "--handler", "app.handler")
    assert result.exit_code == 1
    assert "no function hello yet; a new one needs --runtime, --role" in result.output


def test_what_aws_refuses(tmp_path: Path, run: Publish) -> None:
    """AWS's own words, and no traceback."""
    new = ("function", "hello", app(tmp_path), "--runtime", "python3.13", "--handler", "app.handler")
    result = run(*new, "--role", "arn:aws:iam::123456789012:role/gone")
    assert result.exit_code == 1
    assert "Error: AWS: An error occurred" in result.output


def test_aws_cannot_be_reached(tmp_path: Path, run: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that fails is told as such."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    result = run("layer", "dispatch", layer(tmp_path), "--endpoint-url", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "Could not connect to the endpoint URL" in result.output


def test_what_would_fail_is_not_published(tmp_path: Path, run: Publish, role: str) -> None:
    """The checks run first; --no-check leaves their word aside."""
    new = ("function", "hello", app(tmp_path), "--runtime", "python3.13", "--handler", "app.handlr", "--role", role)
    refused = run(*new)
    assert refused.exit_code == 1
    assert "no 'handlr' in app.py; it has: handler" in refused.output
    assert arn(run(*new, "--no-check", "--json")).endswith(":function:hello")


def test_over_the_limit_of_an_upload(tmp_path: Path, run: Publish, mocker: MockerFixture) -> None:
    """More than Lambda takes at once: the error names the way round."""
    mocker.patch("runtime.package.publish.MAX_ZIPPED", 10)
    result = run("layer", "dispatch", layer(tmp_path))
    assert result.exit_code == 1
    assert "pass --bucket" in result.output
