"""What is read from SAM and CloudFormation templates: values, functions, layers, nested templates, routes."""

from __future__ import annotations

import json
import shutil
import textwrap
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.local.config import sam_template
from runtime.local.config.description import Description
from runtime.local.function import FunctionConfig, FunctionSettingError

CASES = Path(__file__).parent / "cases" / "templates"
Read = Callable[..., Description]

TEMPLATE = """
Parameters:
  Stage: {Type: String, Default: dev}
  Open: {Type: String}
  Names: {Type: CommaDelimitedList, Default: "a, b,c"}
  Zones: {Type: "List<AWS::EC2::AvailabilityZone::Name>", Default: "x,y"}
  Stored: {Type: "AWS::SSM::Parameter::Value<String>", Default: /my/name}
  Count: {Type: Number, Default: 3}
  Nothing: {Type: String, Default: ""}
Mappings:
  Sizes: {dev: {memory: 256, list: [1, 2]}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsDev: !Not [!Condition IsProd]
  Both: !And [!Condition IsDev, !Equals [1, "1"]]
  Either: !Or [!Condition IsProd, !Condition Both]
  Circle: !Not [!Condition Circle]
  Fn::ForEach::Each: [Name, [A, B], {"Is${Name}": !Equals [!Ref Name, A]}]
Resources:
  Table: {Type: AWS::DynamoDB::Table}
  Alias: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref Other, Name: live}}
  Other: {Type: AWS::Serverless::Function, Properties: {Handler: app.handler, Runtime: python3.13, FunctionName: !Sub "${Stage}-other", AutoPublishAlias: live}}
  Fn: {Type: AWS::Serverless::Function, Properties: {Handler: app.handler, Runtime: python3.13, Environment: {Variables: VARIABLES}}}
"""
ARN = "arn:aws:lambda:eu-west-1:012345678912:function:"

