"""The plan of a start: no plugin is imported in vain, and none is missed because a plan is out of date."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.files import write
from support.runtime import Ask, Fail, Serve

ROOT = Path(__file__).resolve().parent.parent

APP = "import sys\ndef handler(event, headers=None):\n    return ' '.join(sys.modules)\n"
ECHO = """
from dispatch import respond
def {name}(function):
    return lambda invocation: respond(function(invocation.body.decode()), str.encode, "text/plain")
def dispatch_conventions():
    return {{"{name}": {name}}}
"""
STARTUP = "def dispatch_startup(function):\n    print('{name} has started')\n"


class Site:
    """A folder on Python's path with distributions, and a user with a cache folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "site"
        self.cache = folder / "cache"
        self.env = {"PYTHONPATH": str(self.folder), "XDG_CACHE_HOME": str(self.cache)}
        self.folder.mkdir()

    def install(self, name: str, source: str, file: str = "") -> None:
        """Install a distribution with one plugin, a module or the file of a package."""
        described = {"METADATA": f"Name: {name}\nVersion: 1.0\n", "entry_points.txt": f"[dispatch]\n{name} = {name}\n"}
        files = {f"{name}-1.0.dist-info/{file}": text for file, text in described.items()}
        write(self.folder, {file or f"{name}.py": source, **files})

    @property
    def plans(self) -> list[Path]:
        """The plans in the cache folder."""
        return [*self.cache.rglob("*.txt")]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with one plugin, which adds the convention `one`."""
    made = Site(tmp_path)
    made.install("one", ECHO.format(name="one"))
    return made


def modules(ask: Ask, site: Site, convention: str) -> set[str]:
    """The modules that a start with this convention has imported."""
    return set(ask(APP, b"x", convention=convention, env=site.env).body.decode().split())


def test_pluggy_is_for_hooks_besides_conventions(ask: Ask, site: Site) -> None:
    """Without a plan as with one: a plugin that only adds a convention needs no pluggy."""
    assert [True, True] == ["pluggy" not in modules(ask, site, "one") for _ in range(2)]
    site.install("two", STARTUP.format(name="two"))
    assert [True, True] == ["pluggy" in modules(ask, site, "one") for _ in range(2)]


def test_pluggy_without_inspect(ask: Ask, site: Site) -> None:
    """Importing pluggy and registering a plugin does not import what pluggy uses for other programs."""
    site.install("two", STARTUP.format(name="two"))
    assert not {"inspect", "ast", "dis"} & modules(ask, site, "standard")


def test_plugins_are_not_imported_in_vain(ask: Ask, site: Site) -> None:
    """From the second start on, only the plugin that adds the requested convention is imported."""
    site.install("two", ECHO.format(name="two"))
    names = {"one", "two"}
    assert names == names & modules(ask, site, "standard")
    assert 1 == len(site.plans)
    assert [set(), {"one"}, {"two"}] == [names & modules(ask, site, each) for each in ("standard", "one", "two")]
    assert not names & modules(ask, site, "auto")


def test_unknown_convention(ask: Ask, fail: Fail, site: Site) -> None:
    """The error lists the conventions of all plugins, with a plan too."""
    modules(ask, site, "standard")
    assert "one, " in fail(APP, convention="three", env=site.env).report["errorMessage"]


def test_two_with_one_convention(ask: Ask, fail: Fail, site: Site) -> None:
    """A name that two plugins offer is an error when it is requested, with a plan too."""
    site.install("other", ECHO.format(name="one"))
    modules(ask, site, "standard")
    assert 1 == len(site.plans)
    assert "several plugins offer" in fail(APP, convention="one", env=site.env).report["errorMessage"]


def test_name_of_a_built_in_convention(ask: Ask, fail: Fail, site: Site) -> None:
    """A plugin that offers the name of a built-in convention is not passed over in silence."""
    site.install("two", ECHO.format(name="json"))
    modules(ask, site, "standard")
    assert 1 == len(site.plans)
    assert "several plugins offer" in fail(APP, convention="json", env=site.env).report["errorMessage"]


@pytest.mark.parametrize("change", ["module", "module of the package", "distribution"])
def test_changed_plugins(serve: Serve, site: Site, change: str) -> None:
    """A plan does not outlive a change: a hook that has been added is called."""
    site.install("two", ECHO.format(name="two") + "from two.hooks import *\n", "two/__init__.py")
    write(site.folder, {"two/hooks.py": "x = 1\n"})
    assert "started" not in said(serve, site)
    assert 1 == len(site.plans)
    added = STARTUP.format(name="added")
    if change == "module":
        write(site.folder, {"one.py": ECHO.format(name="one") + added})
    elif change == "module of the package":
        write(site.folder, {"two/hooks.py": added})
    else:
        site.install("added", added)
    assert ["added has started"] * 2 == [said(serve, site) for _ in range(2)]


def test_hook_on_a_condition(serve: Serve, site: Site) -> None:
    """A plugin whose code may define a hook is imported at each start, because the condition may have changed."""
    hook = STARTUP.format(name="two").replace("\n", "\n    ")
    site.install("two", f"{ECHO.format(name='two')}\nimport os\nif 'MORE' in os.environ:\n    {hook}")
    said(serve, site)
    site.env["MORE"] = "1"
    assert "two has started" in said(serve, site)


CONDITIONS = {
    "in a submodule": {
        "two/__init__.py": "from two.hooks import *\n",
        "two/hooks.py": "import os\nif 'MORE' in os.environ:\n    def dispatch_startup(function): print('started')\n",
    },
    "an import": {
        "two/__init__.py": "import os\nif 'MORE' in os.environ:\n    from two.hooks import *\n",
        "two/hooks.py": "def dispatch_startup(function): print('started')\n",
    },
    "by its name": {
        "two/__init__.py": "import os\nfor name in os.environ.get('MORE', '').split():\n"
        "    globals()['dispatch_' + name] = lambda function: print('started')\n",
    },
}


@pytest.mark.parametrize("files", CONDITIONS.values(), ids=CONDITIONS)
def test_other_conditions(serve: Serve, site: Site, files: dict[str, str]) -> None:
    """Wherever a package may define a hook, it is imported at each start."""
    site.install("two", "", "two/__init__.py")
    write(site.folder, {**files, "two/__init__.py": ECHO.format(name="two") + files["two/__init__.py"]})
    assert "started" not in said(serve, site)
    assert 1 == len(site.plans)
    site.env["MORE"] = "startup"
    assert "started" in said(serve, site)


def test_changed_helper(serve: Serve, site: Site) -> None:
    """A plugin may have its hooks from a module outside its own package, which may change."""
    plugin = "class Plugin:\n    def dispatch_conventions(self): return {}\n"
    site.install("two", "from helper import Plugin\ndispatch_conventions = Plugin().dispatch_conventions\n")
    site.install("three", "from helper import plugin\n")
    declared = site.folder / "three-1.0.dist-info/entry_points.txt"
    declared.write_text("[dispatch]\nthree = three:plugin\n")
    write(site.folder, {"helper.py": f"{plugin}plugin = Plugin()\n"})
    assert "" == said(serve, site)
    assert 1 == len(site.plans)
    hook = "    def dispatch_startup(self, function): print('started')\n"
    write(site.folder, {"helper.py": f"{plugin}{hook}plugin = Plugin()\n"})
    assert "started" == said(serve, site)


def test_an_installation_that_goes_on(serve: Serve, site: Site) -> None:
    """An installer writes a distribution's files one after another, while other processes start."""
    site.install("two", STARTUP.format(name="two"))
    declared = site.folder / "two-1.0.dist-info/entry_points.txt"
    complete = declared.read_text()
    declared.unlink()
    assert "" == said(serve, site)
    assert 1 == len(site.plans)
    declared.write_text(complete)
    assert "two has started" == said(serve, site)


