"""The project's own files agree with one another, and its scripts say what they do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatch import __version__
from dispatch.shadowing import OUR_PACKAGES

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = SETTINGS["project"]

#: Extras that only development uses; those of users leave them a choice of versions.
TOOLS = ("test", "peers", "docs", "lint", "audit", "fuzz", "release", "dev")

#: Second pins of some of them, for one of the Pythons.
OLDER = "older"

#: A Python that makes environments at once: its pip writes a `dispatch` that prints its arguments, or is interrupted.
QUICK_PYTHON = """\
#!/bin/sh
case "$1 $2" in
"-m venv")
    mkdir -p "$3/bin"
    cp "$0" "$3/bin/python"
    ;;
"-m pip")
    [ -z "$INTERRUPTED" ] || kill -KILL $$
    printf '#!/bin/sh\\necho "$@"\\n' >"$(dirname "$0")/dispatch"
    chmod +x "$(dirname "$0")/dispatch"
    ;;
esac
"""


def tox() -> ConfigParser:
    """The environments of tox.ini."""
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini")
    return parser


def jobs(workflow: Path) -> dict[str, Any]:
    """A workflow's jobs, by their names."""
    return dict(yaml.safe_load(workflow.read_text())["jobs"])


def dispatch(checkout: Path, *arguments: str, **env: str) -> tuple[int, str, list[str]]:
    """The status, the output and the lines on standard error of `scripts/dispatch`, called in another folder."""
    done = subprocess.run(
        [checkout / "scripts" / "dispatch", *arguments],
        cwd=checkout.parent,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.splitlines()


def executable(path: Path, text: str) -> Path:
    """A program with this text."""
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing but its scripts."""
    shutil.copytree(ROOT / "scripts", tmp_path / "a checkout" / "scripts")
    return tmp_path / "a checkout"


def test_the_version_stands_in_one_place() -> None:
    """The build backend reads it from the code, so the installed distribution and the command have it too."""
    command = [sys.executable, "-m", "runtime.cli", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (["version"], "dispatch/__init__.py") == (PROJECT["dynamic"], SETTINGS["tool"]["hatch"]["version"]["path"])
    assert __version__ == version("handler-dispatch")
    assert ("", f"dispatch, version {__version__}\n") == (done.stderr, done.stdout)


@pytest.mark.parametrize("path", ["hatch.build.targets.wheel.only-include", "coverage.run.source_pkgs", "mypy.files"])
def test_our_packages(path: str) -> None:
    """Each list that begins with our packages has them as in the code."""
    found = SETTINGS["tool"]
    for key in path.split("."):
        found = found[key]
    assert [*OUR_PACKAGES] == found[: len(OUR_PACKAGES)]


def test_the_pythons() -> None:
    """Each Python of the matrix is named by a classifier and has an environment, and the oldest is the one required."""
    pythons = jobs(ROOT / ".github/workflows/checks.yml")["python"]["strategy"]["matrix"]["python"]
    classified = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", one)]
    environments = re.findall(r"py(3)(\d+)", tox()["tox"]["env_list"])
    full = re.findall(r"python(3\.\d+)", tox()["testenv:full"]["base_python"])

    assert pythons == classified
    assert pythons == sorted(full + [".".join(one) for one in environments])
    assert f">={pythons[0]}" == PROJECT["requires-python"]


#: A requirement of one exact version, at least on some Pythons.
PINNED = r"[\w.-]+(\[\w+\])?==[\w.]+(; python_version (>=|<) '3\.\d+')?"


@pytest.mark.parametrize("extra", [*TOOLS, OLDER])
def test_tools_are_pinned(extra: str) -> None:
    """Each tool has one exact version."""
    tools = [one for one in PROJECT["optional-dependencies"][extra] if not one.startswith("handler-dispatch[")]

    assert [] == [one for one in tools if not re.fullmatch(PINNED, one)]


def test_older_peers() -> None:
    """Each of them that is a peer has an earlier major version, and one of the Pythons is tested with them."""
    extras = PROJECT["optional-dependencies"]
    majors = [
        {name: int(pin.partition(".")[0]) for name, _, pin in (one.partition("==") for one in extras[extra]) if pin}
        for extra in (OLDER, "peers")
    ]
    both = majors[0].keys() & majors[1]
    assert both
    assert [] == [name for name in both if majors[0][name] >= majors[1][name]]
    assert ["py312"] == re.findall(rf"(py\d+): {OLDER}", tox()["testenv"]["extras"])


def test_a_tool_has_one_pin() -> None:
    """No tool is in two extras, nor pinned in tox.ini as well."""
    requirements = [one for extra in TOOLS for one in PROJECT["optional-dependencies"][extra]]
    names = [re.split(r"\W", one)[0] if "[" in one else one.partition("==")[0] for one in requirements if "==" in one]

    assert sorted(set(names)) == sorted(names)
    assert [] == [name for name, section in tox().items() if "deps" in section]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned(workflow: Path) -> None:
    """Each action is named by its commit, with the version beside it for the reader and for dependabot."""
    uses = re.findall(r"uses: *(.*)", workflow.read_text())

    assert uses
    assert [] == [one for one in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_jobs_have_little_power(workflow: Path) -> None:
    """A workflow is granted nothing, each job what it needs, for a limited time."""
    granted = {name: job["permissions"] for name, job in jobs(workflow).items()}
    writers = {name: rights for name, rights in granted.items() if rights != {"contents": "read"}}
    expected = {
        "release": {"pypi": {"id-token": "write"}, "github": {"contents": "write"}},
        "docs": {"pages": {"id-token": "write", "pages": "write"}},
    }.get(workflow.stem, {})

    assert {} == yaml.safe_load(workflow.read_text())["permissions"]
    assert expected == writers
    assert [] == [name for name, job in jobs(workflow).items() if "timeout-minutes" not in job]


def test_jobs_run_environments() -> None:
    """Whatever a workflow runs by scripts/test is an environment of tox."""
    checks = jobs(ROOT / ".github/workflows/checks.yml")["check"]["strategy"]["matrix"]["check"]
    named = [name for path in WORKFLOWS for name in re.findall(r"scripts/test -e (\w+)", path.read_text())]

    assert ["dist", "docs", "full", "py312"] == sorted(named)
    pythons = re.findall(r"py3\d+", tox()["tox"]["env_list"])
    assert [] == [name for name in [*checks, *named] if f"testenv:{name}" not in tox() and name not in pythons]


def test_schemas() -> None:
    """The environment `lint` checks every file that GitHub reads."""
    files = [path.relative_to(ROOT).as_posix() for path in ROOT.glob(".github/**/*.yml")]

    assert sorted(files) == sorted(re.findall(r"\.github/\S+", tox()["testenv:lint"]["commands"]))


def test_one_address() -> None:
    """Every address of the repository begins as the one in pyproject.toml, and the site has one address, too."""
    repository = PROJECT["urls"]["Repository"]
    site = PROJECT["urls"]["Documentation"]
    links = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/config.yml").read_text())["contact_links"]
    settings = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    addresses = [*PROJECT["urls"].values(), *(link["url"] for link in links), settings["repo_url"]]

    assert f"{site}latest/" == settings["site_url"]
    assert [] == [one for one in addresses if one not in (repository, site) and not one.startswith(f"{repository}/")]


def test_addresses_of_files() -> None:
    """What the documentation links to in the repository exists."""
    repository = PROJECT["urls"]["Repository"]
    pages = [path for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md") for path in ROOT.glob(pattern)]
    linked = [
        (page.name, kind, path)
        for page in pages
        for kind, path in re.findall(rf"{repository}/(tree|blob)/main/([^)\s#>]+)", page.read_text())
    ]

    assert linked
    assert [] == [
        one for one in linked if not (ROOT / one[2]).exists() or (ROOT / one[2]).is_dir() != ("tree" == one[1])
    ]


def test_nothing_is_installed_by_name() -> None:
    """No page installs this project from an index, which has none of that name."""
    pages = [
        page
        for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "examples/**/Docker*")
        for page in ROOT.glob(pattern)
    ]
    by_name = re.compile(r"""\binstall\b[^`\n]*['" ]handler-dispatch\b""")

    assert (ROOT / "README.md") in pages
    assert [] == [(path.name, found[0]) for path in pages if (found := by_name.search(path.read_text()))]


def test_the_first_call(checkout: Path) -> None:
    """The first call says what it is doing, on standard error; the next one has nothing to say."""
    python = str(executable(checkout / "python", QUICK_PYTHON))

    status, output, errors = dispatch(checkout, "run", "a b", PYTHON=python)
    assert (0, "run a b\n") == (status, output)
    assert ["setting up .venv"] == re.findall("setting up .venv", "\n".join(errors))

    assert (0, "again\n", []) == dispatch(checkout, "again")


def test_an_interrupted_call(checkout: Path) -> None:
    """What an interrupted first call leaves behind is made again by the next."""
    python = str(executable(checkout / "python", QUICK_PYTHON))
    interrupted, _, _ = dispatch(checkout, "one", PYTHON=python, INTERRUPTED="yes")
    (checkout / ".venv" / "remains").touch()

    assert 0 != interrupted
    status, output, errors = dispatch(checkout, "two", PYTHON=python)
    assert (0, "two\n") == (status, output)
    assert "setting up .venv" in errors[0]
    assert ["bin"] == [path.name for path in (checkout / ".venv").iterdir()]


def test_an_environment_of_ones_own(checkout: Path) -> None:
    """A .venv without the command is completed, not replaced."""
    python = str(executable(checkout / "python", QUICK_PYTHON))
    subprocess.run([python, "-m", "venv", checkout / ".venv"], check=True)
    (checkout / ".venv" / "mine").touch()

    status, output, errors = dispatch(checkout, "run", PYTHON=python)
    assert (0, "run\n") == (status, output)
    assert [f"{checkout / 'scripts' / 'dispatch'}: installing 'dispatch' into .venv"] == errors
    assert (checkout / ".venv" / "mine").exists()


def test_an_old_python(checkout: Path) -> None:
    """A Python that is too old, or that cannot make environments, is named, with what is needed and how to get it."""
    old = "import sys; sys.version_info = (3, 9, 18); exec(sys.argv[1])"
    bare = "import sys; sys.modules['ensurepip'] = None; exec(sys.argv[1])"
    for name, code, problem in (("old", old, "is Python 3.9"), ("bare", bare, "apt install python3-venv")):
        python = executable(checkout / name, f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$2"\n')
        status, _, errors = dispatch(checkout, "run", PYTHON=str(python))

        assert 1 == status
        assert "needs Python 3.11 or newer, with venv" in errors[0]
        assert f"{python} " in errors[0]
        assert problem in errors[0]
        assert errors[1].startswith("To use another one: PYTHON=/path/to/python")
    assert not (checkout / ".venv").exists()


def test_no_python(checkout: Path) -> None:
    """A PYTHON that does not exist is named."""
    status, _, errors = dispatch(checkout, "run", PYTHON=str(checkout / "nosuch"))

    assert 1 == status
    assert f"{checkout / 'nosuch'} was not found" in errors[0]
