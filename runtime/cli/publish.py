"""`dispatch publish`: puts layers and functions into AWS Lambda."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from runtime.cli import options
from runtime.cli.build import EXISTING, reported, show_report
from runtime.package import aws, publish
from runtime.package import check as checks
from runtime.package.errors import PackageError
from runtime.package.target import MACHINES

F = TypeVar("F", bound=Callable[..., Any])


@click.group("publish")
def command() -> None:
    """Publish layers and functions; an archive that is there already is not sent again.

    Example: dispatch publish function hello hello.zip --handler hello.py --runtime provided.al2023 --role ARN
    """


def connection(function: F) -> F:
    """Where AWS is, and the options that every publication has."""
    for add in (
        click.option("--region", metavar="NAME", help="The region; by default that of AWS's own configuration."),
        click.option("--profile", metavar="NAME", help="The profile of AWS's own configuration."),
        click.option("--endpoint-url", "endpoint", metavar="URL", help="Another endpoint than AWS's."),
        click.option("--bucket", metavar="NAME", default="", help="Go by way of this bucket, for more than 50 MB."),
        click.option("--arch", type=click.Choice(list(MACHINES)), help="The processor; by default what is inside."),
        click.option("--no-check", is_flag=True, help="Publish even what `dispatch build check` says would fail."),
        click.option("--dry-run", is_flag=True, help="Only show the calls and the AWS command lines."),
        click.option("--description", metavar="TEXT", default="", help="What it is."),
        options.as_json,
    ):
        function = add(function)
    return function


@command.command("layer", epilog="Example: dispatch publish layer dispatch layer.zip --dry-run")
@click.argument("name")
@click.argument("archive", type=EXISTING)
@click.option("--runtime", "runtimes", metavar="NAME", multiple=True, help="A runtime it is for; repeatable.")
@click.option("--license", "license_", metavar="TEXT", default="", help="Its licence, as SPDX has it.")
@connection
def layer(name: str, archive: Path, runtimes: tuple[str, ...], license_: str, **given: Any) -> None:
    """Publish ARCHIVE as a new version of the layer NAME, unless its newest version is the same.

    The runtimes and the processor that it is for are taken from what is inside, unless told.
    """
    report = checked(archive, given, kind="layer")
    fitting = runtimes or runtimes_of(report, archive)
    wanted = publish.Layer(
        name, archive, fitting, given["arch"] or report.arch, given["description"], license_, given["bucket"]
    )
    carry_out(lambda clients: publish.plan_layer(wanted, clients), given)


@command.command(
    "function",
    epilog="Example: dispatch publish function hello hello.zip --handler hello.py --runtime provided.al2023 "
    "--role arn:aws:iam::123456789012:role/hello",
)
@click.argument("name")
@click.argument("archive", type=EXISTING)
@click.option("--handler", metavar="HANDLER", default="", help="The handler string; any, of any length.")
@click.option("--runtime", metavar="NAME", default="", help="Lambda's runtime: python3.13, provided.al2023.")
@click.option("--role", metavar="ARN", default="", help="The role that the function runs as.")
@click.option("--layer", "layers", metavar="ARN", multiple=True, help="A layer version it uses; repeatable.")
@click.option("--timeout", metavar="SECONDS", type=int, help="How long one event may take.")
@click.option("--memory", metavar="MB", type=int, help="How much memory the function may use.")
@options.env
@connection
def function(name: str, archive: Path, **given: Any) -> None:
    """Create the function NAME from ARCHIVE, or update it; wait until it is active.

    What is not given stays as it is; variables are added to those that are there. A function on one of AWS's Python
    runtimes that uses a layer gets AWS_LAMBDA_EXEC_WRAPPER=/opt/dispatch, unless --env says otherwise.
    """
    report = checked(archive, given, kind="function", runtime=given["runtime"], handler=given["handler"])
    wanted = publish.Function(
        name,
        archive,
        arch=given["arch"] or report.arch,
        handler=given["handler"],
        runtime=given["runtime"],
        role=given["role"],
        layers=given["layers"],
        environment=given["env"],
        timeout=given["timeout"],
        memory=given["memory"],
        description=given["description"],
        bucket=given["bucket"],
    )
    carry_out(lambda clients: publish.plan_function(wanted, clients), given)


def checked(archive: Path, given: dict[str, Any], **told: str) -> checks.Report:
    """What is in the archive; an error if something in it would fail."""
    with reported(given["as_json"]):
        known = {name: value for name, value in {**told, "arch": given["arch"]}.items() if value}
        report = checks.check(archive, **known)
        if report.passed or given["no_check"]:
            return report
        if not given["as_json"]:
            show_report(report)
        errors = [f"{finding.where}: {finding.message}" for finding in report.findings if finding.level == "error"]
        raise PackageError(f"{archive.name} would fail in Lambda ({errors[0]}); --no-check publishes it anyhow")


def runtimes_of(report: checks.Report, archive: Path) -> list[str]:
    """The runtimes that a layer is for: AWS's own of its Python, and the OS-only one if it has a bootstrap."""
    managed = [f"python{report.python}"] if report.python else []
    return managed + (["provided.al2023"] if checks.has_bootstrap(archive) else [])


def carry_out(plan_for: Callable[[aws.Clients], publish.Plan], given: dict[str, Any]) -> None:
    """Make the plan and follow it, or show it."""
    as_json = given["as_json"]
    with reported(as_json) as progress:
        clients = aws.clients(given["region"], given["profile"], given["endpoint"])
        plan = plan_for(clients)
        answers = [] if given["dry_run"] else publish.carry_out(plan, clients, progress)
    if given["dry_run"]:
        show_plan(plan, as_json)
    else:
        show_done(plan, answers, as_json)


def show_plan(plan: publish.Plan, as_json: bool) -> None:
    """The calls that would be made."""
    calls = [
        {"call": f"{call.service}.{call.operation}", "parameters": call.parameters, "command": call.command_line()}
        for call in plan.calls
    ]
    if as_json:
        click.echo(json.dumps({"dryRun": True, "unchanged": plan.unchanged or None, "calls": calls}))
        return
    if plan.unchanged:
        click.echo(f"nothing to do: {plan.unchanged} is the same")
    for call in calls:
        click.echo(f"# {call['call']} {json.dumps(call['parameters'])}")
        click.echo(call["command"])


def show_done(plan: publish.Plan, answers: list[Any], as_json: bool) -> None:
    """What was made: its ARN."""
    known = [answer for answer in answers if isinstance(answer, dict)]
    arn = next(
        (answer[key] for answer in known for key in ("LayerVersionArn", "FunctionArn") if key in answer), plan.unchanged
    )
    if as_json:
        made = [f"{call.service}.{call.operation}" for call in plan.calls]
        click.echo(json.dumps({"arn": arn, "unchanged": bool(plan.unchanged), "calls": made}))
    else:
        click.echo(f"{arn}: {'unchanged' if plan.unchanged else 'published'}")
