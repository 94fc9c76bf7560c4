"""The Python version and processor that an archive is for, and what AWS Lambda has there."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import Self

from runtime.package.errors import PackageError

#: Lambda's architectures, and their names in ELF headers, wheels and `uname`.
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
#: A patch release of each, of December 2025 (python.org/downloads): AWS's runtimes have it or a later one. Without one,
#: uv resolves for 3.11.0, and `redis` brings `async-timeout`, which only 3.11.0 to 3.11.2 need.
PATCHES = {"3.11": 14, "3.12": 12, "3.13": 11, "3.14": 2}
RUNTIMES = (*(f"python{version}" for version in PYTHONS), "provided.al2", "provided.al2023")

#: The N of glibc 2.N on the operating system of a runtime: Amazon Linux 2 has 2.26, Amazon Linux 2023 has 2.34.
#: python3.11 is the last Python runtime on Amazon Linux 2 (docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html).
GLIBC_OF_RUNTIME = {"python3.11": 26, "provided.al2": 26}
GLIBC = 34
#: The N of each manylinux_2_N that uv resolves for, up to GLIBC (docs.astral.sh/uv/reference/cli, --python-platform).
UV_MANYLINUX = (17, 28, 31, 32, 33, 34)

#: Bytes of a direct upload, and of an unpacked function with its layers
#: (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
MAX_ZIPPED = 50 * 1024 * 1024
MAX_UNZIPPED = 250 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BuildTarget:
    """A Python version such as "3.13" and one of Lambda's two architectures, "x86_64" or "arm64"."""

    python: str
    arch: str

    def __post_init__(self) -> None:
        if self.arch not in MACHINES:
            raise PackageError(f"unknown architecture: {self.arch!r}; AWS Lambda has: {', '.join(MACHINES)}")
        if self.python not in PYTHONS:
            raise PackageError(f"unknown Python version: {self.python!r}; available: {', '.join(PYTHONS)}")

    @classmethod
    def here(cls) -> Self:
        """The target that is most like this machine."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        arch = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
        return cls(version if version in PYTHONS else PYTHONS[-1], arch)

    @property
    def machine(self) -> str:
        """The architecture as wheels and ELF headers name it."""
        return MACHINES[self.arch]

    @property
    def release(self) -> str:
        """The full version, such as "3.13.11"."""
        return f"{self.python}.{PATCHES[self.python]}"

    @property
    def soabi(self) -> str:
        """The tag in the names of extension modules that this Python loads."""
        return f"cpython-{self.python.replace('.', '')}-{self.machine}-linux-gnu"

    @property
    def runtime(self) -> str:
        """The name of AWS's managed runtime for this Python."""
        return f"python{self.python}"

    @property
    def glibc(self) -> int:
        """The N of glibc 2.N on the system of the managed runtime."""
        return GLIBC_OF_RUNTIME.get(self.runtime, GLIBC)

    @property
    def uv_platform(self) -> str:
        """The platform as uv names it: the newest of its manylinux tags that the system's glibc allows."""
        newest = max(minor for minor in UV_MANYLINUX if minor <= self.glibc)
        return f"{self.machine}-manylinux_2_{newest}"

    def markers(self) -> dict[str, str]:
        """The values of environment markers (packaging.python.org/en/latest/specifications/dependency-specifiers)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self.release,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.release,
            "python_version": self.python,
            "sys_platform": "linux",
        }