#: A variable in the template above, and its value; None if the function has no such variable.
VALUES = {
    "!Ref Stage": "dev",
    "!Ref Open": "Open",
    "!Ref Stored": "/my/name",
    "!Ref Table": "Table",
    "!Ref Other": "dev-other",
    "!Ref Nowhere": "Nowhere",
    "!Ref AWS::Region": "eu-west-1",
    "!Ref AWS::NoValue": None,
    "!If [IsProd, x, !Ref AWS::NoValue]": None,
    "!If [IsProd, !Select [9, []], fine]": "fine",
    "!If [Either, yes-text, no-text]": "yes-text",
    "!If [IsA, one, two]": "one",
    "!If [IsB, one, two]": "two",
    "!GetAtt Other.Arn": f"{ARN}dev-other",
    "{'Fn::GetAtt': [Other, Arn]}": f"{ARN}dev-other",
    "!GetAtt Table.StreamArn": "Table.StreamArn",
    '!Sub "${AWS::Region}-${Stage}-${!Stage}-${Other.Arn}"': f"eu-west-1-dev-${{Stage}}-{ARN}dev-other",
    '!Sub ["${X}/${Stage}", {X: !Ref Count}]': "3/dev",
    '!Sub "${AWS::NoValue}|${Nowhere}"': "|Nowhere",
    "!Sub 5": "5",
    '!Join ["-", [a, !Ref Stage, 1, true, !Ref AWS::NoValue]]': "a-dev-1-true",
    '!Join [",", !Ref Names]': "a,b,c",
    '!Join [",", !Ref Open]': "Open",
    "!Select [1, !Ref Names]": "b",
    '!Select ["1", !Ref Zones]': "y",
    "!Select [2, !GetAtt Table.Things]": "Table.Things",
    '!Select [4, !Split ["-", !GetAtt Table.StreamArn]]': "Table.StreamArn",
    '!Select [1, !Split [",", "x,y"]]': "y",
    "!FindInMap [Sizes, !Ref Stage, memory]": "256",
    "!Select [1, !FindInMap [Sizes, dev, list]]": "2",
    "!FindInMap [Sizes, !Ref Open, memory]": "Sizes.Open.memory",
    "!FindInMap [Sizes, prod, memory, {DefaultValue: 9}]": "9",
    "!ImportValue there": "there",
    '!ImportValue {"Fn::Sub": "${Stage}-x"}': "dev-x",
    "!Base64 text": "dGV4dA==",
    '!Select [0, !GetAZs ""]': "eu-west-1a",
    "!Select [1, !GetAZs us-east-2]": "us-east-2b",
    "!Select [1, !Cidr [10.0.0.0/16, 2, 8]]": "10.0.1.0/24",
    "!Select [1, !Cidr ['2001:db8::/56', 2, 64]]": "2001:db8:0:1::/64",
    "!Length [1, 2, 3]": "3",
    "!Length {Ref: Names}": "3",
    "{'Fn::ToJsonString': {a: [1, true, null, {Ref: Stage}]}}": '{"a":[1,true,null,"dev"]}',
    "{'Fn::Transform': {Name: Macro, Parameters: {}}}": "Fn::Transform 'Macro'",
    "'{{resolve:ssm:/x}}'": "{{resolve:ssm:/x}}",
    "!Ref Alias": f"{ARN}dev-other:live",
    "!Ref Other.Alias": f"{ARN}dev-other:live",
    "!Ref Other.Version": f"{ARN}dev-other:1",
    "!Unheard of": "Fn::Unheard",
    "!Ref Nothing": "",
    "!Equals [a, a]": "true",
    "!Equals [[1], [1]]": "true",
    "!Not [!Condition IsProd]": "true",
    "true": "true",
    "~": "",
    "2024-01-02": "2024-01-02",
}
#: The same for what CloudFormation would refuse: what is said, and the variable is empty.
REFUSED = {
    "!Ref [a]": "Ref: needs a name, not ['a']",
    "!Ref ''": "Ref: needs a name, not ''",
    "!ImportValue ''": "Fn::ImportValue: needs a name, not ''",
    "{'Fn::GetAtt': [~, ~]}": "Fn::GetAtt: needs a name, not '.'",
    "!GetAtt [a]": "Fn::GetAtt: needs a resource and an attribute, like Function.Arn, not ['a']",
    "!GetAtt Table": "Fn::GetAtt: needs a resource and an attribute, like Function.Arn, not ['Table']",
    "!Sub [a]": "Fn::Sub: needs a list of 2, not ['a']",
    "!Sub {a: b}": "Fn::Sub: needs text, not {'a': 'b'}",
    "!Sub [a, b]": "Fn::Sub: the variables must be a mapping, not 'b'",
    "!Join text": "Fn::Join: needs a list of 2, not 'text'",
    '!Join [",", text]': "Fn::Join: needs a list, not 'text'",
    '!Join [",", [[a]]]': "Fn::Join: needs text, not ['a']",
    "!Select [3, [a]]": "Fn::Select: the index 3 is beyond a list of length 1",
    "!Select [-1, [a]]": "Fn::Select: the index must be a whole number from 0, not -1",
    "!Select [x, [a]]": "Fn::Select: the index must be a whole number from 0, not 'x'",
    "!Select [true, [a]]": "Fn::Select: the index must be a whole number from 0, not true",
    "!Select [0, ~]": "Fn::Select: needs a list, not null",
    "!Select ~": "Fn::Select: needs a list of 2, not '~'",
    "!Split ['', a]": "Fn::Split: the delimiter is empty",
    "!Split [a, [b]]": "Fn::Split: needs text, not ['b']",
    "!If [Nope, a, b]": "Fn::If: unknown condition 'Nope'; known conditions: IsProd, IsDev, Both, Either, Circle, IsA, IsB",
    "!If [Circle, a, b]": "Fn::If: Fn::Not: the condition Circle depends on itself",
    "!If [IsProd, a]": "Fn::If: needs a list of 3, not ['IsProd', 'a']",
    "!If [[IsProd], a, b]": "Fn::If: needs a name, not ['IsProd']",
    "!Equals [a]": "Fn::Equals: needs a list of 2, not ['a']",
    "!And text": "Fn::And: needs a list, not 'text'",
    "!Or [maybe]": "Fn::Or: needs a condition, not 'maybe'",
    "!Not []": "Fn::Not: needs a list of 1, not []",
    "!FindInMap [a]": "Fn::FindInMap: needs a list of 3, not ['a']",
    "!FindInMap [Sizes, prod, memory]": "Fn::FindInMap: there is no 'prod' in Sizes; known: ['dev']",
    "!FindInMap [Size, dev, memory]": "Fn::FindInMap: there is no 'Size' among the Mappings; known: ['Sizes']",
    "!FindInMap [Sizes, dev, memry]": "Fn::FindInMap: there is no 'memry' in Sizes.dev; known: ['memory', 'list']",
    "!FindInMap [[], a, b]": "Fn::FindInMap: needs text, not []",
    "!ImportValue [a]": "Fn::ImportValue: needs text, not ['a']",
    "!Base64 [a]": "Fn::Base64: needs text, not ['a']",
    "!GetAZs [a]": "Fn::GetAZs: needs text, not ['a']",
    "!Cidr [x, 1, 8]": "Fn::Cidr: 'x' does not appear to be an IPv4 or IPv6 network",
    "!Cidr [10.0.0.0/24, 300, 1]": "Fn::Cidr: 10.0.0.0/24 has no 300 subnets of 1 bits, or they are more than 256",
    "!Cidr [10.0.0.0/24, -1, 1]": "Fn::Cidr: the count and the bits must be whole numbers, not '-1' and '1'",
    "!Cidr [10.0.0.0/24, 1, 99]": "Fn::Cidr: new prefix must be longer",
    "!Cidr text": "Fn::Cidr: needs a list, not 'text'",
    "!Length text": "Fn::Length: needs a list, not 'text'",
    "{'Fn::Transform': {Name: AWS::Include, Parameters: {Location: nowhere.yaml}}}": "there is no such file",
    "{'Fn::Transform': {Name: AWS::Include, Parameters: {Location: itself.yaml}}}": "itself.yaml includes itself",
    "{'Fn::ForEach::X': [A, [[b]], {c: d}]}": "Fn::ForEach::X needs a list of texts",
    "[a, b]": "is not text: ['a', 'b']",
    "{a: b}": "is not text: {'a': 'b'}",
}


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Reads a template that is written into a folder with a handler."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return 1\n")

    def read_template(template: str | Mapping[str, Any], **given: str) -> Description:
        path = tmp_path / "template.yaml"
        path.write_text(textwrap.dedent(template) if isinstance(template, str) else json.dumps(template))
        return sam_template.read(path, FunctionConfig(root=tmp_path), given)

    return read_template


def function(**properties: Any) -> dict[str, Any]:
    """A resource that can be served."""
    return {
        "Type": "AWS::Serverless::Function",
        "Properties": {"Handler": "app.handler", "Runtime": "python3.13", **properties},
    }


def resources(**found: Any) -> dict[str, Any]:
    """A template with these resources."""
    return {"Resources": found}


# -- the values of intrinsic functions


