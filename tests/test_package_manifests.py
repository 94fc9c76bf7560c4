"""The manifests of Kubernetes, Knative and KEDA, the Compose file and the unit of systemd."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path
from runpy import run_path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from runtime.cli.serve import command as serve
from runtime.local.config.dispatch_toml import functions
from runtime.local.environments.process import GRACE
from runtime.local.function import FunctionConfig

DEPLOY = Path(__file__).parents[1] / "examples" / "deploy"
SCRIPTS = Path(sys.executable).parent
SERVICES = ("kubernetes.yaml", "knative.yaml")
SOURCES = ("keda-sqs.yaml", "keda-nats.yaml")
#: What Knative's revisions have besides a pod's fields, as far as it is used here (its API, RevisionSpec).
KNATIVE_SPEC = ("containerConcurrency", "timeoutSeconds")
#: The fields of a ScaledObject (KEDA's documentation, "ScaledObject specification"), and those of the two scalers
#: ("AWS SQS Queue" and "NATS JetStream").
SCALED_OBJECT = {
    "scaleTargetRef", "pollingInterval", "cooldownPeriod", "initialCooldownPeriod", "idleReplicaCount",
    "minReplicaCount", "maxReplicaCount", "fallback", "advanced", "triggers",
}  # fmt: skip
TRIGGERS = {
    "aws-sqs-queue": {
        "queueURL", "queueLength", "activationQueueLength", "awsRegion", "awsEndpoint", "scaleOnInFlight",
        "scaleOnDelayed", "identityOwner",
    },
    "nats-jetstream": {
        "natsServerMonitoringEndpoint", "account", "accountID", "stream", "consumer", "lagThreshold",
        "activationLagThreshold", "useHttps",
    },
}  # fmt: skip


def documents(manifest: str, kind: str = "") -> list[dict[str, Any]]:
    """The documents of a manifest, or those of one kind."""
    found = yaml.safe_load_all((DEPLOY / manifest).read_text())
    return [document for document in found if kind in {"", document["kind"]}]


def pod(manifest: str) -> dict[str, Any]:
    """The pod that a manifest describes."""
    (found,) = [each["spec"]["template"]["spec"] for each in documents(manifest) if "template" in each.get("spec", {})]
    return dict(found)


def container(manifest: str) -> dict[str, Any]:
    """The container of the pod."""
    (found,) = pod(manifest)["containers"]
    return dict(found)


def probes(found: dict[str, Any]) -> dict[str, Any]:
    """The probes of a container."""
    return {name: value for name, value in found.items() if name.endswith("Probe")}


def variables(manifest: str) -> dict[str, str]:
    """The container's environment variables."""
    return {each["name"]: each["value"] for each in container(manifest)["env"]}


def configuration(manifest: str) -> dict[str, Any]:
    """The `dispatch.toml` in a manifest."""
    (found,) = documents(manifest, "ConfigMap")
    return tomllib.loads(found["data"]["dispatch.toml"])


def options(manifest: str) -> dict[str, Any]:
    """The options of `dispatch serve` that a manifest sets, as the command reads them."""
    words: list[str] = [*container(manifest)["command"], *container(manifest)["args"]]
    assert [words.pop(0), words.pop(0)] == ["dispatch", "serve"]
    words[words.index("--config") + 1] = str(DEPLOY / "template.yaml")
    with serve.make_context("serve", words) as ctx:
        return dict(ctx.params)


def valid(text: str, folder: Path) -> tuple[int, str]:
    """The status of kubernetes-validate for a manifest, and what it says."""
    (folder / "manifest.yaml").write_text(text)
    command: list[str | Path] = [SCRIPTS / "kubernetes-validate", "--strict", folder / "manifest.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("manifest", [*SERVICES, *SOURCES])
def test_the_manifests_are_valid(manifest: str, tmp_path: Path) -> None:
    """Every document of Kubernetes' own kinds fits its schema, and so does the pod in one of Knative's."""
    if manifest == "knative.yaml":
        spec = {name: value for name, value in pod(manifest).items() if name not in KNATIVE_SPEC}
        # Knative's own defaults.
        spec["containers"][0].setdefault("name", "user-container")
        for probe in probes(spec["containers"][0]).values():
            probe["httpGet"].setdefault("port", 8080)
        text = yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "hello"}, "spec": spec})
    else:
        text = yaml.safe_dump_all(each for each in documents(manifest) if "keda" not in each["apiVersion"])
    status, said = valid(text, tmp_path)
    assert status == 0, said
    assert valid(text.replace("readinessProbe", "readyProbe"), tmp_path)[0] == 1


@pytest.mark.parametrize("manifest", SOURCES)
def test_the_documents_of_keda(manifest: str) -> None:
    """They have only the fields that KEDA knows, refer to what there is, and count what the function polls."""
    (scaled,), (deployment,) = documents(manifest, "ScaledObject"), documents(manifest, "Deployment")
    assert scaled["apiVersion"] == "keda.sh/v1alpha1"
    assert scaled["spec"].keys() <= SCALED_OBJECT
    assert scaled["spec"]["scaleTargetRef"] == {"name": deployment["metadata"]["name"]}
    (trigger,), ((name, function),) = scaled["spec"]["triggers"], configuration(manifest)["functions"].items()
    assert trigger.keys() <= {"type", "metadata", "authenticationRef"}
    metadata, (source,) = trigger["metadata"], function["sources"]
    assert metadata.keys() <= TRIGGERS[trigger["type"]]
    assert all(isinstance(value, str) for value in metadata.values())
    if "sqs" in source:
        assert (metadata["queueURL"], metadata["awsRegion"]) == (source["sqs"], variables(manifest)["AWS_REGION"])
        (authentication,) = documents(manifest, "TriggerAuthentication")
        assert trigger["authenticationRef"] == {"name": authentication["metadata"]["name"]}
    else:
        assert (metadata["stream"], metadata["consumer"]) == (source["nats"], source.get("durable", name))
    at_once = source["batch"] * function["concurrency"]
    assert at_once == int(metadata.get("queueLength") or metadata["lagThreshold"])


