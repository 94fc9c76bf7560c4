"""Functions described by files: dispatch.toml, and SAM or CloudFormation templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.local.config import dispatch_toml, sam_template
from runtime.local.function import AsyncSettings, FunctionConfig, FunctionSettingError, UrlSettings

SAM = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
Mappings:
  Sizes: {dev: {memory: 256}}
Globals:
  Function:
    Timeout: 7
    Runtime: python3.13
    Environment: {Variables: {SHARED: "yes", STAGE: !Ref Stage}}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: hello/
      Handler: app.handler
      MemorySize: !FindInMap [Sizes, !Ref Stage, memory]
      Environment:
        Variables:
          TABLE: !Ref Table
          NAME: !Sub "${AWS::Region}-${Stage}-${!literal}"
          OTHER: !GetAtt Plain.Arn
          JOINED: !Join ["-", [a, !Ref Stage]]
          SECOND: !Select [1, !Split [",", "x,y"]]
      FunctionUrlConfig: {AuthType: NONE, InvokeMode: RESPONSE_STREAM, Cors: {AllowOrigins: ["*"]}}
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        DestinationConfig: {OnFailure: {Type: Lambda, Destination: !GetAtt Plain.Arn}}
  Plain:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: plain-one
      Runtime: provided.al2023
      Code: plain
      Handler: tool.py
      SnapStart: {ApplyOn: PublishedVersions}
  PlainUrl:
    Type: AWS::Lambda::Url
    Properties: {TargetFunctionArn: !Ref Plain, AuthType: NONE}
  Node:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: ., Handler: a.b, Runtime: nodejs22.x}
  Table:
    Type: AWS::DynamoDB::Table
"""


@pytest.fixture
def base(tmp_path: Path) -> FunctionConfig:
    """What the command line says."""
    return FunctionConfig(root=tmp_path, environment={"FROM": "command line"})


def test_a_sam_template_is_read(tmp_path: Path, base: FunctionConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Globals, parameters, intrinsic functions, URLs and retries become settings; the rest is noted."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    (tmp_path / "hello").mkdir()
    (tmp_path / "plain").mkdir()
    path = tmp_path / "template.yaml"
    path.write_text(SAM)

    found = sam_template.read(path, base)
    hello, plain = found.functions

    arn = "arn:aws:lambda:eu-west-1:012345678912:function:plain-one"
    assert ("Hello", "app.handler", tmp_path / "hello", 7, 256, "lambda") == (
        hello.name,
        hello.handler,
        hello.root,
        hello.timeout,
        hello.memory,
        hello.convention,
    )
    expected = {
        "SHARED": "yes",
        "STAGE": "dev",
        "TABLE": "Table",
        "NAME": "eu-west-1-dev-${literal}",
        "OTHER": arn,
        "JOINED": "a-dev",
        "SECOND": "y",
        "FROM": "command line",
    }
    assert expected == hello.environment
    assert UrlSettings(streaming=True, cors={"AllowOrigins": ["*"]}) == hello.url
    assert AsyncSettings(retries=1, on_failure=arn) == hello.asynchronous
    assert ("plain-one", "tool.py", "", "snap-start") == (
        plain.name,
        plain.handler,
        plain.convention,
        plain.initialization,
    )
    assert UrlSettings(streaming=False) == plain.url
    assert ["Node is left out: the runtime nodejs22.x is not served; only python and provided are"] == found.notes[:1]
    assert found.notes[1].endswith(": Table")


def test_a_template_that_is_none(tmp_path: Path, base: FunctionConfig) -> None:
    """A file without Resources, or that is no YAML, is named."""
    path = tmp_path / "template.yaml"
    for text in ("a: 1", "a: [", "- 1"):
        path.write_text(text)
        with pytest.raises(FunctionSettingError, match=r"template\.yaml"):
            sam_template.read(path, base)


def test_every_key_of_a_function(tmp_path: Path, base: FunctionConfig) -> None:
    """Each key is a setting; folders are relative to the file; what is left open is the command line's."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "boot").touch()
    path = tmp_path / "dispatch.toml"
    path.write_text(
        """
        [functions.a]
        handler = "app.handler"
        root = "sub"
        convention = "json"
        environment = { N = 1 }
        timeout = 9
        memory = 512
        concurrency = 3
        bootstrap = "boot"
        initialization = "snap-start"
        description = "what it does"
        url = { streaming = true }
        asynchronous = { retries = 0, maximum_age = 60, on_failure = "failed.jsonl" }
        [functions.b]
        handler = "app.other"
        url = false
        """
    )

    one, two = dispatch_toml.functions(dispatch_toml.read(path), tmp_path, base)

    expected = FunctionConfig(
        name="a",
        handler="app.handler",
        root=tmp_path / "sub",
        convention="json",
        environment={"FROM": "command line", "N": "1"},
        timeout=9,
        memory=512,
        concurrency=3,
        command=(str(tmp_path / "boot"),),
        initialization="snap-start",
        description="what it does",
        url=UrlSettings(streaming=True),
        asynchronous=AsyncSettings(0, 60, "failed.jsonl"),
    )
    assert expected == one
    assert ("b", base.root, None) == (two.name, two.root, two.url)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[functions.a]\nhandle = 'x'",
            r"\[functions.a\]: unknown key 'handle'; did you mean 'handler'\? known keys: handler",
        ),
        ("[functions.a]\ntimeout = 'x'", "timeout: must be a number, not 'x'"),
        ("[functions.a]\nmemory = 1.5", "memory: must be a whole number"),
        ("[functions.a]\nmemory = 1", "128 to 10240"),
        ("[functions.a]\nroot = 'nowhere'", "not a folder: .*nowhere"),
        ("[functions.a]\nurl = { stream = true }", "url: .*stream"),
        ("[functions]\na = 1", "must have a table for each function"),
        ("[functions", "dispatch.toml"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, base: FunctionConfig, text: str, words: Any) -> None:
    """What can't be used is said with its place, and what there is instead."""
    path = tmp_path / "dispatch.toml"
    path.write_text(text)
    with pytest.raises(FunctionSettingError, match=words):
        dispatch_toml.functions(dispatch_toml.read(path), tmp_path, base)