@pytest.fixture
def values(read: Read, tmp_path: Path) -> Callable[..., tuple[list[str | None], list[str]]]:
    """Works out expressions of YAML as variables V0, V1, …; the variables and the notes."""
    (tmp_path / "itself.yaml").write_text("Fn::Transform: {Name: AWS::Include, Parameters: {Location: itself.yaml}}")

    def work_out(*expressions: str) -> tuple[list[str | None], list[str]]:
        variables = ", ".join(f"V{number}: {expression}" for number, expression in enumerate(expressions))
        found = read(TEMPLATE.replace("VARIABLES", f"{{{variables}}}"))
        [one] = [one for one in found.functions if one.name == "Fn"]
        return [one.environment.get(f"V{number}") for number in range(len(expressions))], found.notes

    return work_out


def test_values_of_intrinsic_functions(values: Callable[..., tuple[list[str | None], list[str]]]) -> None:
    """Each function of CloudFormation, with arguments that it takes."""
    assert VALUES == dict(zip(VALUES, values(*VALUES)[0], strict=True))


def test_arguments_that_cloudformation_refuses(values: Callable[..., tuple[list[str | None], list[str]]]) -> None:
    """What is wrong is said with the variable's name; the variable is empty, and the function is served."""
    found, notes = values(*REFUSED)
    assert [""] * len(REFUSED) == found
    for number, (expression, told) in enumerate(REFUSED.items()):
        mine = [note for note in notes if note.startswith(f"Fn: its V{number}:") or f"its V{number} is" in note]
        assert [note for note in mine if told in note], (expression, mine)


def test_unknown_values_are_named(values: Callable[..., tuple[list[str | None], list[str]]]) -> None:
    """A value that only an account has is its own name, and reported."""
    told = ["not known here, so set to their own names: Table.Arn"]
    assert (["Table.Arn/x"], told) == values('!Sub "${Table.Arn}/x"')


# -- every case that broke once

