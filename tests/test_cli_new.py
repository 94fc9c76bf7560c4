"""`dispatch new`: what it writes works at once, by the judgement of the tools that its users have."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from dispatch import __version__
from dispatch.discovery import BUILT_IN
from runtime.cli.group import command
from runtime.local.config import dispatch_toml, sam_template
from runtime.local.function import FunctionConfig
from runtime.package import own_runtime
from runtime.scaffold import function
from runtime.scaffold.files import TEMPLATES

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sys.executable).parent
PLUGIN = "acme-toml"

#: The modules of the packages that functions of some conventions require.
MODULES = {
    "azure-functions": "azure.functions",
    "bedrock-agentcore": "bedrock_agentcore",
    "cloudevents": "cloudevents",
    "fdk": "fdk",
    "functions-framework": "functions_framework",
    "nuclio-sdk": "nuclio_sdk",
}


def new(folder: Path, *arguments: str) -> Result:
    """Call the command in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return CliRunner().invoke(command, ["new", *arguments])


def done(words: Sequence[str | Path], folder: Path, *, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment to its end; `path` is put on Python's own."""
    known = {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
    env = {**os.environ, **known, **({"PYTHONPATH": str(path)} if path else {})}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)


def tool(name: str) -> Path:
    """A program of this environment, which the extra `lint` or `peers` brings."""
    if not (SCRIPTS / name).is_file():
        pytest.skip(f"{name} is not installed")
    return SCRIPTS / name


def present(requirement: str) -> bool:
    """Whether a package that a function requires is installed."""
    module = MODULES[requirement]
    return find_spec(module.partition(".")[0]) is not None and find_spec(module) is not None


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plugin, and a function of each convention."""
    folder = tmp_path_factory.mktemp("new")
    results = [new(folder, "plugin", PLUGIN)]
    results += [new(folder, "function", f"try-{name}", "--convention", name) for name in BUILT_IN]
    assert [0] * len(results) == [result.exit_code for result in results]
    return folder


def test_each_convention_has_a_template() -> None:
    """There is a function for every built-in convention, and for nothing else."""
    folders = {folder.name for folder in (TEMPLATES / "function").iterdir()}
    assert BUILT_IN.keys() == {name for name in folders if not name.startswith("_")}


def test_functions_pass_their_tests(created: Path) -> None:
    """The test of every function passes; some of them also through the runtime and the local platform."""
    missing = {
        name: requirement
        for name in BUILT_IN
        for requirement in function.about(name).requirements
        if not present(requirement)
    }
    folders = [f"try-{name}" for name in BUILT_IN if name not in missing]
    chosen = ["-k", "in-process or try-json or try-asgi or try-coprocess"]
    ran = done([SCRIPTS / "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", *chosen, *folders], created)

    assert (f"{len(folders) + 3} passed", 0) == (" ".join(re.findall(r"\d+ passed", ran.stdout)), ran.returncode), (
        ran.stdout
    )
    if missing:
        pytest.skip(f"all but these passed, whose packages are not installed: {missing}")


@pytest.mark.parametrize("convention", BUILT_IN)
def test_settings_of_functions(created: Path, convention: str) -> None:
    """The local platform reads both files, and finds the same function in them."""
    folder = created / f"try-{convention}"
    defaults = FunctionConfig(root=folder)
    [local] = dispatch_toml.functions(dispatch_toml.read(folder / "dispatch.toml"), folder, defaults)
    template = sam_template.read(folder / "template.yaml", defaults)
    [deployed] = template.functions
    variables = dict(deployed.environment)

    [note] = template.notes
    assert note.endswith(f"the layer RuntimeLayer is not mounted: no such file or folder: {folder / 'layer.zip'}")
    assert (f"try-{convention}", convention) == (local.name, local.convention)
    assert convention == variables.pop("HANDLER_CONVENTION")
    assert local.handler == variables.pop("HANDLER", deployed.handler)
    assert (local.environment, local.folder) == (variables, deployed.folder)
    assert not re.search(r"\s", deployed.handler)


def test_templates_of_aws(created: Path) -> None:
    """cfn-lint has nothing to say about the templates for AWS SAM; one of each kind, since it takes its time."""
    kinds = [created / f"try-{name}" / "template.yaml" for name in ("json", "expression", "azure")]
    ran = done([tool("cfn-lint"), "--format", "parseable", *kinds], created)
    assert (0, "") == (ran.returncode, ran.stdout)


def test_style(created: Path) -> None:
    """All code is as ruff would have it if it were not configured."""
    ruff: list[str | Path] = [tool("ruff"), "--isolated"]
    assert (0, "") == ((ran := done([*ruff, "check", "--quiet", "."], created)).returncode, ran.stdout)
    assert (0, "") == ((ran := done([*ruff, "format", "--diff", "--quiet", "."], created)).returncode, ran.stdout)


def test_types_of_the_plugin(created: Path) -> None:
    """mypy, strict as the plugin configures it, has nothing to say."""
    ran = done([tool("mypy")], created / PLUGIN)
    assert "Success: no issues found in 2 source files\n" == ran.stdout
    assert tomllib.loads((created / PLUGIN / "pyproject.toml").read_text())["tool"]["mypy"]["strict"]


def test_workflow_of_the_plugin(created: Path) -> None:
    """The workflow is valid, and uses the actions of this project's own workflows."""
    workflow = created / PLUGIN / ".github/workflows/checks.yml"
    uses = re.compile(r"uses: (\S+@[0-9a-f]{40} # v\S+)")
    own = {line for file in ROOT.glob(".github/workflows/*.yml") for line in uses.findall(file.read_text())}

    assert workflow.read_text().count("uses: ") == len(uses.findall(workflow.read_text()))
    assert set() == set(uses.findall(workflow.read_text())) - own
    assert {"test", "build", "publish"} == yaml.safe_load(workflow.read_text())["jobs"].keys()
    check: list[str | Path] = [tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", workflow]
    assert 0 == done(check, created).returncode


def test_plugin_is_built_and_installed(created: Path, tmp_path: Path) -> None:
    """The distribution is built, installed and found; its tests pass, and its README is right."""
    pytest.importorskip("hatchling")
    folder = shutil.copytree(created / PLUGIN, tmp_path / PLUGIN)
    built = done([sys.executable, "-m", "hatchling", "build", "-d", tmp_path / "dist"], folder)
    assert 0 == built.returncode, built.stderr
    assert ["acme_toml-0.1.0-py3-none-any.whl", "acme_toml-0.1.0.tar.gz"] == sorted(os.listdir(tmp_path / "dist"))
    [wheel] = tmp_path.glob("dist/*.whl")
    site = tmp_path / "site"
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        site,
        wheel,
    ]
    assert 0 == done(pip, tmp_path).returncode

    listed = json.loads(done(["dispatch", "plugins", "--json"], tmp_path, path=site).stdout)
    [row] = [row for row in listed if row["distribution"] == PLUGIN]
    assert ("0.1.0", ["toml"], "ok") == (row["version"], row["conventions"], row["state"])
    (folder / "acme_toml.py").unlink()  # the installed one is tested
    ran = done(["pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"], folder, path=site)
    assert "4 passed" in ran.stdout, ran.stdout
    for shell, shown in console(folder):
        assert (shell, shown) == (shell, done(["sh", "-c", shell], folder, path=site).stdout)


def console(folder: Path) -> list[tuple[str, str]]:
    """The commands of a README with their output; its `app.py` is written beside it."""
    blocks = dict(
        re.findall(r"^```(python|console)\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    )
    (folder / "app.py").write_text(blocks["python"])
    return re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", blocks["console"], re.MULTILINE)


def test_function_is_built(created: Path, tmp_path: Path) -> None:
    """The folder becomes an archive in which only the layer's bootstrap is missing, with the handler that the template names."""
    for convention, handler in (("process", "upper.sh"), ("vercel", "api/index.handler")):
        file = str(tmp_path / f"{convention}.zip")
        source = str(created / f"try-{convention}" / "function")
        build = ["build", "function", source, "-o", file, "--python", "3.13", "--arch", "arm64"]
        assert 0 == CliRunner().invoke(command, build).exit_code
        check = ["build", "check", file, "--handler", handler, "--convention", convention, "--json"]
        checked = CliRunner().invoke(command, [*check, "--runtime", "provided.al2023"])
        assert (0, ["bootstrap"]) == (
            checked.exit_code,
            [one["check"] for one in json.loads(checked.stdout)["findings"]],
        )


def test_templates_are_in_no_archive(tmp_path: Path) -> None:
    """The runtime that goes into archives has nothing of what only the command uses."""
    own_runtime.copy(tmp_path)
    assert (tmp_path / "runtime" / "settings.py").is_file()
    assert not (tmp_path / "runtime" / "scaffold").exists()


def test_what_is_printed(tmp_path: Path) -> None:
    """The command lists the files and the next commands, which work; --json has the same."""
    printed = new(tmp_path, "function", "orders").stdout
    answer = json.loads(new(tmp_path, "function", "more", "--json").stdout)
    files = [
        ".gitignore", "README.md", "dispatch.toml", "event.json", "function/app.py", "template.yaml",
        "tests/test_orders.py",
    ]  # fmt: skip
    commands = ["cd orders", "dispatch run app.handler --root function --convention json -f event.json", "pytest"]

    assert ["Created orders:", *(f"  {file}" for file in files), "Next:", *(f"  {line}" for line in commands)] == (
        printed.splitlines()
    )
    assert sorted(files) == sorted(
        str(file.relative_to(tmp_path / "orders")) for file in tmp_path.glob("orders/**/*") if file.is_file()
    )
    assert [str(tmp_path / "more"), [line.replace("orders", "more") for line in files], "cd more"] == [
        answer["folder"], answer["files"], answer["next"][0],
    ]  # fmt: skip
    assert '{"items":2,"total":16}' == done(["sh", "-c", " && ".join(commands[:2])], tmp_path).stdout
    readme = (tmp_path / "orders" / "README.md").read_text()
    assert [] == [line for line in commands[1:] if line not in readme]


def test_package_that_a_function_requires(created: Path) -> None:
    """A function that requires a package names it, and the next command and the README install it."""
    assert "nuclio-sdk\n" == (created / "try-nuclio/function/requirements.txt").read_text()
    assert "pip install -r function/requirements.txt" == function.commands("nuclio")[0]
    assert "\npip install -r function/requirements.txt\n" in (created / "try-nuclio/README.md").read_text()
    assert not (created / "try-json/function/requirements.txt").exists()


def test_names_of_a_plugin(created: Path, tmp_path: Path) -> None:
    """The distribution, the module and the convention are named after the plugin."""

    def named(folder: Path) -> list[Any]:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        return [project["name"], project["entry-points"]["dispatch"], project["optional-dependencies"]["test"][0]]

    test = f"handler-dispatch[pytest]>={__version__}"
    assert [PLUGIN, {"toml": "acme_toml"}, test] == named(created / PLUGIN)
    assert 0 == new(tmp_path, "plugin", "Acme_Dispatch.Csv").exit_code
    assert ["acme-dispatch-csv", {"csv": "acme_dispatch_csv"}, test] == named(tmp_path / "Acme_Dispatch.Csv")
    assert 0 == new(tmp_path, "plugin", "acme-json").exit_code
    assert {"acme-json": "acme_json"} == named(tmp_path / "acme-json")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plugin", "../up"], "not a name for a plugin: '../up'; start with a letter"),
        (["plugin", "7up"], "not a name for a plugin: '7up'; start with a letter"),
        (["plugin", "acme-"], "not a name for a plugin: 'acme-'; "),
        (["plugin", "runtime"], "the name is one of Dispatch's own: 'runtime'; add a prefix, such as acme-runtime"),
        (["plugin", "Handler_Dispatch"], "the name is one of Dispatch's own: 'Handler_Dispatch'; "),
        (["plugin", "csv"], "the name is a module or keyword of Python: 'csv'; add a prefix, such as acme-csv"),
        (["plugin", "wsgi"], "a built-in convention has this name: 'wsgi'; add a prefix, such as acme-wsgi"),
        (["plugin", "click"], "a module of this name is installed: 'click'; add a prefix, such as acme-click"),
        (["function", "a/b"], "not a name for a function: 'a/b'; start with a letter"),
        (["function", "f" * 65], "at most 64 characters"),
        (["function", "one", "--convention", "jso"], f"unknown convention: 'jso'; known: {', '.join(BUILT_IN)}"),
        (["function", "one", "--convention", "auto"], "unknown convention: 'auto'; known: standard, "),
        (["function", "full"], "the folder is not empty: full; pass another name, or remove its files"),
        (["plugin", "full"], "the folder is not empty: full; pass another name, or remove its files"),
        (["function", "file"], "not a folder: file; pass another name, or remove this file"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_refused(tmp_path: Path, arguments: list[str], message: str) -> None:
    """A name or a folder that cannot be used is an error with a way out, and nothing is written."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").touch()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    refused = new(tmp_path, *arguments, "--json")

    assert (1 if "full" in arguments or "file" in arguments else 2) == refused.exit_code
    assert message in " ".join(refused.stderr.split())
    assert message in json.loads(refused.stdout)["error"]
    assert before == sorted(tmp_path.rglob("*"))


def test_empty_folder(tmp_path: Path) -> None:
    """A folder that is there already is used if it is empty."""
    (tmp_path / "orders").mkdir()
    assert 0 == new(tmp_path, "function", "orders").exit_code
    assert (tmp_path / "orders" / "dispatch.toml").is_file()


def test_folder_that_is_not_writable(tmp_path: Path) -> None:
    """If nothing can be written, that is an error in words."""
    (tmp_path / "orders").symlink_to(tmp_path / "gone" / "there")
    refused = new(tmp_path, "function", "orders")
    assert (1, True) == (refused.exit_code, refused.stderr.startswith("Error: "))


def test_convention_of_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The convention of a plugin is known, and the message says how to use it."""
    (tmp_path / "acme_rows.py").write_text("def dispatch_conventions():\n    return {'rows': print}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HANDLER_PLUGINS", "acme_rows")
    refused = new(tmp_path, "function", "one", "--convention", "rows")
    assert "the convention 'rows' comes from the plugin acme_rows" in refused.stderr
    assert "create the function for a built-in convention" in refused.stderr
