"""No template, whatever is in it, ends in anything but what it describes or one sentence."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.local.config import sam_template
from runtime.local.config.resolver import FUNCTIONS
from runtime.local.config.template_file import load
from runtime.local.function import FunctionConfig, FunctionSettingError

CASES = Path(__file__).parent / "cases" / "templates"
#: A template with everything in it that is read.
WHOLE: dict[str, Any] = {
    "Parameters": {"P": {"Type": "Number", "Default": 1, "AllowedValues": [1]}, "L": {"Type": "CommaDelimitedList"}},
    "Mappings": {"M": {"a": {"b": "c"}}},
    "Conditions": {"C": {"Fn::Equals": [{"Ref": "P"}, 1]}, "D": {"Fn::Not": [{"Condition": "C"}]}},
    "Globals": {
        "Function": {"Timeout": 5, "Environment": {"Variables": {"A": "b"}}, "Layers": []},
        "Api": {"Cors": "'*'"},
        "HttpApi": {"CorsConfiguration": {"AllowOrigins": ["*"]}},
    },
    "Outputs": {"O": {"Value": {"Ref": "Fn"}}},
    "Resources": {
        "Fn": {
            "Type": "AWS::Serverless::Function",
            "Condition": "C",
            "Metadata": {"aws:asset:path": ".", "aws:asset:property": "Code"},
            "Properties": {
                "FunctionName": {"Fn::Sub": ["${A}", {"A": "x"}]},
                "CodeUri": ".",
                "Handler": "app.handler",
                "Runtime": "python3.13",
                "MemorySize": {"Fn::If": ["D", 128, 256]},
                "ReservedConcurrentExecutions": 1,
                "Layers": [{"Ref": "Layer"}],
                "SnapStart": {"ApplyOn": "PublishedVersions"},
                "FunctionUrlConfig": {"AuthType": "NONE", "Cors": {"AllowOrigins": ["*"], "MaxAge": 1}},
                "EventInvokeConfig": {
                    "MaximumRetryAttempts": 1,
                    "DestinationConfig": {"OnFailure": {"Destination": "x"}},
                },
                "Environment": {"Variables": {"V": {"Fn::Join": ["-", [{"Fn::GetAtt": ["Fn", "Arn"]}]]}}},
                "Events": {
                    "E": {
                        "Type": "Api",
                        "Properties": {"Path": "/a/{b+}", "Method": "any", "RestApiId": {"Ref": "Api"}},
                    },
                    "H": {"Type": "HttpApi", "Properties": {"Path": "/c", "Method": "get"}},
                    "S": {"Type": "SQS"},
                },
            },
        },
        "Layer": {
            "Type": "AWS::Serverless::LayerVersion",
            "Metadata": {"BuildMethod": "python3.13"},
            "Properties": {"ContentUri": "."},
        },
        "Api": {
            "Type": "AWS::Serverless::Api",
            "Properties": {
                "StageName": "s",
                "DefinitionBody": {
                    "paths": {"/": {"get": {"x-amazon-apigateway-integration": {"uri": {"Fn::GetAtt": "Fn.Arn"}}}}}
                },
            },
        },
        "Url": {"Type": "AWS::Lambda::Url", "Properties": {"TargetFunctionArn": {"Ref": "Fn"}}},
        "Nested": {
            "Type": "AWS::CloudFormation::Stack",
            "Properties": {"TemplateURL": "template.json", "Parameters": {"P": 1}},
        },
        "Fn::ForEach::Loop": [
            "X",
            [1, 2],
            {"Fn${X}": {"Type": "AWS::Lambda::Function", "Properties": {"Handler": "a.b", "Code": {"ZipFile": ""}}}},
        ],
        "Root": {
            "Type": "AWS::ApiGateway::Resource",
            "Properties": {"ParentId": "root of Api", "PathPart": "x", "RestApiId": {"Ref": "Api"}},
        },
        "Method": {
            "Type": "AWS::ApiGateway::Method",
            "Properties": {
                "ResourceId": {"Ref": "Root"},
                "RestApiId": "Api",
                "HttpMethod": "GET",
                "Integration": {"Uri": {"Fn::GetAtt": ["Fn", "Arn"]}},
            },
        },
        "Route": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {"ApiId": "x", "RouteKey": "GET /v", "Target": {"Fn::Sub": "integrations/${Integration}"}},
        },
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {"IntegrationUri": {"Fn::GetAtt": ["Fn", "Arn"]}},
        },
    },
}
NAMES = [*FUNCTIONS, "Condition", "Fn::ForEach::X", "Fn::Unheard", "Type", "Properties"]
#: Values that have a meaning somewhere, or are of no use anywhere.
TEXTS = ["", "a", "Fn", "Fn.Arn", "${Fn}", "${", "${}", "C", "AWS::NoValue", "AWS::StackId", "..", "/dev/zero", "\0", "\ud800", "x" * 5000, "s3://a/b", "{x+}", "$default", "true"]  # fmt: skip
SCALARS = st.sampled_from([None, True, False, 0, -1, 3, 1.5, float("inf"), float("nan"), 10**300, *TEXTS])
NODES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=2)
        | st.dictionaries(st.sampled_from(TEXTS), inner, max_size=2)
    ),
    max_leaves=6,
)


def paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places in a template, the outermost one left out."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


SEEDS = [WHOLE, WHOLE, WHOLE, *(load(file) for file in sorted(CASES.rglob("*.*")))]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A template of which up to three places have another value, or one that an intrinsic function is around."""
    template = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(list(paths(template))))
        place = template
        for key in parents:
            place = place[key]
        wrap = draw(st.none() | st.sampled_from(NAMES))
        place[last] = draw(NODES) if wrap is None else {wrap: place[last]}
    return template


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the templates."""
    return tmp_path_factory.mktemp("templates")


@settings(
    max_examples=300, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(template=mutated() | NODES)
def test_any_template_is_read_or_refused_in_a_sentence(root: Path, template: Any) -> None:
    """Whatever type is at whatever place."""
    path = root / "template.json"
    path.write_text(json.dumps(template))
    try:
        found = sam_template.read(path, FunctionConfig(root=root))
    except FunctionSettingError as error:
        told = [str(error)]
    else:
        told = found.notes
        assert len(found.functions) == len({one.name for one in found.functions})
    assert not [text for text in told if "\n" in text or "Traceback" in text]


def test_the_whole_template_is_read(root: Path) -> None:
    """What the mutations start from is served as it is."""
    (root / "template.json").write_text(json.dumps(WHOLE))
    found = sam_template.read(root / "template.json", FunctionConfig(root=root))
    assert {"x", "Fn1", "Fn2"} == {one.name for one in found.functions}
    assert {"/a/{b+}", "/c", "/", "/x", "/v"} == {route.path for route in found.routes}
