"""CloudFormation's YAML tags and intrinsic functions, as far as their values are known without an account."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from runtime.local.function import ACCOUNT, FunctionSettingError, default_region


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags: `!Sub x` becomes `{"Fn::Sub": "x"}`."""


def _short_tag(loader: Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise yaml.constructor.ConstructorError(problem=f"!{suffix} cannot be used with a {type(node).__name__}")
    return {name: value}


Loader.add_multi_constructor("!", _short_tag)


def load(path: Path) -> dict[str, Any]:
    """Read a template; JSON is YAML too.

    Raises:
        FunctionSettingError: the file is neither, or not a template.
    """
    try:
        template = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - it is a safe loader
    except (OSError, yaml.YAMLError) as error:
        raise FunctionSettingError(f"{path}: {error}") from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise FunctionSettingError(f"{path} is not a template: it has no Resources")
    return template


class Resolver:
    """Works out values. A value that is not known here becomes its own name, which `unknown` lists."""

    def __init__(self, template: Mapping[str, Any], arns: Mapping[str, str]) -> None:
        self._template = template
        self._arns = arns
        self.unknown: list[str] = []
        parameters = template.get("Parameters") or {}
        self._names: dict[str, Any] = {
            "AWS::Region": default_region(),
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": "local",
            "AWS::StackId": f"arn:aws:cloudformation:{default_region()}:{ACCOUNT}:stack/local/local",
            **{name: item["Default"] for name, item in parameters.items() if "Default" in item},
        }

    def value(self, node: Any) -> Any:
        """Return the value of a node, with everything inside it."""
        if isinstance(node, list):
            return [self.value(item) for item in node]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            key, argument = next(iter(node.items()))
            function = FUNCTIONS.get(key)
            if function is not None:
                return function(self, argument)
            if key.startswith("Fn::") or key == "Condition":
                return self._unknown(key)
        return {key: self.value(item) for key, item in node.items()}

    def ref(self, name: str) -> Any:
        """`!Ref`: a parameter's default, a pseudo parameter, or a resource's name."""
        if name in self._names:
            return self._names[name]
        resource = self._template["Resources"].get(name)
        return self._unknown(name) if resource is None or name not in self._arns else self._arns[name].rsplit(":", 1)[1]

    def get_att(self, argument: Any) -> Any:
        """`!GetAtt`: the ARN of a function, else a name."""
        resource, attribute = argument if isinstance(argument, list) else str(argument).split(".", 1)
        if attribute == "Arn" and resource in self._arns:
            return self._arns[resource]
        return self._unknown(f"{resource}.{attribute}")

    def sub(self, argument: Any) -> str:
        """`!Sub`, with a mapping or without."""
        text, more = (argument[0], self.value(argument[1])) if isinstance(argument, list) else (argument, {})

        def replaced(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in more:
                return str(more[name])
            return str(self.get_att(name) if "." in name else self.ref(name))

        return re.sub(r"\$\{([^}]+)\}", replaced, text)

    def join(self, argument: Any) -> str:
        """`!Join`."""
        separator, items = argument
        return str(separator).join(str(item) for item in self.value(items))

    def select(self, argument: Any) -> Any:
        """`!Select`."""
        index, items = argument
        return self.value(items)[int(index)]

    def split(self, argument: Any) -> list[str]:
        """`!Split`."""
        separator, text = argument
        return str(self.value(text)).split(separator)

    def find_in_map(self, argument: Any) -> Any:
        """`!FindInMap`."""
        name, first, second = (str(self.value(item)) for item in argument[:3])
        try:
            return self.value(self._template["Mappings"][name][first][second])
        except KeyError:
            return self._unknown(f"{name}.{first}.{second}")

    def _unknown(self, name: str) -> str:
        if name not in self.unknown:
            self.unknown.append(name)
        return name


FUNCTIONS: Final[Mapping[str, Callable[[Resolver, Any], Any]]] = {
    "Ref": Resolver.ref,
    "Fn::GetAtt": Resolver.get_att,
    "Fn::Sub": Resolver.sub,
    "Fn::Join": Resolver.join,
    "Fn::Select": Resolver.select,
    "Fn::Split": Resolver.split,
    "Fn::FindInMap": Resolver.find_in_map,
}
