"""The script before the one-file bootstrap: where it lays the files out, and whose it starts.

The interpreter inside is this one, told to unpack by the real code; the archives with the real interpreter are proved
in test_package_proof.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.package import onefile, start_scripts
from runtime.package.staging import Staging
from runtime.package.target import BuildTarget

ROOT = Path(__file__).parents[1]
#: Not the user of the tests, whoever that is.
SOMEBODY = 12345
#: Unpacks, and does what the test wants to happen meanwhile.
UNPACKER = f"""#!{sys.executable}
import os, subprocess, sys
sys.path.insert(0, {str(ROOT)!r})
from runtime.package import unpacking
unpacking.run("")
meanwhile = os.environ.pop("MEANWHILE", "")
subprocess.run(["/bin/sh", "-ec", meanwhile, sys.argv[1]], check=True)
"""
THEIRS = 'mkdir -m 777 "$HOME_OF_IT"; printf "#!/bin/sh\\necho theirs\\n" >"$HOME_OF_IT/bootstrap"; chmod 755 "$HOME_OF_IT/bootstrap"; '
OTHER_USER = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes folders of other users")


@dataclass(frozen=True, slots=True)
class OneFile:
    """The file, and the folder that it lays its files out in."""

    file: Path
    home: Path

    def start(self, before: str = "", meanwhile: str = "") -> str:
        """Do something as the same process, then start; do something else while it unpacks. What it printed."""
        env = {"PATH": os.environ["PATH"], "TMPDIR": str(self.home.parent), "HOME_OF_IT": str(self.home)}
        command = ["/bin/sh", "-ec", f'{before}\nexec "$0"', str(self.file)]
        done = subprocess.run(
            command, env={**env, "MEANWHILE": meanwhile}, capture_output=True, text=True, timeout=60, check=False
        )
        assert ("", 0) == (done.stderr, done.returncode)
        return done.stdout

    def left(self) -> list[str]:
        """What lies in the temporary folder and in the folders there."""
        folder = self.home.parent
        return sorted(path.relative_to(folder).as_posix() for path in [*folder.glob("*"), *folder.glob("*/*")])


@pytest.fixture
def one(tmp_path: Path) -> OneFile:
    """One file whose bootstrap says that it is ours."""
    folder, temporary = tmp_path / "folder", tmp_path / "temporary"
    temporary.mkdir()
    staging = Staging(folder, tmp_path / "bootstrap", BuildTarget.here(), python=None)
    contents = {
        "bootstrap": "#!/bin/sh\necho ours\n",
        start_scripts.INTERPRETER: UNPACKER,
        f"{start_scripts.HOME}/python/lib/zlib.{staging.target.soabi}.so": "not needed",
    }
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    onefile.write_executable(staging)
    line = next(line for line in staging.file.read_bytes().splitlines() if line.startswith(b"home=${TMPDIR"))
    return OneFile(staging.file, temporary / line.decode().rpartition("/")[2])


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(THEIRS + f'chown {SOMEBODY} "$HOME_OF_IT"', marks=OTHER_USER, id="a folder of another user"),
        pytest.param(
            THEIRS + 'mv "$HOME_OF_IT" "$HOME_OF_IT.aim"; ln -s "$HOME_OF_IT.aim" "$HOME_OF_IT"', id="a link to ours"
        ),
        pytest.param('ln -s nowhere "$HOME_OF_IT"', id="a link to nothing"),
        pytest.param('mkdir "$HOME_OF_IT"', id="one of ours that is not whole"),
    ],
)
def test_what_is_not_ours_is_never_run(one: OneFile, before: str) -> None:
    """A start finds itself another folder, and the next start finds that one."""
    assert "ours\n" == one.start(before)
    left = one.left()
    assert "ours\n" == one.start()
    assert left == one.left()


@OTHER_USER
def test_a_folder_that_comes_in_between_is_never_run(one: OneFile) -> None:
    """Another user who makes the folder while a start unpacks does not get the start to run what is in it."""
    assert "ours\n" == one.start(
        meanwhile='[ ! -e "$HOME_OF_IT" ] || exit 0; ' + THEIRS + f'chown {SOMEBODY} "$HOME_OF_IT"'
    )
    assert ["bootstrap"] == [path.name for path in one.home.iterdir()]


def test_two_starts_at_once_leave_one_copy(one: OneFile) -> None:
    """The start that comes second throws its copy away, and runs the first's."""
    assert "ours\n" == one.start(meanwhile='MEANWHILE= "$0" >/dev/null')
    name = one.home.name
    assert [name, f"{name}/bootstrap", f"{name}/{start_scripts.HOME}"] == one.left()


def test_nothing_is_unpacked_into_a_folder_that_is_there(one: OneFile) -> None:
    """A folder of the name that a start unpacks into does not become part of ours."""
    assert "ours\n" == one.start('mkdir "$HOME_OF_IT-$$"; touch "$HOME_OF_IT-$$/planted"')
    assert ["bootstrap", start_scripts.HOME] == sorted(path.name for path in one.home.iterdir())