#: The functions of a case: names, and what is remarkable of each; and a part of each note.
EXPECTED: dict[str, tuple[dict[str, dict[str, Any]], list[str]]] = {
    "booleans": (
        {
            "Fn": {
                "environment": {
                    "T_A": "true",
                    "T_B": "false",
                    "T_C": "true",
                    "T_D": "true",
                    "T_E": "1.1",
                    "T_F": "83",
                    "T_G": "2024-01-02",
                    "T_H": "1000",
                    "T_I": "750",
                    "T_J": "1e3",
                    "T_K": "",
                    "T_L": "x-true",
                    "T_M": "2024-01-02T03:04:05Z",
                }
            }
        },
        [],
    ),
    "cdk-asset": ({"Fn9270CBC0": {"root": "asset.abc"}}, []),
    "codeuri-file": ({"Fn": {"root": "src"}}, []),
    "conditions": ({"Fn": {"timeout": 10, "memory": 256, "environment": {"T_MODE": "development"}}}, []),
    "false-condition": ({"Fn": {}}, ["Unused is left out: its condition Never is false"]),
    "foreach": ({"Fn": {}}, []),
    "function-name": ({"orders-service": {"logical_id": "Fn"}}, []),
    "function-name-sub": ({"orders-dev": {"logical_id": "Fn"}}, []),
    "http-api-event": ({"Fn": {}}, []),
    "local-layer": ({"Fn": {}}, []),
    "nested-application": ({"Fn": {"root": "src"}, "ChildFn": {"root": "child/src"}}, []),
    "null-parameter": ({"Fn": {"root": "."}}, []),
    "parameters-without-value": (
        {"Fn": {"timeout": 3, "environment": {"T_TABLE": "TableName"}}},
        ["not known here, so set to their own names: TableName, TimeoutSeconds"],
    ),
    "reserved-concurrency-0": ({"Fn": {"throttled": True}}, ["every event is refused"]),
    "select-in-policies": ({"Fn": {"environment": {"T_SUFFIX": "1234567db123"}}}, []),
    "select-past-the-end": ({"Fn": {}}, []),
    "tabs-json": ({"Fn": {}}, []),
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The templates of `tests/cases/templates`, with the folders that they name."""
    root = tmp_path_factory.mktemp("cases")
    shutil.copytree(CASES, root, dirs_exist_ok=True)
    for case in EXPECTED:
        for folder in ("src", "asset.abc", "layer/python", "child/src"):
            (root / case / folder).mkdir(parents=True, exist_ok=True)
            (root / case / folder / "app.py").touch()
    return root


def test_all_cases_are_expected() -> None:
    """No case is without its right values."""
    assert EXPECTED.keys() == {folder.name for folder in CASES.iterdir()}


@pytest.mark.parametrize("case", EXPECTED)
def test_cases(cases: Path, case: str) -> None:
    """Each template that others could not serve is read as AWS reads it."""
    functions, notes = EXPECTED[case]
    [path] = [path for path in (cases / case).iterdir() if path.is_file()]
    found = sam_template.read(path, FunctionConfig(root=cases))
    assert functions.keys() == {one.name for one in found.functions}
    for one in found.functions:
        expected = {name: found for name, found in functions[one.name].items() if name != "root"}
        assert expected == {name: getattr(one, name) for name in expected}
        assert one.folder == cases / case / functions[one.name].get("root", one.folder)
    assert len(notes) == len(found.notes), found.notes
    assert all(part in note for part, note in zip(notes, found.notes, strict=True))


# -- parameters


def test_parameters_get_values(read: Read) -> None:
    """A value that is passed replaces the default; lists are split; a missing one is named."""
    template = TEMPLATE.replace(
        "VARIABLES", "{A: !Ref Stage, B: !Select [1, !Ref Names], C: !Ref Stored, D: !If [IsProd, p, d]}"
    )
    found = read(template, Stage="prod", Names="q, r", Stored="kept")
    [one] = [one for one in found.functions if one.name == "Fn"]
    assert {"A": "prod", "B": "r", "C": "kept", "D": "p"} == one.environment
    assert ["Open"] == read(TEMPLATE.replace("VARIABLES", "{A: !Ref Open}")).missing
    assert [] == read(TEMPLATE.replace("VARIABLES", "{A: !Ref Open}"), Open="x").missing


@pytest.mark.parametrize(
    ("parameter", "value", "told"),
    [
        ("{Type: String, AllowedValues: [dev, 1]}", "x", "the parameter P must be one of dev, 1, not 'x'"),
        ('{Type: String, AllowedPattern: "[a-z]+"}', "X", "must match [a-z]+, not 'X'"),
        ('{Type: String, AllowedPattern: "(a+)+$"}', "a" * 60 + "b", "must match (a+)+$, which takes too long"),
        ("{Type: String, MinLength: 2}", "x", "must have a length of at least 2, not 'x'"),
        ('{Type: String, MaxLength: "2"}', "xyz", "must have a length of at most 2, not 'xyz'"),
        ("{Type: Number}", "many", "must be a number, not 'many'"),
        ("{Type: Number, MaxValue: 9}", "10", "must be at most 9, not '10'"),
        ("{Type: List<Number>, MinValue: 2}", "2,1", "must be at least 2, not '2,1'"),
    ],
)
def test_values_that_a_parameter_does_not_allow(read: Read, parameter: str, value: str, told: str) -> None:
    """CloudFormation would refuse them too."""
    with pytest.raises(FunctionSettingError) as refused:
        read(f"Parameters: {{P: {parameter}}}\nResources: {{}}", P=value)
    assert told in str(refused.value)
    by_default = f'{parameter[:-1]}, Default: "{value}"}}'
    [note] = read(f"Parameters: {{P: {by_default}}}\nResources: {{}}").notes
    assert told.partition(", not ")[0] in note
    assert note.endswith(", its default")


def test_a_pattern_of_java_allows_all(read: Read) -> None:
    """Python cannot read some of them."""
    assert [] == read('Parameters: {P: {Type: String, AllowedPattern: "\\\\p{L}+", Default: x}}\nResources: {}').notes


def test_a_parameter_that_there_is_not(read: Read) -> None:
    """The ones that there are are named."""
    with pytest.raises(
        FunctionSettingError, match="unknown parameter 'Stagge'; known parameters: Count, Names, Nothing"
    ):
        read(TEMPLATE.replace("VARIABLES", "{}"), Stagge="x")
    with pytest.raises(FunctionSettingError, match="unknown parameter 'Stage'; the template has none"):
        read(resources(Fn=function()), Stage="x")


def test_rules(read: Read) -> None:
    """A rule that does not hold is reported; one about what is not known here is not."""
    found = read(
        """
        Parameters:
          Stage: {Type: String, Default: test}
          Sizes: {Type: CommaDelimitedList, Default: "a,b"}
          Version: {Type: "AWS::SSM::Parameter::Value<String>", Default: /version}
        Rules:
          Bad:
            Assertions:
              - {Assert: !Contains [[dev, prod], !Ref Stage], AssertDescription: dev or prod}
              - {Assert: !Contains [[test], !Ref Stage], AssertDescription: fine}
          Each: {Assertions: [{Assert: !EachMemberIn [!Ref Sizes, [a]]}, {Assert: !EachMemberEquals [!Ref Sizes, a]}]}
          Other: {RuleCondition: !Equals [!Ref Stage, prod], Assertions: [{Assert: false}]}
          Unknown: {Assertions: [{Assert: !Not [!Contains [["1"], !Ref Version]]}, {Assert: !ValueOf [x, y]}, 5]}
          Wrong: [1]
        Resources:
          Fn: {Type: AWS::Serverless::Function, Properties: {Handler: app.handler, Runtime: python3.13}}
        """
    )
    assert ["Fn"] == [one.name for one in found.functions]
    assert [
        "the rule Bad does not hold: dev or prod",
        "the rule Each does not hold: {'Fn::EachMemberIn': [{'Ref': 'Sizes'}, ['a']]}",
        "the rule Each does not hold: {'Fn::EachMemberEquals': [{'Ref': 'Sizes'}, 'a']}",
    ] == found.notes


# -- functions


def test_globals_are_merged(read: Read) -> None:
    """As AWS SAM does it: mappings key by key, lists one after the other, intrinsic functions as a whole."""
    found = read(
        """
        Conditions: {Never: !Equals [a, b]}
        Globals:
          Function:
            Runtime: python3.13
            Timeout: !If [Never, 60, 10]
            Handler: app.handler
            Environment: {Variables: {A: shared, B: shared}}
        Resources:
          One: {Type: AWS::Serverless::Function, Properties: {Environment: {Variables: {B: own}}}}
          Two: {Type: AWS::Serverless::Function, IgnoreGlobals: [Timeout, Environment]}
          Three: {Type: AWS::Serverless::Function, Properties: {Timeout: !If [Never, 1, 2], Environment: !If [Never, {}, {Variables: {C: only}}]}}
          Plain: {Type: AWS::Lambda::Function, Properties: {Handler: app.handler, Runtime: python3.13}}
        """
    )
    settings = {one.name: (one.timeout, one.environment) for one in found.functions}
    assert {
        "One": (10, {"A": "shared", "B": "own"}),
        "Two": (3, {}),
        "Three": (2, {"C": "only"}),
        "Plain": (3, {}),
    } == settings


def test_functions_of_a_loop(read: Read) -> None:
    """`Fn::ForEach` makes functions, also in a loop of a loop."""
    found = read(
        """
        Resources:
          Fn::ForEach::Stages:
            - Stage
            - [Dev, Prod]
            - Fn::ForEach::Kinds:
                - Kind
                - [a, b.c]
                - "${Stage}&{Kind}":
                    Type: AWS::Serverless::Function
                    Properties: {Handler: "app.${Kind}", Runtime: python3.13, Description: !Ref Stage}
          Fn::ForEach::Broken: [Stage]
          Fn: {Type: AWS::Serverless::Function, Properties: {Handler: app.handler, Runtime: python3.13}}
        """
    )
    names = {one.name: (one.handler, one.description) for one in found.functions}
    assert {"Deva": ("app.a", "Dev"), "Devbc": ("app.b.c", "Dev"), "Proda": ("app.a", "Prod")}.items() <= names.items()
    assert [
        "Fn::ForEach::Broken is left out: Fn::ForEach::Broken needs a list of an identifier, a list and a mapping"
    ] == found.notes


def zipped(path: Path, **files: str) -> None:
    """An archive with these files; a double underscore is a slash."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name.replace("__", "/").replace("_py", ".py"))
            info.external_attr = 0o100755 << 16
            archive.writestr(info, text)


def test_code_in_every_place(read: Read, tmp_path: Path) -> None:
    """A folder, a file, an archive, the template itself; what is elsewhere is named."""
    zipped(tmp_path / "code.zip", app_py="handler = 1", bootstrap="#!/bin/sh")
    (tmp_path / "text.zip").write_text("not an archive")
    (tmp_path / "broken.zip").write_bytes((tmp_path / "code.zip").read_bytes().replace(b"handler = 1", b"handler = 2"))
    found = read(
        resources(
            Folder=function(CodeUri="."),
            File=function(CodeUri="app.py"),
            Archive=function(CodeUri="code.zip"),
            Program=function(CodeUri="code.zip", Runtime="provided.al2023"),
            Inline=function(InlineCode="def handler(e, c): pass", Handler="index.handler"),
            Cfn={
                "Type": "AWS::Lambda::Function",
                "Properties": {"Code": {"ZipFile": "x = 1"}, "Handler": "index.x", "Runtime": "python3.13"},
            },
            Broken=function(CodeUri="broken.zip"),
            Missing=function(CodeUri="nowhere"),
            Text=function(CodeUri="text.zip"),
            Bucket=function(CodeUri="s3://bucket/key"),
            Object=function(CodeUri={"Bucket": "b", "Key": "k"}),
            Image=function(PackageType="Image", ImageUri="x"),
            Long=function(CodeUri="x" * 5000),
            Null=function(CodeUri="a\0b"),
        )
    )
    functions = {one.name: one for one in found.functions}
    assert tmp_path == functions["Folder"].folder == functions["File"].folder
    assert "handler = 1" == (functions["Archive"].folder / "app.py").read_text()
    assert (str(functions["Program"].folder / "bootstrap"),) == functions["Program"].command
    assert "def handler(e, c): pass" == (functions["Inline"].folder / "index.py").read_text()
    assert "x = 1" == (functions["Cfn"].folder / "index.py").read_text()
    assert {tmp_path / "code.zip"} <= found.files
    told = {note.partition(" is left out: ")[0]: note.partition(" is left out: ")[2] for note in found.notes}
    assert {"Broken", "Missing", "Text", "Bucket", "Object", "Image", "Long", "Null"} == told.keys()
    assert f"its code: no such file or folder: {tmp_path / 'nowhere'}" == told["Missing"]
    assert f"its code: not a zip archive: {tmp_path / 'text.zip'}" == told["Text"]
    assert "its code: it is not on this machine: s3://bucket/key" == told["Bucket"]
    assert "cannot be unpacked: Bad CRC-32" in told["Broken"]


def test_names_of_functions(read: Read) -> None:
    """The function's own name if it can be one and is free, else the logical id; that is an alias anyway."""
    found = read(
        resources(
            A=function(FunctionName={"Fn::Sub": "${AWS::StackName}-a"}),
            B=function(FunctionName="local-a"),
            C=function(FunctionName="not a name"),
            D=function(FunctionName={"Fn::Select": [7, []]}),
        )
    )
    assert {"A": "local-a", "B": "B", "C": "C", "D": "D"} == {one.logical_id: one.name for one in found.functions}
    kept = "has its logical id as its name: its FunctionName"
    assert [
        f"C {kept} is not 1 to 64 letters, digits, '-' and '_': 'not a name'",
        f"D {kept}: Fn::Select: the index 7 is beyond a list of length 0",
    ] == found.notes


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"Type": None}, "A is left out: it has no Type"),
        ({"Type": ["x"]}, "A is left out: it has no Type"),
        ({"Condition": ["C"]}, "A is left out: its Condition is not the name of a condition: ['C']"),
        ({"Condition": True}, "A is left out: its Condition is not the name of a condition: true"),
        ({"Properties": [1]}, "A is left out: its Properties is not a mapping: [1]"),
        ({"Properties": {"Ref": "P"}}, "A is left out: its Properties is not a mapping: {'Ref': 'P'}"),
    ],
)
def test_resources_that_cannot_be_used(read: Read, changes: dict[str, Any], told: str) -> None:
    """Nothing is left out in silence: neither a resource nor a section."""
    template = resources(A={**function(), **changes}, B=function())
    found = read({**template, "Globals": ["x"], "Parameters": None})
    assert ["B"] == [one.name for one in found.functions]
    assert {told, "its Globals is left out: not a mapping: ['x']"} == set(found.notes)


