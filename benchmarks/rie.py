"""AWS's Runtime Interface Emulator: the binary comes out of the aws-sam-cli wheel, once, into the project's cache."""

import fcntl
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "aws-sam-cli==1.170.0"
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
CACHE = Path(__file__).parents[1] / ".cache" / WHEEL.replace("==", "-")


class NoEmulator(Exception):
    """The emulator cannot be had here, and why."""


def binary() -> Path:
    """The emulator's file. Raises NoEmulator."""
    machine = MACHINES.get(platform.machine().lower())
    if sys.platform != "linux" or machine is None:
        raise NoEmulator(f"no emulator for {sys.platform} on {platform.machine()}")
    path = CACHE / f"aws-lambda-rie-{machine}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        # Test processes side by side must not fetch it side by side.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _fetch(path)
    return path


def _fetch(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", folder, WHEEL]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise NoEmulator(f"{WHEEL} cannot be downloaded: {done.stderr.strip()[-300:]}")
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            member = wheel.extract(f"samcli/local/rapid/{path.name}", folder)
        Path(member).chmod(0o755)
        shutil.move(member, path)
