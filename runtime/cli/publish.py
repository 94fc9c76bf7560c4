"""`dispatch publish`: publishes layers and functions to AWS Lambda."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dispatch.discovery import AUTO, BUILT_IN, built_in
from runtime.cli import options
from runtime.cli.build import EXISTING, reported, show_report
from runtime.cli.options import F
from runtime.local.function import MEMORY_RANGE, TIMEOUT_LIMIT
from runtime.package import aws, publish
from runtime.package.errors import PackageError
from runtime.package.target import MACHINES
from runtime.settings import handler_string

if TYPE_CHECKING:  # it imports libraries of the extra `build`, which --help does without
    from runtime.package.check import CheckReport
    from runtime.package.recognition import Recognised


@click.group("publish")
def command() -> None:
    """Publish layers and functions to AWS Lambda; an archive that is there already is not uploaded again.

    Example: dispatch publish function hello hello.zip --handler hello.py --runtime provided.al2023 --role ARN
    """


def publication_options(function: F) -> F:
    """The options of every publication: AWS's address and credentials, the archive, what to show."""
    for add in (
        click.option("--region", metavar="NAME", help="The region; by default, that of your AWS configuration."),
        click.option("--profile", metavar="NAME", help="A profile of your AWS configuration."),
        click.option("--endpoint-url", "endpoint", metavar="URL", help="An endpoint to use instead of AWS's."),
        click.option("--bucket", metavar="NAME", default="", help="Upload through this bucket, to exceed 50 MB."),
        click.option("--arch", type=click.Choice(list(MACHINES)), help="The processor; by default, the archive's."),
        click.option("--no-check", is_flag=True, help="Publish even if `dispatch build check` finds errors."),
        click.option(
            "--dry-run",
            is_flag=True,
            help="Only show the calls, also as AWS command lines; needs neither network nor credentials.",
        ),
        click.option("--description", metavar="TEXT", default="", help="A description."),
        options.as_json,
    ):
        function = add(function)
    return function


@command.command("layer", epilog="Example: dispatch publish layer dispatch layer.zip --dry-run")
@click.argument("name")
@click.argument("archive", type=EXISTING)
@click.option("--runtime", "runtimes", metavar="NAME", multiple=True, help="A compatible runtime; repeatable.")
@click.option("--license", "license_", metavar="TEXT", default="", help="The licence, such as MIT (SPDX).")
@publication_options
def layer_command(name: str, archive: Path, runtimes: tuple[str, ...], license_: str, **given: Any) -> None:
    """Publish ARCHIVE as a new version of the layer NAME, unless its newest version is the same.

    The contents of ARCHIVE decide its runtimes and its processor, unless you pass them.
    """
    report = checked(archive, given, kind="layer")
    fitting = runtimes or runtimes_of(report, archive)
    wanted = publish.LayerUpload(
        name, archive, fitting, given["arch"] or report.arch, given["description"], license_, given["bucket"]
    )
    plan_and_publish(lambda clients: publish.plan_layer(wanted, clients), partial(publish.new_layer, wanted), given)


@command.command(
    "function",
    epilog="Example: dispatch publish function hello hello.zip --handler hello.py --runtime provided.al2023 "
    "--role arn:aws:iam::123456789012:role/hello",
)
@click.argument("name")
@click.argument("archive", type=EXISTING)
@click.option("--handler", metavar="HANDLER", default="", help="The handler string, of any form and length.")
@click.option("--runtime", metavar="NAME", default="", help="A Lambda runtime, such as python3.13 or provided.al2023.")
@click.option("--role", metavar="ARN", default="", help="The role that the function runs as.")
@click.option("--layer", "layers", metavar="ARN", multiple=True, help="A layer version to use; repeatable.")
@click.option(
    "--timeout", metavar="SECONDS", type=click.IntRange(1, int(TIMEOUT_LIMIT)), help="How long one event may take."
)
@click.option(
    "--memory", metavar="MB", type=click.IntRange(*MEMORY_RANGE), help="How much memory the function may use."
)
@options.env
@publication_options
def function_command(name: str, archive: Path, **given: Any) -> None:
    """Create the function NAME from ARCHIVE, or update it, and wait until it is ready.

    Settings that you do not pass stay as they are; variables are added to those that the function has. A function that
    uses a layer on one of AWS's Python runtimes gets AWS_LAMBDA_EXEC_WRAPPER=/opt/dispatch, unless --env sets it.
    """
    handler = handler_string({**given["env"], "_HANDLER": given["handler"]})
    convention = given["env"].get("HANDLER_CONVENTION", "")
    report = checked(archive, given, kind="function", runtime=given["runtime"], handler=handler, convention=convention)
    written_for = report.written_for
    wanted = publish.FunctionUpload(
        name,
        archive,
        arch=given["arch"] or report.arch,
        handler=given["handler"],
        runtime=given["runtime"],
        role=given["role"],
        layers=given["layers"],
        environment=given["env"],
        convention=written_for.convention if written_for and written_for.handler == handler else "",
        timeout=given["timeout"],
        memory=given["memory"],
        description=given["description"],
        bucket=given["bucket"],
    )
    plan = plan_and_publish(
        lambda clients: publish.plan_function(wanted, clients), partial(publish.new_function, wanted), given
    )
    if not convention and written_for:
        _note_convention(written_for, handler, plan)
    if plan.creates and wanted.runs_dispatch and _accepts_any_event(given["env"], report):
        click.echo(
            f"note: Lambda's Invoke accepts only JSON; send any other event to {name} through a function URL with "
            "HANDLER_HTTP_BODY=1, or have it read the object that an S3 event names",
            err=True,
        )