def test_settings_in_resources_of_their_own(read: Read) -> None:
    """URLs and retries, as AWS CDK writes them."""
    arn = {"Fn::GetAtt": ["Fn", "Arn"]}
    url = {"TargetFunctionArn": arn, "Cors": {"AllowOrigins": ["*"], "MaxAge": "60", "AllowCredentials": "true"}}
    found = read(
        resources(
            Fn={
                "Type": "AWS::Lambda::Function",
                "Properties": {"Handler": "app.handler", "Runtime": "python3.13", "Code": "."},
            },
            Url={"Type": "AWS::Lambda::Url", "Properties": url},
            Retries={
                "Type": "AWS::Lambda::EventInvokeConfig",
                "Properties": {"FunctionName": {"Ref": "Fn"}, "MaximumRetryAttempts": 0},
            },
            Bad={"Type": "AWS::Lambda::Url", "Properties": {**url, "Cors": {"AllowOrigins": "*"}}},
            Worse={"Type": "AWS::Lambda::Url", "Properties": None},
        )
    )
    [one] = found.functions
    assert one.url is not None
    assert {"AllowOrigins": ["*"], "MaxAge": 60, "AllowCredentials": True} == one.url.cors
    assert 0 == one.asynchronous.retries
    assert "Bad is left out: cors: AllowOrigins must be a list of texts, not '*'" in found.notes


