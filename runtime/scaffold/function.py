"""A new function for a convention: handler, event, test, `dispatch.toml` and a template for AWS SAM."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from dataclasses import dataclass, field
from typing import Final

from dispatch.discovery import BUILT_IN, DISTRIBUTION
from runtime.scaffold.files import TEMPLATES, BadName, fill_in

#: A function's name: what Lambda accepts (AWS documentation, CreateFunction), if it begins with a letter.
_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")

#: The `Handler` of a template for AWS SAM if HANDLER overrides it, because Lambda's setting takes no blanks.
_OVERRIDDEN: Final = "in.HANDLER"

#: A folder of templates for each convention, and two for what they share: `_all`, and `_http` for HTTP events.
_FOLDER: Final = TEMPLATES / "function"
_ABOUT: Final = "about.toml"

#: What a template of AWS SAM has, and how the function is called, if it has a function URL or not.
_SAM_URL: Final = """
      FunctionUrlConfig:
        AuthType: AWS_IAM"""
_SAM_OUTPUTS: Final = """
Outputs:
  Url:
    Value: !GetAtt {resource}Url.FunctionUrl
"""
_BY_URL: Final = """
The output `Url` is the function's address. Callers must sign their requests, as `AWS_IAM` requires.
"""
_BY_NAME: Final = "\nsam remote invoke {resource} --stack-name {stack} --event-file {event}"


@dataclass(frozen=True, slots=True)
class About:
    """What differs from convention to convention, besides the files: a convention's `about.toml`.

    Attributes:
        does: what the function is, in a sentence.
        handler: its handler string.
        expect: what is true of `result`, the answer to the event.
        path: the path of the event's request, if it is an HTTP event.
        requirements: the packages that it needs.
        variables: its variables, besides HANDLER_CONVENTION.
    """

    does: str
    handler: str
    expect: str
    path: str = ""
    requirements: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


def about(convention: str) -> About:
    """What there is to know about the function of a convention."""
    return About(**tomllib.loads((_FOLDER / convention / _ABOUT).read_text(encoding="utf-8")))


def check(name: str, convention: str) -> None:
    """Check the name of a function, and that there is a template for the convention.

    Raises:
        BadName: one of them cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise BadName(
            f"not a name for a function: {name!r}; start with a letter, continue with letters, digits, '-' and '_', "
            "at most 64 characters"
        )
    if convention not in BUILT_IN:
        raise BadName(f"unknown convention: {convention!r}; known: {', '.join(BUILT_IN)}")


def files(name: str, convention: str) -> dict[str, str]:
    """The files of the function `name`, by their paths."""
    known = about(convention)
    values = {**_names(name, convention, known), **_deployment(name, convention, known)}
    found = {
        **fill_in(_FOLDER / "_all", values),
        **(fill_in(_FOLDER / "_http", values) if known.path else {}),
        **fill_in(_FOLDER / convention, values),
    }
    del found[_ABOUT]
    if known.requirements:
        found["function/requirements.txt"] = "".join(f"{line}\n" for line in known.requirements)
    return dict(sorted(found.items()))


def commands(convention: str) -> list[str]:
    """The commands that install what the function needs, run it for its event, and test it."""
    known = about(convention)
    handler = shlex.quote(known.handler)
    needed = ["pip install -r function/requirements.txt"] if known.requirements else []
    run = f"dispatch run {handler} --root function --convention {convention} -f {_event(convention)}"
    return [*needed, run, "pytest"]


def _event(convention: str) -> str:
    """The name of the event's file."""
    return next((file.name for file in (_FOLDER / convention).glob("event.*")), "event.json")


def _names(name: str, convention: str, known: About) -> dict[str, str]:
    """What the templates call the function, its files, and the ways to call it on this machine."""
    event = _event(convention)
    address = f"http://127.0.0.1:9000/lambda-url/{name}"
    if known.path:
        call = f"curl '{address}{known.path}?name=Ada'"
    else:
        call = f"curl --data-binary @{event} {address}/" if known.variables else f"dispatch invoke {name} -f {event}"
    variables = ", ".join(f"{key} = {json.dumps(value)}" for key, value in known.variables.items())
    return {
        "name": name,
        "module": re.sub("[^a-z0-9]+", "_", name.lower()),
        "convention": convention,
        "does": known.does,
        "handler": json.dumps(known.handler),
        "event": event,
        "path": known.path,
        "expect": known.expect,
        "requirements": " -r function/requirements.txt" if known.requirements else "",
        "commands": "\n".join(commands(convention)),
        "call": call,
        "environment": f"environment = {{ {variables} }}\n" if variables else "",
        "dispatch": DISTRIBUTION,
    }


def _deployment(name: str, convention: str, known: About) -> dict[str, str]:
    """What the template for AWS SAM and its description need."""
    resource = "".join(part[:1].upper() + part[1:] for part in re.split("[-_]+", name)) + "Function"
    stack = name.replace("_", "-")
    variables = {"HANDLER_CONVENTION": convention, **known.variables}
    handler = known.handler
    if " " in handler:
        variables["HANDLER"] = handler
        handler = _OVERRIDDEN
    has_url = bool(known.path or known.variables)
    by_name = _BY_NAME.format(resource=resource, stack=stack, event=_event(convention))
    return {
        "resource": resource,
        "stack": stack,
        "sam_handler": json.dumps(handler),
        "sam_variables": "".join(f"\n          {key}: {json.dumps(value)}" for key, value in variables.items()),
        "sam_url": _SAM_URL if has_url else "",
        "sam_outputs": _SAM_OUTPUTS.format(resource=resource) if has_url else "",
        "by_url": _BY_URL if has_url else "",
        "by_name": "" if has_url else by_name,
    }
