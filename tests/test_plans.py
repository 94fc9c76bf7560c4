"""The plan of a start: no plugin is imported in vain, and none is missed because a plan is out of date."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.files import write
from support.runtime import Ask, Fail, Serve

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
    assert not {"inspect", "ast", "dis", "re"} & modules(ask, site, "standard")


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


@pytest.mark.parametrize("spoil", ["damaged", "foreign", "no folder"])
def test_plan_that_cannot_be_used(ask: Ask, site: Site, spoil: str) -> None:
    """Without a plan that can be read or written, a start is only slower."""
    if spoil == "no folder":
        site.cache.write_text("a file")
    else:
        modules(ask, site, "one")
        (plan,) = site.plans
        text = plan.read_bytes()
        plan.write_bytes(b"\xff\x00" + text[5:] if spoil == "damaged" else b"plan 0\n" + text)
    assert "one" in modules(ask, site, "standard")
