"""Runs the subjects of a scenario in turn, round after round, so that any disturbance affects all of them alike."""

import json
import os
import statistics
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

from benchmarks import environments, native, platforms, rie
from benchmarks.events import event
from benchmarks.scenarios import Run, Scenario
from benchmarks.subjects import LAMBDA, Subject

#: The number of modules that the handler `thousand.handler` imports.
MODULES = 1000

DROP_CACHES = Path("/proc/sys/vm/drop_caches")


class BenchError(Exception):
    """A run that cannot be trusted, because it failed or returned a wrong answer."""


@dataclass(frozen=True)
class Series:
    """One figure of one subject, with a value for each round."""

    scenario: str
    subject: str
    figure: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and third quartile of the rounds."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median."""
        low, high = self.quartiles
        return (high - low) / 2 / abs(self.median) if self.median else 0.0

    def ratio(self, other: "Series") -> float:
        """The median of the ratios of each round, so that a disturbance longer than a round cancels out."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.values, other.values, strict=True))


class Bench:
    """A folder with the compiled programs, the environments and the events for all runs; each is created once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._platform = native.compiled("platform")
        self._client = native.compiled("client")
        self._pythons: dict[environments.Installed, Path] = {}
        self._root = copytree(Path(__file__).with_name("handlers"), folder / "task")
        for number in range(MODULES):
            (self._root / "modules").mkdir(exist_ok=True)
            (self._root / "modules" / f"m{number}.py").write_text(f'"""One of many."""\n\nNUMBER = {number}\n')

    def run(self, subject: Subject, scenario: Scenario) -> Run:
        """Run the subject under the platform once, and check its answer. Raises BenchError."""
        if scenario.platforms:
            return self._run_platform(subject, scenario)
        event_file, answer_file = self._event(scenario), self._folder / "answer"
        options = ["-e", str(event_file), "-o", str(answer_file), "-t", "600"]
        options += ["-w", str(scenario.warmup), "-n", str(scenario.measured)]
        options += ["-x"] if subject.exits else []
        options += ["-p", str(scenario.pause)] if scenario.pause else []
        options += ["-c", str(scenario.workers)] if scenario.workers else []
        options += _pinned(scenario)
        done = subprocess.run(
            [self._platform, *options, "--", *self._command(subject)],
            cwd=self._root, env=self._variables(subject), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise BenchError(f"{scenario.name}, {subject.name}: {done.stderr.strip() or f'status {done.returncode}'}")
        if scenario.measured:
            _check_answer(scenario, subject, event_file.read_bytes(), answer_file.read_bytes())
        return _flat(json.loads(done.stdout))

    def _run_platform(self, subject: Subject, scenario: Scenario) -> Run:
        port, second = platforms.free_port(), platforms.free_port()
        command = self._command(subject, port=port, second_port=second, rie=rie.binary())
        return platforms.run(command, self._root, port, subject.variables, scenario.measured)

    def _command(self, subject: Subject, **more: object) -> list[str]:
        python = self.python(subject.installed)
        layer = python.parents[1] / "layer"
        return [word.format(python=python, client=self._client, layer=layer, **more) for word in subject.command]

    def python(self, installed: environments.Installed) -> Path:
        """The interpreter of an environment, which is created on first use."""
        if installed not in self._pythons:
            folder = self._folder / f"environment-{len(self._pythons)}"
            self._pythons[installed] = environments.create(folder, installed)
        return self._pythons[installed]

    def _event(self, scenario: Scenario) -> Path:
        file = self._folder / f"event-{scenario.event}"
        if not file.exists():
            file.write_bytes(event(scenario.event))
        return file

    def _variables(self, subject: Subject) -> Mapping[str, str]:
        # PATH only: a developer's PYTHON… variables must not influence the figures.
        return {"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": str(self._root), **LAMBDA, **subject.variables}


@contextmanager
def bench() -> Iterator[Bench]:
    """A Bench in a temporary folder."""
    with TemporaryDirectory(prefix="bench-") as folder:
        yield Bench(Path(folder))


def measure(bench: Bench, scenario: Scenario, subjects: list[Subject], progress: Callable[[str], None]) -> list[Series]:
    """Run the subjects in rounds, each of which begins with the next subject.

    A scenario of cold starts has an extra round first, which is not measured.

    Returns:
        A series for each subject and each figure.
    """
    taken: dict[str, list[Run]] = {subject.name: [] for subject in subjects}
    for number in range(-1, scenario.rounds):
        first = max(number, 0) % len(subjects)
        for subject in subjects[first:] + subjects[:first]:
            progress(f"{scenario.name} {max(number, 0) + 1}/{scenario.rounds} {subject.name}")
            if number < 0 and scenario.measured:
                continue  # a warm run has its own unmeasured invocations
            if scenario.cold_cache:
                drop_file_cache()
            run = bench.run(subject.beside(scenario.others), scenario)
            if number >= 0:
                taken[subject.name].append(run)
    return [
        Series(
            scenario.name,
            subject.name,
            figure.name,
            figure.unit,
            tuple(rounded(figure.read(run)) for run in taken[subject.name]),
        )
        for subject in subjects
        for figure in scenario.figures
    ]


def rounded(value: float) -> float:
    """Round to five digits: no clock here is better than one part in a hundred thousand."""
    return float(f"{value:.5g}")


def can_drop_file_cache() -> bool:
    """Whether this process may empty the file cache: as root on Linux, outside most containers."""
    return os.access(DROP_CACHES, os.W_OK)


def drop_file_cache() -> None:
    """Empty the file cache, so that the next start reads everything from disk."""
    os.sync()
    DROP_CACHES.write_text("3\n")


def _pinned(scenario: Scenario) -> list[str]:
    processors = os.sched_getaffinity(0)
    if scenario.placement == "free":
        return []
    return ["-a" if scenario.placement == "together" or len(processors) == 1 else "-A", str(max(processors))]


def _check_answer(scenario: Scenario, subject: Subject, sent: bytes, answered: bytes) -> None:
    """Raise BenchError for a wrong answer: a runtime may be fast only because it is wrong."""
    if scenario.answer_bytes:
        right = len(answered) == scenario.answer_bytes
    else:
        right = answered == sent or _same_json(sent, answered, scenario.field)
    if not right:
        raise BenchError(f"{scenario.name}, {subject.name}: the answer is not what was expected: {answered[:80]!r}")


def _same_json(sent: bytes, answered: bytes, field: str) -> bool:
    try:
        values = json.loads(answered), json.loads(sent)
        return bool(values[0][field] == values[1][field] if field else values[0] == values[1])
    except ValueError:
        return False


def _flat(printed: Mapping[str, float | Mapping[str, float]]) -> Run:
    flat: dict[str, float] = {}
    for name, value in printed.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{part}": number for part, number in value.items()}
        else:
            flat[name] = value
    return flat