def _note_convention(written_for: Recognised, handler: str, plan: publish.Plan) -> None:
    """Say which convention was set, or what to set."""
    made = [call.parameters.get("Environment", {}).get("Variables", {}) for call in plan.calls]
    if any(publish.CONVENTION_VARIABLE in variables for variables in made):
        click.echo(f"note: HANDLER_CONVENTION={written_for.convention}, because {written_for.reason}", err=True)
    elif handler != written_for.handler:
        click.echo(f"note: {written_for.advice(handler)}", err=True)


def _accepts_any_event(env: dict[str, str], report: CheckReport) -> bool:
    """Whether a function's events may be anything, as far as it is known without running a plugin."""
    requested = env.get("HANDLER_CONVENTION") or AUTO
    name = report.convention if requested == AUTO else requested
    return name in BUILT_IN and getattr(built_in(name), "accepts_any_event", False)


def checked(archive: Path, given: dict[str, Any], **known: str) -> CheckReport:
    """The report of an archive's checks; an error in it stops the command, unless --no-check is passed."""
    with reported(given["as_json"], "build", "aws"):
        from runtime.package.check import check_archive

        known["arch"] = given["arch"] or ""
        report = check_archive(archive, **{name: value for name, value in known.items() if value})
        if report.passed or given["no_check"]:
            return report
        if not given["as_json"]:
            show_report(report)
        first = next(finding for finding in report.findings if finding.level == "error")
        raise PackageError(f"{archive.name} would fail in Lambda: {first}; --no-check publishes it anyway")


def runtimes_of(report: CheckReport, archive: Path) -> list[str]:
    """The runtimes that a layer is for: AWS's own of its Python, and the OS-only one if it has a bootstrap."""
    from runtime.package.check import has_bootstrap

    managed = [f"python{report.python}"] if report.python else []
    return managed + (["provided.al2023"] if has_bootstrap(archive) else [])


def plan_and_publish(
    plan_for: Callable[[aws.Clients], publish.Plan], new: Callable[[str], publish.Plan], given: dict[str, Any]
) -> publish.Plan:
    """Make a plan, then carry it out, or only show it; return it.

    Args:
        plan_for: makes the plan from the present state of AWS.
        new: makes the plan for something new, from the reason why the state is not known; for a dry run without it.
        given: the command's options.
    """
    as_json = given["as_json"]
    with reported(as_json) as progress:
        clients = aws.clients(given["region"], given["profile"], given["endpoint"], patient=not given["dry_run"])
        try:
            plan = plan_for(clients)
        except publish.AwsError as error:
            if not given["dry_run"]:
                raise
            plan = new(str(error))
        answers = [] if given["dry_run"] else plan.carry_out(clients, progress)
    if given["dry_run"]:
        show_plan(plan, as_json)
    else:
        show_done(plan, answers, as_json)
    return plan


def show_plan(plan: publish.Plan, as_json: bool) -> None:
    """Print the calls of a plan."""
    calls = [
        {"call": f"{call.service}.{call.operation}", "parameters": call.parameters, "command": call.command_line()}
        for call in plan.calls
    ]
    if as_json:
        click.echo(
            json.dumps(
                {"dryRun": True, "unchanged": plan.unchanged or None, "unknown": plan.unknown or None, "calls": calls}
            )
        )
        return
    if plan.unchanged:
        click.echo(f"nothing to do: {plan.unchanged} is up to date")
    if plan.unknown:
        click.echo(
            f"note: whether it is there already is not known, so these are the calls for a new one: {plan.unknown}",
            err=True,
        )
    for call in calls:
        click.echo(f"# {call['call']} {json.dumps(call['parameters'])}")
        click.echo(call["command"])


def show_done(plan: publish.Plan, answers: list[Any], as_json: bool) -> None:
    """Print the ARN of what was published."""
    known = [answer for answer in answers if isinstance(answer, dict)]
    arn = next(
        (answer[key] for answer in known for key in ("LayerVersionArn", "FunctionArn") if key in answer), plan.unchanged
    )
    if as_json:
        made = [f"{call.service}.{call.operation}" for call in plan.calls]
        click.echo(json.dumps({"arn": arn, "unchanged": bool(plan.unchanged), "calls": made}))
    else:
        click.echo(f"{arn}: {'unchanged' if plan.unchanged else 'published'}")