def test_an_installation_while_plugins_are_loaded(serve: Serve, site: Site) -> None:
    """A plan of folders that change while it is made is not kept."""
    site.install("two", STARTUP.format(name="two"))
    described = site.folder / "two-1.0.dist-info"
    aside = described.rename(site.folder.parent / "aside")
    moves = f"import os\nif os.path.isdir({str(aside)!r}):\n    os.rename({str(aside)!r}, {str(described)!r})\n"
    site.install("three", ECHO.format(name="three") + moves)
    assert "" == said(serve, site)
    assert "two has started" == said(serve, site)


def test_a_plan_that_someone_else_has_written(ask: Ask, site: Site) -> None:
    """It could name any module; a plan counts only if this user has written it."""
    write(site.folder, {"other.py": ECHO.format(name="other")})
    modules(ask, site, "standard")
    (plan,) = site.plans
    more = "plugin\tother-1.0\tother\tother\tdispatch_startup\t\nend\n"
    plan.write_text(plan.read_text().removesuffix("end\n") + more)
    assert "other" in modules(ask, site, "standard")
    if os.geteuid() == 0:  # only root can give files away
        os.chown(plan, 12345, 12345)
        assert {"one"} == {"one", "other"} & modules(ask, site, "one")


def test_odd_entries_in_the_path(ask: Ask, site: Site) -> None:
    """Python's finders pass over a Path in sys.path; so do plans."""
    write(site.folder, {"sitecustomize.py": "import pathlib, sys\nsys.path.append(pathlib.Path('/nowhere'))\n"})
    assert ["one", "one"] == [each for _ in range(2) for each in {"one"} & modules(ask, site, "one")]