def test_layers(read: Read, tmp_path: Path) -> None:
    """Layers of the template become folders, the rest is named."""
    (tmp_path / "layer" / "python").mkdir(parents=True)
    (tmp_path / "layer" / "bootstrap").touch()
    (tmp_path / "source").mkdir()
    for own in ("dispatch/hookspecs.py", "runtime/lifecycle.py"):
        (tmp_path / "own" / "python" / own).parent.mkdir(parents=True)
        (tmp_path / "own" / "python" / own).touch()
    zipped(tmp_path / "layer.zip", python__shared_py="x = 1")
    layer = {"Type": "AWS::Serverless::LayerVersion"}
    arn = "arn:aws:lambda:us-east-1:1:layer:Elsewhere:1"
    found = read(
        resources(
            Folder={**layer, "Properties": {"ContentUri": "layer"}},
            Archive={**layer, "Properties": {"ContentUri": "layer.zip"}},
            Built={**layer, "Properties": {"ContentUri": "source"}, "Metadata": {"BuildMethod": "python3.13"}},
            Asset={
                "Type": "AWS::Lambda::LayerVersion",
                "Metadata": {"aws:asset:path": "layer", "aws:asset:property": "Content"},
            },
            Gone={**layer, "Properties": {"ContentUri": "gone"}},
            Own={**layer, "Properties": {"ContentUri": "own"}},
            Fn=function(
                Layers=[{"Ref": name} for name in ("Folder", "Archive", "Built", "Asset", "Gone", "Own")] + [arn, 5]
            ),
            Program=function(Runtime="provided.al2023", Layers=[{"Ref": "Folder"}]),
        )
    )
    assert (str(tmp_path / "layer" / "bootstrap"),) == found.functions[1].command
    assert () == found.functions[0].command
    folder, archive, built, asset = found.functions[0].layers
    assert tmp_path / "layer" == folder == asset
    assert "x = 1" == (archive / "python" / "shared.py").read_text()
    assert tmp_path / "source" == (built / "python").resolve()
    assert [
        f"Fn: the layer Gone is not mounted: no such file or folder: {tmp_path / 'gone'}",
        "Fn: the layer Own is not mounted: it has the Dispatch runtime, and the installed one is used",
        f"Fn: the layer {arn!r} is not mounted: it is not a layer of this template",
        "Fn: the layer 5 is not mounted: it is not a layer of this template",
    ] == found.notes


# -- templates in templates


def test_nested_templates(read: Read, tmp_path: Path) -> None:
    """Their functions are served, with parameters, outputs and layers passed in both directions."""
    child = {
        "Parameters": {"Where": {"Type": "String"}, "Layer": {"Type": "String"}, "Kept": {"Default": "own"}},
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Fn", "Arn"]}}},
        **resources(
            Fn=function(
                Environment={"Variables": {"W": {"Ref": "Where"}, "K": {"Ref": "Kept"}}}, Layers=[{"Ref": "Layer"}]
            )
        ),
    }
    (tmp_path / "child").mkdir()
    (tmp_path / "layer").mkdir()
    (tmp_path / "child" / "template.json").write_text(json.dumps(child))
    application = {
        "Type": "AWS::Serverless::Application",
        "Properties": {
            "Location": "child/template.json",
            "Parameters": {"Where": {"Ref": "Fn"}, "Layer": {"Ref": "Lib"}, "Unheard": 1},
        },
    }
    stack = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "https://bucket.s3.amazonaws.com/t"}}
    found = read(
        resources(
            Lib={"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "layer"}},
            Child=application,
            Itself={"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "template.yaml"}},
            Far=stack,
            Asset={**stack, "Metadata": {"aws:asset:path": "child/template.json", "aws:asset:property": "TemplateURL"}},
            Shop={
                "Type": "AWS::Serverless::Application",
                "Properties": {"Location": {"ApplicationId": "x", "SemanticVersion": "1"}},
            },
            Gone={"Type": "AWS::Serverless::Application", "Properties": {"Location": "gone.yaml"}},
            Fn=function(
                Environment={
                    "Variables": {
                        "CHILD": {"Fn::GetAtt": ["Child", "Outputs.Arn"]},
                        "NONE": {"Fn::GetAtt": ["Child", "Outputs.No"]},
                    }
                }
            ),
        )
    )
    functions = {one.name: one for one in found.functions}
    assert {"Fn", "Child-Fn", "Asset-Fn"} == functions.keys()
    assert {"W": "Fn", "K": "own"} == functions["Child-Fn"].environment
    assert (tmp_path / "layer",) == functions["Child-Fn"].layers
    assert {"CHILD": functions["Child-Fn"].arn, "NONE": "Child.Outputs.No"} == functions["Fn"].environment
    assert {tmp_path / "child" / "template.json"} <= found.files
    told = " ".join(found.notes)
    assert f"Itself is left out: {tmp_path / 'template.yaml'} contains itself" in told
    assert "Far is left out: it is not on this machine: https://bucket.s3.amazonaws.com/t" in told
    assert "Shop is left out: its Location is not the path of a template on this machine" in told
    assert "Gone is left out: no such file or folder" in told


def test_a_file_that_is_included(read: Read, tmp_path: Path) -> None:
    """`AWS::Include` of a local file, alone and beside other keys."""
    (tmp_path / "more.yaml").write_text("A: !Sub '${AWS::Region}'\nB: 2")
    include = {"Name": "AWS::Include", "Parameters": {"Location": "more.yaml"}}
    found = read(
        resources(
            Fn=function(Environment={"Variables": {"Fn::Transform": include}}),
            Two=function(Environment={"Variables": {"C": 1, "Fn::Transform": include}}),
        )
    )
    assert [{"A": "eu-west-1", "B": "2"}, {"C": "1", "A": "eu-west-1", "B": "2"}] == [
        one.environment for one in found.functions
    ]
    assert {tmp_path / "more.yaml"} == found.files


# -- files that are hardly templates


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "line 1, column 5: "),
        ("- 1", "is not a template: it is not a mapping"),
        ("", "is not a template: it is not a mapping"),
        ("Resources: 5", "is not a template: it has no Resources"),
        ('{"Resources": {\t"a" }}', "not JSON: "),
        ("Resources: &a {b: *a}", "has an alias that contains itself"),
        ("- " * 2000, "is nested too deeply"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "\n".join(
                f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]" for a, b in zip("abcdef", "bcdefg", strict=True)
            ),
            "more than 200000 values",
        ),
        ("a: 0x" + "f" * 2000, "a number of more than a thousand digits"),
        ("a: !!bool x", "does not fit its tag"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("? [a]\n: b", "found unhashable key"),
        ("a: 1\n---\nb: 1", "expected a single document"),
        ("a: \0", "unacceptable character"),
    ],
)
def test_files_that_are_not_templates(read: Read, text: str, told: str) -> None:
    """One line says what is wrong, and where."""
    with pytest.raises(FunctionSettingError) as refused:
        read(text)
    assert "template.yaml" in str(refused.value)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_other_encodings(tmp_path: Path) -> None:
    """A byte order mark, and UTF-16 as PowerShell writes it."""
    text = yaml.safe_dump(resources(Fn=function(Description="\u00fc")))
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "template.yaml").write_text(text, encoding=encoding)
        [one] = sam_template.read(tmp_path / "template.yaml", FunctionConfig(root=tmp_path)).functions
        assert "\u00fc" == one.description


