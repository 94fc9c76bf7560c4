"""The layers of a template's functions, as folders on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from dispatch import shadowing
from runtime.local.config.artifacts import asset, code_folder, new_folder
from runtime.local.config.parameters import Unknown
from runtime.local.config.properties import Properties
from runtime.local.config.resolver import Resolver
from runtime.local.config.template_file import TemplateError, section
from runtime.local.config.values import scalar_text, shown
from runtime.local.function import ACCOUNT, default_region

#: Resources that are layers, with the property that has the content's path.
LAYERS: Final = {"AWS::Serverless::LayerVersion": "ContentUri", "AWS::Lambda::LayerVersion": "Content"}


#: Modules by which a layer with this project's own runtime is known.
OWN: Final = ("dispatch.hookspecs", "runtime.lifecycle")
#: Returns the folder of a layer; raises TemplateError if it is not on this machine.
Content: TypeAlias = Callable[[], Path]


class Layers:
    """The layers that a template has, and those of the templates around it."""

    def __init__(self, resolver: Resolver, folder: Path, files: set[Path], outer: Layers | None = None) -> None:
        self._resolver = resolver
        self._folder = folder
        self._files = files
        self.contents: dict[str, Content] = outer.contents if outer else {}

    def define(self, resources: Mapping[str, Mapping[str, Any]], stack: str) -> None:
        """Add the layers among the resources of a stack, and let the resolver know their ARNs."""
        for name, resource in resources.items():
            if resource["Type"] in LAYERS:
                arn = f"arn:aws:lambda:{default_region()}:{ACCOUNT}:layer:{stack}{name}:1"
                self._resolver.define(name, arn, {"LayerVersionArn": arn, "Arn": arn}.get)
                self.contents[arn] = partial(self._content, resource)

    def folders(self, layers: list[Any], notes: list[str]) -> tuple[Path, ...]:
        """Return the folders of a function's layers; a note says which ones are not on this machine, and why."""
        found = []
        for layer in layers:
            if isinstance(layer, Unknown):
                continue  # reported with the other values that are not known
            content = self.contents.get(layer, _elsewhere) if isinstance(layer, str) else _elsewhere
            name = str(layer).rsplit(":", 2)[-2] if content is not _elsewhere else shown(layer)
            try:
                found.append(content())
            except TemplateError as error:
                notes.append(f"the layer {name} is not mounted: {error}")
        return tuple(found)

    def _content(self, resource: Mapping[str, Any]) -> Path:
        name = LAYERS[resource["Type"]]
        properties = Properties(self._resolver, section(resource, "Properties"))
        content = code_folder(asset(resource, name) or properties.get(name), self._folder, self._files)
        if all(shadowing.offered(str(content / "python"), mark) for mark in OWN):
            raise TemplateError("it has the Dispatch runtime, and the installed one is used")
        built = scalar_text(section(resource, "Metadata").get("BuildMethod")).startswith("python")
        return _as_built(content) if built and not (content / "python").is_dir() else content


def _elsewhere() -> Path:
    raise TemplateError("it is not a layer of this template")


@cache
def _as_built(source: Path) -> Path:
    """Return a folder with the source where `sam build` puts it, without its requirements."""
    folder = new_folder()
    (folder / "python").symlink_to(source)
    return folder