def test_odd_names_of_conventions(ask: Ask, site: Site) -> None:
    """A name that no plan can hold only means that there is no plan."""
    site.install("two", ECHO.format(name="two") + "dispatch_conventions = lambda: {'a b': two, '\\ud800': two}\n")
    assert {"two"} == {"two"} & modules(ask, site, "a b")
    assert [] == site.plans


def test_the_folder_that_is_the_current_one(site: Site) -> None:
    """A relative entry of the path is another folder, with another plan, in each current folder."""
    loads = "import sys; sys.path.insert(0, ''); from dispatch.load import load; load('lambda text: text', '/nowhere', 'one')"
    env = {**os.environ, **site.env, "PYTHONPATH": str(ROOT)}
    for folder, expected in ((site.folder, 0), (site.folder.parent, 1)):
        done = subprocess.run(
            [sys.executable, "-P", "-c", loads], cwd=folder, env=env, capture_output=True, check=False
        )
        assert expected == done.returncode, done.stderr
        assert b"left out" not in done.stderr


def said(serve: Serve, site: Site) -> str:
    """What a start has printed."""
    runtime = serve(APP, "app.handler", "standard", env=site.env)
    runtime.invoke(b"x")
    return runtime.child.output["stdout"].decode().strip()


def test_broken_plugin(serve: Serve, site: Site) -> None:
    """A broken plugin is named at each start."""
    site.install("two", "1 / 0\n")
    for _ in range(2):
        runtime = serve(APP, "app.handler", "standard", env=site.env)
        runtime.invoke(b"x")
        assert "left out the plugin two (two 1.0)" in runtime.child.output["stderr"].decode()


def test_plugin_in_the_task_root_under_a_plan(ask: Ask, site: Site) -> None:
    """A plan of other folders says nothing about the task root, whose modules come first."""
    modules(ask, site, "standard")
    own = {
        "app.py": "def handler(text):\n    return text\n",
        "one.py": ECHO.format(name="one").replace("str.encode", "lambda text: b'own'"),
    }
    assert b"own" == ask(own, b"x", convention="one", env=site.env).body


@pytest.mark.parametrize("spoil", ["damaged", "foreign", "cut off", "no folder"])
def test_plan_that_cannot_be_used(ask: Ask, site: Site, spoil: str) -> None:
    """Without a plan that can be read or written, a start is only slower."""
    if spoil == "no folder":
        site.cache.write_text("a file")
    else:
        modules(ask, site, "one")
        (plan,) = site.plans
        text = plan.read_bytes()
        spoiled = {
            "damaged": b"\xff\x00" + text[5:],
            "foreign": b"plan 0\n" + text,
            "cut off": text[: text.index(b"\n") + 1],
        }
        plan.write_bytes(spoiled[spoil])
    assert "one" in modules(ask, site, "standard")