# -- routes


def routes(found: Description) -> set[tuple[str, str, str, str, str, str]]:
    """The routes, each as the API, stage, payload format, method, path and function."""
    return {(one.api, one.stage, one.payload, one.method, one.path, one.function) for one in found.routes}


def test_routes_of_events(read: Read) -> None:
    """APIs that are there without being written, those that are, their stages and their cross-origin rules."""
    found = read(
        """
        Conditions: {Never: !Equals [a, b]}
        Globals:
          Api: {Cors: "'*'"}
          HttpApi: {CorsConfiguration: true}
          Function: {Runtime: python3.13, Handler: app.handler}
        Resources:
          Rest: {Type: AWS::Serverless::Api, Properties: {StageName: !Sub "v${AWS::AccountId}", Cors: {AllowOrigin: "'http://a'", AllowMethods: "'GET,PUT'", MaxAge: "'9'"}}}
          Http: {Type: AWS::Serverless::HttpApi, Properties: {CorsConfiguration: {AllowOrigins: ["http://b"], AllowCredentials: true}}}
          Fn:
            Type: AWS::Serverless::Function
            Properties:
              Events:
                A: {Type: Api, Properties: {Path: /a, Method: any, Auth: {Authorizer: X}}}
                B: {Type: Api, Properties: {Path: "/b/{proxy+}", Method: post, RestApiId: !Ref Rest}}
                C: {Type: HttpApi}
                D: {Type: HttpApi, Properties: {Path: /d, Method: "*", ApiId: !Ref Http, PayloadFormatVersion: "1.0"}}
                E: {Type: Api, Properties: {Path: e, Method: get}}
                F: {Type: Api, Properties: {Path: /f}}
                G: {Type: Kinesis, Properties: {Stream: s}}
                H: 5
                I: {Type: HttpApi, Properties: {Path: [/i], Method: get}}
                J: !If [Never, {Type: Api}, !Ref AWS::NoValue]
                K: !If [Never, {Type: S3}, {Type: HttpApi, Properties: {Path: /k, Method: get, ApiId: !Ref Http}}]
          Conditional: {Type: AWS::Serverless::Function, Properties: {Events: !If [Never, {A: {Type: S3}}, {}]}}
        """
    )
    assert {
        ("ServerlessRestApi", "Prod", "1.0", "ANY", "/a", "Fn"),
        ("Rest", "v012345678912", "1.0", "POST", "/b/{proxy+}", "Fn"),
        ("ServerlessHttpApi", "$default", "2.0", "ANY", "$default", "Fn"),
        ("Http", "$default", "1.0", "ANY", "/d", "Fn"),
        ("Http", "$default", "2.0", "GET", "/k", "Fn"),
    } == routes(found)
    assert {
        "ServerlessRestApi": {"AllowOrigins": ["*"]},
        "Rest": {"AllowOrigins": ["http://a"], "AllowMethods": ["GET", "PUT"], "MaxAge": 9},
        "ServerlessHttpApi": {"AllowOrigins": ["*"]},
        "Http": {"AllowOrigins": ["http://b"], "AllowCredentials": True},
    } == {one.api: one.cors for one in found.routes}
    assert {
        "Fn.E is left out: its Path must begin with '/', not be 'e'",
        "Fn.F is left out: its Method must be one of ANY, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, not ''",
        "Fn.I is left out: its Path is not text: ['/i']",
        "Fn.H is left out: its H is not a mapping: 5",
        "authorizers are not called here, so anyone may call ServerlessRestApi",
        "events that are not delivered here: Fn.G (Kinesis)",
    } == set(found.notes)


