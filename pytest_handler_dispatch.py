"""The plugin for pytest: fixtures that invoke functions, make sample events, and check plugins.

It imports nothing of ours until a fixture is asked for, and it is a module of its own beside the packages, because a
project under test may have modules that are named `dispatch`, `conventions` or `runtime`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from runtime.testing import Invoker, Result
    from runtime.testing.lambda_service import LambdaService

_HERE = os.path.dirname(os.path.abspath(__file__))
_PACKAGES = ("dispatch", "conventions", "runtime")

#: Our modules of the names that the project under test has, too, while they are not in use.
_set_aside: dict[str, ModuleType] = {}

#: What the running test has invoked functions with, by its fixtures.
_invokers: dict[pytest.Item, Invoker] = {}
_services: dict[pytest.Item, LambdaService] = {}


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers", "also_real: run the test in process, and once more through the runtime and the local platform"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that is marked `also_real` twice."""
    if metafunc.definition.get_closest_marker("also_real") and "_real" in metafunc.fixturenames:
        metafunc.parametrize("_real", [False, True], ids=["in-process", "real"], indirect=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test that is marked `also_real` but does not use `invoke`."""
    if item.get_closest_marker("also_real") and "_real" not in getattr(item, "fixturenames", ()):
        pytest.fail("also_real needs the fixture invoke; add it to the test's arguments", pytrace=False)


@pytest.fixture
def _real(request: pytest.FixtureRequest) -> bool:
    """Whether the test goes through the runtime and the local platform."""
    return bool(getattr(request, "param", False))


@pytest.fixture
def invoke(request: pytest.FixtureRequest, _real: bool) -> Iterator[Any]:
    """Invoke a function: `invoke("app.handler", {"name": "Ada"}, convention="json")`.

    The arguments are `handler, event=None, *, convention="auto", headers=None, env=None, timeout=30, root=None,
    real=False`; the result has `body`, `text`, `json`, `chunks`, `error`, `log` and `http`.
    """
    with _ours():
        from runtime.testing.configured import folders_of
        from runtime.testing.invoker import Invoker

        invoker = Invoker(folders_of(request.path, request.config.rootpath), real=_real)
    _invokers[request.node] = invoker
    yield _Apart(invoker) if _foreign() else invoker
    with _ours():
        invoker.close()


@pytest.fixture
def use_plugin(invoke: Invoker) -> Callable[[Any], None]:
    """Register a plugin for one test: `use_plugin("acme_dispatch_csv")`, a module, or any object with hooks."""
    return invoke.use_plugin


@pytest.fixture
def lambda_service(request: pytest.FixtureRequest) -> Iterator[Callable[..., LambdaService]]:
    """Serve functions to boto3: `lambda_service("app.handler", name="orders", convention="json").client()`.

    The arguments are `handler, *, name="function", convention="auto", env=None, timeout=30, root=None` and the other
    settings of `runtime.testing.Function`. Each call adds a function to the one service, which it returns.
    """
    with _ours():
        from runtime.testing.configured import configured, folders_of
        from runtime.testing.lambda_service import lambda_service

        folders = folders_of(request.path, request.config.rootpath)
        with lambda_service() as service:

            def serve(handler: str, **settings: Any) -> LambdaService:
                with _ours():
                    service.add(configured(handler, folders, **settings))
                return service

            _services[request.node] = service
            yield serve


@pytest.fixture
def sample() -> Callable[..., dict[str, Any]]:
    """Make a sample event: `sample("sqs", body={"id": 7})`; the fields are named as in the event."""
    with _ours():
        from runtime.testing.samples import sample

        return sample


@pytest.fixture
def check_convention(invoke: Invoker) -> Callable[..., None]:
    """Check that a convention keeps its promises: `check_convention("csv", event="a,b", answer=[["a", "b"]])`.

    The arguments are `name, *, event, answer, item=None, chunk=None, bad=(), except_for=()`, and those of `invoke`.
    `event` is one that the convention accepts, `answer` one that it can send. `item` is an item of a stream, and
    `chunk` the bytes that are sent for it. It must refuse the events in `bad`; promises in `except_for` are not tried.
    """

    def check(name: str, **options: Any) -> None:
        with _ours():
            from runtime.testing.promises import broken_promises

            broken = broken_promises(invoke, name, **options)
        if broken:
            pytest.fail("\n".join([f"the convention {name!r} breaks promises:", *broken]), pytrace=False)

    return check


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    """Show the error, the trace and the log of what a failed test has invoked."""
    report = yield
    if call.excinfo is not None:
        sections = [_section(name, result) for name, result in _results(item)]
        if item in _services:
            sections.append(("lambda_service", "\n".join(_services[item].log).replace("\r", "\n").strip()))
        report.sections += [(title, text) for title, text in sections if text]
    if report.when == "teardown":
        _invokers.pop(item, None)
        _services.pop(item, None)
    return report


def pytest_enter_pdb(config: pytest.Config) -> None:
    """Let a debugger in a function write to the terminal."""
    _show_output(config, True)


def pytest_leave_pdb(config: pytest.Config) -> None:
    """Let the function write to its log again."""
    _show_output(config, False)


def _show_output(config: pytest.Config, show: bool) -> None:
    # Otherwise pytest, which has caught the terminal's descriptors before, gives them back itself.
    if _invokers and config.getoption("capture") != "fd":
        with _ours():
            from runtime.testing.process_state import show_output
        show_output(show)


def pytest_assertrepr_compare(left: object, right: object) -> list[str] | None:
    """Show why an invocation failed where its error report is compared, instead of the report."""
    for _, result in (each for item in _invokers for each in _results(item)):
        if result.error is not None and not result.chunks:
            for seen, other in ((left, right), (right, left)):
                if isinstance(seen, str | bytes | dict) and seen in (result.text, result.body, result.error.report):
                    return [f"{result.error!r} instead of {other!r:.200}", "The log of the invocation is below."]
    return None


def _results(item: pytest.Item) -> list[tuple[str, Result]]:
    """What a test has invoked."""
    return _invokers[item].results if item in _invokers else []


def _section(name: str, result: Result) -> tuple[str, str]:
    """The title and the text that tell a developer how a function went."""
    error = result.error
    lines = [] if error is None else [f"{error.type}: {error.message}", error.trace.rstrip()]
    # A log has the error, too, with carriage returns within a record, as Lambda wants it.
    log = result.log.replace("\r", "\n").strip()
    return f"invoked {name}", "\n".join(filter(None, [log] if error and error.message in log else [*lines, log]))


class _Apart:
    """An invoker for a project that has modules with the names of our packages."""

    def __init__(self, invoker: Invoker) -> None:
        self._invoker = invoker

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        with _ours() as theirs:
            self._invoker.project_modules = theirs
            return self._invoker(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._invoker, name)


@contextmanager
def _ours() -> Iterator[dict[str, ModuleType]]:
    """Have our packages imported by their names; yields the project's modules of these names, which come back."""
    names = _foreign()
    if not names:
        yield {}
        return
    theirs = _taken(names)
    sys.modules.update(_set_aside)
    sys.path.insert(0, _HERE)
    try:
        yield theirs
    finally:
        sys.path.remove(_HERE)
        _set_aside.update(_taken(names))
        sys.modules.update(theirs)


def _taken(names: Collection[str]) -> dict[str, ModuleType]:
    """The modules of these packages, which are no longer loaded."""
    found = [name for name in sys.modules if name.partition(".")[0] in names]
    return {name: sys.modules.pop(name) for name in found}


def _foreign() -> list[str]:
    """The names of our packages that mean modules of the project under test."""
    return [name for name in _PACKAGES if any(not place.startswith(_HERE) for place in _places(name))]


def _places(name: str) -> Iterator[str]:
    """Where the module of this name is loaded from, and where it would be."""
    for spec in (getattr(sys.modules.get(name), "__spec__", None), PathFinder.find_spec(name)):
        if spec is not None:
            yield spec.origin or next(iter(spec.submodule_search_locations or ()), _HERE)
