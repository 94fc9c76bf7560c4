"""For which Python and processor an archive is made, and what AWS Lambda has there."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass

from runtime.package.errors import PackageError

# What Lambda calls an architecture, and what the ELF header, wheels and `uname` call it.
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
RUNTIMES = (*(f"python{version}" for version in PYTHONS), "provided.al2", "provided.al2023")

# glibc 2.x of the operating system under a runtime: Amazon Linux 2 has 2.26, Amazon Linux 2023 has 2.34.
# python3.11 is the last Python runtime on Amazon Linux 2 (docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html).
GLIBC_OF_RUNTIME = {"python3.11": 26, "provided.al2": 26}
GLIBC = 34
OLDEST_MANYLINUX = 17  # manylinux2014; older tags are implied by it.

# docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: a direct upload, and function and layers unpacked.
MAX_ZIPPED = 50 * 1024 * 1024
MAX_UNZIPPED = 250 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """A Python version such as "3.13" and one of Lambda's two architectures, "x86_64" or "arm64"."""

    python: str
    arch: str

    def __post_init__(self) -> None:
        if self.arch not in MACHINES:
            raise PackageError(f"no architecture {self.arch!r} on AWS Lambda; it has: {', '.join(MACHINES)}")
        if self.python not in PYTHONS:
            raise PackageError(f"no Python {self.python!r} for AWS Lambda here; there are: {', '.join(PYTHONS)}")

    @property
    def machine(self) -> str:
        """The architecture as wheels and ELF headers name it."""
        return MACHINES[self.arch]

    @property
    def soabi(self) -> str:
        """The part of an extension module's file name that says what can load it."""
        return f"cpython-{self.python.replace('.', '')}-{self.machine}-linux-gnu"

    @property
    def runtime(self) -> str:
        """AWS's managed runtime of this Python."""
        return f"python{self.python}"

    def platforms(self) -> list[str]:
        """The platform tags of wheels that run there, the newest first.

        pip takes each tag literally: asked for manylinux_2_28 it leaves manylinux_2_17 out.
        """
        newest = GLIBC_OF_RUNTIME.get(self.runtime, GLIBC)
        numbered = [f"manylinux_2_{minor}_{self.machine}" for minor in range(newest, OLDEST_MANYLINUX - 1, -1)]
        return [*numbered, f"manylinux2014_{self.machine}"]


def here() -> Target:
    """The target that is most like this machine."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    arch = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    return Target(version if version in PYTHONS else PYTHONS[-1], arch)