@pytest.mark.parametrize("manifest", SOURCES)
def test_the_sources_in_the_manifests(manifest: str) -> None:
    """The function and its source are read as `dispatch serve` reads them, and the image has the function."""
    pytest.importorskip("runtime.local.config.source_tables")
    settings = configuration(manifest)
    settings["functions"]["orders"]["root"] = str(DEPLOY / "functions")
    function: Any
    (function,) = functions(settings, DEPLOY, FunctionConfig("orders", "orders.handle"))
    assert (DEPLOY / "functions" / "orders.py").exists()
    assert len(function.sources) == 1


@pytest.mark.parametrize("manifest", SERVICES)
def test_a_service_is_as_wide_as_its_threads(manifest: str) -> None:
    """The container gets the handler, and Knative sends it as many requests as it has threads."""
    assert container(manifest)["args"] == ["hello.py"]
    workers = int(variables(manifest)["HANDLER_WORKERS"])
    assert pod(manifest).get("containerConcurrency", workers) == workers


@pytest.mark.parametrize("manifest", [*SERVICES, *SOURCES])
def test_the_times_in_the_manifests_fit(manifest: str) -> None:
    """What is under way has its time to finish in, and all is over before the kill."""
    if manifest in SOURCES:
        (function,) = configuration(manifest)["functions"].values()
        grace = options(manifest)["grace"]
        assert function["timeout"] <= grace
    else:
        grace = int(variables(manifest)["GRACE"])
    stopping = container(manifest).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    # Knative's copies have the time that a request may take.
    patience = pod(manifest).get("terminationGracePeriodSeconds") or pod(manifest)["timeoutSeconds"]
    assert stopping + grace + GRACE < patience


@pytest.mark.parametrize("manifest", [*SERVICES, *SOURCES])
def test_the_probes_ask_what_there_is(manifest: str) -> None:
    """Readiness and liveness are asked of the endpoint that the server has."""
    found = probes(container(manifest))
    assert found.keys() == {"readinessProbe", "livenessProbe"}
    assert {probe["httpGet"]["path"] for probe in found.values()} == {"/health"}


@pytest.mark.parametrize("manifest", SOURCES)
def test_memory_covers_the_environments(manifest: str) -> None:
    """Every environment may use the function's memory; the container's limit holds them all."""
    (function,) = configuration(manifest)["functions"].values()
    assert container(manifest)["resources"]["limits"]["memory"] == "1Gi"
    assert function["concurrency"] * function["memory"] < 1024


def test_the_function_of_the_sources() -> None:
    """One handler takes the events of both, and names what failed."""
    orders = run_path(str(DEPLOY / "functions" / "orders.py"))
    bodies = {"1": '{"id": 1}', "2": "{", "3": "{}"}
    for kind in ("aws:sqs", "nats:jetstream"):
        records = [{"eventSource": kind, "messageId": name, "body": body} for name, body in bodies.items()]
        assert orders["handle"]({"Records": records}, {}) == {
            "batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "3"}]
        }


def test_compose() -> None:
    """The file fits Compose's schema; its functions are read, and their variables name its own services."""
    file = DEPLOY / "compose.yaml"
    check = SCRIPTS / "check-jsonschema"
    if check.exists():
        command: list[str | Path] = [check, "--builtin-schema", "vendor.compose-spec", file]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    content = yaml.safe_load(file.read_text())
    orders = content["services"]["orders"]
    for variable in ("NATS_URL", "AWS_ENDPOINT_URL_SQS"):
        assert urlsplit(orders["environment"][variable]).hostname in content["services"]
    settings = tomllib.loads(content["configs"]["dispatch.toml"]["content"])
    assert [next(iter(each)) for each in settings["functions"]["orders"]["sources"]] == ["nats", "sqs"]
    grace = int(orders["command"][orders["command"].index("--grace") + 1])
    assert settings["functions"]["orders"]["timeout"] <= grace
    for service in (orders, content["services"]["hello"]):
        assert grace + GRACE < int(service["stop_grace_period"].removesuffix("s"))


def test_the_unit_of_systemd(tmp_path: Path) -> None:
    """The unit is valid; SIGTERM goes to the server alone, and the kill comes after its grace period."""
    text = (DEPLOY / "dispatch.service").read_text()
    unit = ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(text)
    service = unit["Service"]
    assert (service["KillMode"], service["KillSignal"]) == ("mixed", "SIGTERM")
    program, command, *words = shlex.split(service["ExecStart"])
    assert command == "serve"
    words[words.index("--config") + 1] = str(DEPLOY / "template.yaml")
    with serve.make_context("serve", words) as ctx:
        assert ctx.params["grace"] + GRACE < int(service["TimeoutStopSec"])
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("the rest needs systemd-analyze, which is not installed")
    for old, new, said in ((program, sys.executable, ""), ("KillMode=mixed", "KillMod=mixed", "Unknown key")):
        text = text.replace(old, new)
        (tmp_path / "dispatch.service").write_text(text)
        done = subprocess.run(
            [analyze, "verify", tmp_path / "dispatch.service"], capture_output=True, text=True, check=False
        )
        mine = [line for line in done.stderr.splitlines() if "dispatch.service" in line]
        assert bool(said) == bool(mine), mine
        assert said in "".join(mine)
