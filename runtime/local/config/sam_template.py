"""AWS SAM and CloudFormation templates: the functions and routes that a `template.yaml` describes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from runtime.local.config import api_routes, layers, parameters, rules, template_sources
from runtime.local.config.artifacts import asset, local_path
from runtime.local.config.description import Description
from runtime.local.config.function_resource import read_asynchronous, read_function, read_url
from runtime.local.config.parameters import Unknown
from runtime.local.config.properties import Properties, is_plain, with_globals
from runtime.local.config.resolver import Resolver
from runtime.local.config.template_file import TemplateError, load, section
from runtime.local.config.values import shown
from runtime.local.function import NAME, FunctionConfig, FunctionSettingError, function_arn
from runtime.local.function_name import BadFunctionName, FunctionName

SERVERLESS: Final = "AWS::Serverless::Function"
FUNCTIONS: Final = (SERVERLESS, "AWS::Lambda::Function")
#: Sections that are mappings.
SECTIONS: Final = ("Conditions", "Globals", "Mappings", "Outputs", "Parameters", "Rules")
#: Resources that are templates themselves, with the property that has the template's path.
NESTED: Final = {"AWS::Serverless::Application": "Location", "AWS::CloudFormation::Stack": "TemplateURL"}
#: Resources that are functions with a qualifier.
QUALIFIED: Final = frozenset({"AWS::Lambda::Alias", "AWS::Lambda::Version"})
#: Resources with settings of a function, with the property that names the function.
SETTINGS: Final = {"AWS::Lambda::Url": "TargetFunctionArn", "AWS::Lambda::EventInvokeConfig": "FunctionName"}


def read(path: Path, defaults: FunctionConfig, given: Mapping[str, str] | None = None) -> Description:
    """Read a template.

    Args:
        path: the template's file.
        defaults: the settings that neither a function nor the Globals have.
        given: values of the template's parameters.

    Raises:
        FunctionSettingError: the file is not a template, or a value is not one that a parameter allows.
    """
    try:
        found = Description()
        _Stack(path, given or {}, _Whole(defaults, found)).describe()
    except RecursionError as error:
        raise TemplateError(f"{path} is nested too deeply") from error
    return found


def _load(path: Path) -> dict[str, Any]:
    template = load(path)
    if not isinstance(template.get("Resources"), dict):
        raise TemplateError(f"{path} is not a template: it has no Resources")
    return template


def served(found: Description) -> set[str]:
    """Return the names of the functions that were found."""
    return {function.name for function in found.functions}


@dataclass(frozen=True, slots=True)
class _Whole:
    """What a template has in common with the templates in it."""

    defaults: FunctionConfig
    found: Description


class _Stack:
    """One template, and the templates in it."""

    def __init__(
        self, path: Path, given: Mapping[str, Any], whole: _Whole, outer: _Stack | None = None, prefix: str = ""
    ) -> None:
        """Read a template; `prefix` goes before names that are taken, for one that is inside another."""
        self.paths: list[Path] = [path.resolve(), *(outer.paths if outer else [])]
        self._folder = path.parent
        self._template = template = _load(path)
        self._whole = whole
        self._found = whole.found
        self._outer = outer
        self._prefix = prefix
        self._children: dict[str, _Stack | None] = {}
        for name in SECTIONS:
            if template.get(name) is not None and not isinstance(template[name], dict):
                self._note(f"its {name} is left out: not a mapping: {shown(template[name])}")
        known = section(template, "Parameters")
        if outer is None:
            parameters.check_names(known, given)
        present = {name: value for name, value in given.items() if name in known}
        self._resolver = Resolver(template, path.parent, present)
        for note in parameters.broken_defaults(known, present, self._resolver.parameters):
            self._note(note)
        self._resources = self._existing(section(template, "Resources"))
        self.layers: layers.Layers = layers.Layers(
            self._resolver, self._folder, self._found.files, outer.layers if outer else None
        )
        self.layers.define(self._resources, prefix)
        self._names = {one: self._name(one) for one, item in self._resources.items() if item["Type"] in FUNCTIONS}
        for logical, function in self._names.items():
            self._resolver.define(logical, function, {"Arn": function_arn(function)}.get)
            self._define_alias(logical, function_arn(function))
        template_sources.define(self._resolver, self._resources)
        for logical, item in self._resources.items():
            if item["Type"] in NESTED:
                self._resolver.define(logical, Unknown(logical), partial(self._output_of, logical))
            elif item["Type"] in QUALIFIED:
                self._define_qualified(logical)

    def _define_qualified(self, logical: str) -> None:
        """Let an alias or a version be the function that it is of: every version is the code in the folder."""
        with contextlib.suppress(TemplateError, BadFunctionName):
            properties = self._properties(logical)
            function = FunctionName.parse(properties.text("FunctionName")).name
            self._resolver.define(logical, f"{function_arn(function)}:{properties.text('Name', '1')}")

    def _define_alias(self, logical: str, arn: str) -> None:
        """Define the references that AWS SAM has for `AutoPublishAlias`."""
        with contextlib.suppress(TemplateError):
            alias = self._properties(logical).text("AutoPublishAlias")
            if alias:
                self._resolver.define(f"{logical}.Alias", f"{arn}:{alias}")
                self._resolver.define(f"{logical}.Version", f"{arn}:1")

    def _note(self, text: str) -> None:
        if text not in self._found.notes:
            self._found.notes.append(text)

    def _leave_out(self, name: str, reason: object) -> None:
        self._note(f"{name} is left out: {reason}")

    def _existing(self, resources: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the resources with a type whose condition holds, those of loops among them."""
        found: dict[str, dict[str, Any]] = {}
        for key, item in resources.items():
            try:
                some = self._resolver.expanded({key: item})
            except TemplateError as error:
                self._leave_out(key, error)
                continue
            found |= {name: resource for name, resource in some.items() if self._exists(name, resource)}
        return found

    def _exists(self, name: str, resource: Any) -> bool:
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            self._leave_out(name, "it has no Type")
            return False
        own, condition = resource.get("Properties"), resource.get("Condition")
        if own is not None and not (is_plain(own) or (isinstance(own, dict) and "Fn::Transform" in own)):
            self._leave_out(name, f"its Properties is not a mapping: {shown(own)}")
            return False
        if condition is not None and not isinstance(condition, str):
            self._leave_out(name, f"its Condition is not the name of a condition: {shown(condition)}")
            return False
        try:
            if condition is None or self._resolver.condition(condition):
                return True
        except TemplateError as error:
            self._leave_out(name, error)
            return False
        if resource["Type"] in {*FUNCTIONS, *NESTED}:
            self._leave_out(name, f"its condition {condition} is false")
        return False

    def _properties(self, name: str) -> Properties:
        resource = self._resources[name]
        kind = "Function" if resource["Type"] == SERVERLESS else ""
        return Properties(self._resolver, with_globals(self._template, kind, resource))

    # -- functions

    def _name(self, logical: str) -> str:
        """Return a function's name: its own, else its logical id; with the nested stack's where both are taken."""
        try:
            own = self._properties(logical).text("FunctionName")
        except TemplateError as error:
            own = ""
            self._note(f"{logical} has its logical id as its name: {error}")
        if own and not NAME.fullmatch(own):
            self._note(
                f"{logical} has its logical id as its name: its FunctionName is not 1 to 64 letters, digits, '-' and "
                f"'_': {shown(own)}"
            )
        for name in (own, logical, self._prefix + logical):
            if NAME.fullmatch(name) and name not in self._found.names:
                self._found.names.add(name)
                return name
        return logical

    def describe(self) -> None:
        """Add what the template describes to what was found, and notes about the rest."""
        settings = self._settings()
        for logical, name in self._names.items():
            try:
                function = self._function(logical, name)
                function = replace(function, **settings.get(name, {}))
            except FunctionSettingError as error:
                self._leave_out(logical, error)
            else:
                self._found.functions.append(function)
        for logical, resource in self._resources.items():
            child = self._child(logical) if resource["Type"] in NESTED else None
            if child is not None:
                child.describe()
        self._describe_routes()
        self._describe_sources()
        self._found.files |= self._resolver.files
        self._note_unknown()
        for note in rules.broken(self._template, self._resolver) if not self._outer else ():
            self._note(note)

    def _served(self) -> dict[str, str]:
        """Return the names of the functions that are served, by their logical ids."""
        return {logical: name for logical, name in self._names.items() if name in served(self._found)}

    def _describe_sources(self) -> None:
        sources = template_sources.read(self._resolver, self._template, self._resources, self._served())
        for number, function in enumerate(self._found.functions):
            added = sources.found.get(function.name, ())
            self._found.functions[number] = replace(function, sources=(*function.sources, *added))
        for note in sources.notes:
            self._note(note)

    def _describe_routes(self) -> None:
        routes = api_routes.read(self._resolver, self._template, self._resources, self._served(), self._folder)
        self._found.routes += [replace(route, api=self._prefix + route.api) for route in routes.found]
        self._found.files |= routes.files
        for note in routes.notes:
            self._note(note)

    def _function(self, logical: str, name: str) -> FunctionConfig:
        if name in served(self._found):
            raise TemplateError(f"another function has the name {name}")
        notes: list[str] = []
        properties = self._properties(logical)
        function = read_function(
            name,
            self._resources[logical],
            properties,
            folder=self._folder,
            defaults=self._whole.defaults,
            notes=notes,
            files=self._found.files,
        )
        folders = self.layers.folders(properties.items("Layers"), notes)
        for note in notes:
            self._note(f"{logical}: {note}")
        programs = [layer / "bootstrap" for layer in reversed(folders) if (layer / "bootstrap").is_file()]
        if programs and not function.command and properties.text("Runtime").startswith("provided"):
            function = replace(function, command=(str(programs[0]),))
        return replace(function, layers=folders, logical_id=logical)

    def _settings(self) -> dict[str, dict[str, Any]]:
        """Return the settings that are resources of their own, by the names of their functions."""
        found: dict[str, dict[str, Any]] = {}
        for logical, resource in self._resources.items():
            target = SETTINGS.get(resource["Type"])
            if target is None:
                continue
            try:
                properties = self._properties(logical)
                name = FunctionName.parse(properties.text(target)).name
                url = target == "TargetFunctionArn"
                setting = {"url": read_url(properties)} if url else {"asynchronous": read_asynchronous(properties)}
            except (FunctionSettingError, BadFunctionName) as error:
                self._leave_out(logical, error)
            else:
                found.setdefault(name, {}).update(setting)
        return found

    def _note_unknown(self) -> None:
        open_ones = [name for name in self._resolver.unknown_names if self._resolver.parameters.get(name) == name]
        if not self._outer:
            self._found.missing += open_ones
        if self._resolver.unknown_names:
            self._note(f"not known here, so set to their own names: {', '.join(self._resolver.unknown_names)}")

    # -- nested templates

    def _child(self, logical: str) -> _Stack | None:
        """Return the template of a nested application or stack; None, with a note, if it cannot be read."""
        if logical not in self._children:
            self._children[logical] = None  # for a template that asks for its own outputs
            try:
                self._children[logical] = self._open(logical)
            except FunctionSettingError as error:
                self._leave_out(logical, error)
        return self._children[logical]

    def _open(self, logical: str) -> _Stack:
        resource, properties = self._resources[logical], self._properties(logical)
        name = NESTED[resource["Type"]]
        location = asset(resource, name) or properties.get(name)
        if not isinstance(location, str) or isinstance(location, Unknown):
            raise TemplateError(f"its {name} is not the path of a template on this machine")
        path = local_path(location, self._folder)
        self._found.files.add(path)
        if path in self.paths:
            raise TemplateError(f"{path} contains itself")
        given = properties.inner("Parameters")
        values = {key: given.get(key) for key in given.raw}
        present = {key: value for key, value in values.items() if value is not None and not isinstance(value, dict)}
        return _Stack(path, present, self._whole, self, f"{self._prefix}{logical}-")

    def _output_of(self, logical: str, attribute: str) -> Any:
        prefix, _, name = attribute.partition(".")
        child = self._child(logical) if prefix == "Outputs" and name else None
        return None if child is None else child.output(name)

    def output(self, name: str) -> Any:
        """Return an output's value; None if there is none."""
        outputs = self._resolver.expanded(section(self._template, "Outputs"))
        output = section(outputs, name)
        return self._resolver.value(output["Value"]) if "Value" in output else None