def test_routes_of_openapi(read: Read, tmp_path: Path) -> None:
    """A definition in the template, in a file that it includes, and in a file of its own."""
    uri = {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Fn.Arn}/invocations"}
    lead = {"x-amazon-apigateway-integration": {"uri": uri, "payloadFormatVersion": "2.0"}}
    body = {
        "openapi": "3.0.1",
        "paths": {"/a": {"get": lead}, "/b": {"x-amazon-apigateway-any-method": lead, "put": {}}},
    }
    (tmp_path / "api.json").write_text(json.dumps({"paths": {"/c": {"get": lead}}}))
    include = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "api.json"}}}
    found = read(
        resources(
            Fn=function(),
            Http={"Type": "AWS::Serverless::HttpApi", "Properties": {"DefinitionBody": body}},
            Included={"Type": "AWS::Serverless::Api", "Properties": {"StageName": "x", "DefinitionBody": include}},
            File={"Type": "AWS::Serverless::HttpApi", "Properties": {"DefinitionUri": "api.json"}},
            Gone={"Type": "AWS::Serverless::HttpApi", "Properties": {"DefinitionUri": "gone.json"}},
            Cfn={"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": body}},
        )
    )
    assert {
        ("Http", "$default", "2.0", "GET", "/a", "Fn"),
        ("Http", "$default", "2.0", "ANY", "/b", "Fn"),
        ("Included", "x", "1.0", "GET", "/c", "Fn"),
        ("Cfn", "Prod", "1.0", "GET", "/a", "Fn"),
        ("Cfn", "Prod", "1.0", "ANY", "/b", "Fn"),
        ("File", "$default", "2.0", "GET", "/c", "Fn"),
    } == routes(found)
    assert {tmp_path / "api.json"} == found.files
    assert [note for note in found.notes if "the definition of Gone is left out: no such file" in note]


def test_routes_of_the_resources_of_api_gateway(read: Read) -> None:
    """As AWS CDK writes them for `LambdaRestApi` and for `HttpApi` with `HttpLambdaIntegration`."""
    arn = {"Fn::GetAtt": ["Fn", "Arn"]}
    uri = {
        "Fn::Join": [
            "",
            [
                "arn:",
                {"Ref": "AWS::Partition"},
                ":apigateway:",
                {"Ref": "AWS::Region"},
                ":lambda:path/2015-03-31/functions/",
                arn,
                "/invocations",
            ],
        ]
    }
    lead = {"IntegrationHttpMethod": "POST", "Type": "AWS_PROXY", "Uri": uri}
    rest = {"RestApiId": {"Ref": "Api"}}
    root = {"Fn::GetAtt": ["Api", "RootResourceId"]}
    http = {"ApiId": {"Ref": "Http"}}
    found = read(
        resources(
            Fn=function(),
            Api={"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "Api"}},
            Stage={
                "Type": "AWS::ApiGateway::Stage",
                "Properties": {**rest, "StageName": "live", "DeploymentId": {"Ref": "D"}},
            },
            Users={"Type": "AWS::ApiGateway::Resource", "Properties": {**rest, "ParentId": root, "PathPart": "users"}},
            User={
                "Type": "AWS::ApiGateway::Resource",
                "Properties": {**rest, "ParentId": {"Ref": "Users"}, "PathPart": "{id}"},
            },
            Get={
                "Type": "AWS::ApiGateway::Method",
                "Properties": {**rest, "ResourceId": {"Ref": "User"}, "HttpMethod": "GET", "Integration": lead},
            },
            Any={
                "Type": "AWS::ApiGateway::Method",
                "Properties": {**rest, "ResourceId": root, "HttpMethod": "ANY", "Integration": lead},
            },
            Mock={
                "Type": "AWS::ApiGateway::Method",
                "Properties": {**rest, "ResourceId": root, "HttpMethod": "OPTIONS", "Integration": {"Type": "MOCK"}},
            },
            Lost={
                "Type": "AWS::ApiGateway::Method",
                "Properties": {**rest, "ResourceId": "nowhere", "HttpMethod": "GET", "Integration": lead},
            },
            Http={"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "Http", "ProtocolType": "HTTP"}},
            Lead={
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {
                    **http,
                    "IntegrationType": "AWS_PROXY",
                    "IntegrationUri": arn,
                    "PayloadFormatVersion": "2.0",
                },
            },
            Route={
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {
                    **http,
                    "RouteKey": "GET /v",
                    "Target": {"Fn::Join": ["", ["integrations/", {"Ref": "Lead"}]]},
                },
            },
            Default={
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {
                    **http,
                    "RouteKey": "$default",
                    "Target": {"Fn::Join": ["", ["integrations/", {"Ref": "Lead"}]]},
                },
            },
            Connect={
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {
                    **http,
                    "RouteKey": "$connect",
                    "Target": {"Fn::Join": ["", ["integrations/", {"Ref": "Lead"}]]},
                },
            },
        )
    )
    assert {
        ("Api", "live", "1.0", "GET", "/users/{id}", "Fn"),
        ("Api", "live", "1.0", "ANY", "/", "Fn"),
        ("Http", "$default", "2.0", "GET", "/v", "Fn"),
        ("Http", "$default", "2.0", "ANY", "$default", "Fn"),
    } == routes(found)
    assert {
        "Lost is left out: the resource nowhere has no path",
        "Http is left out: its Path must begin with '/', not be '$connect'",
    } == set(found.notes)
