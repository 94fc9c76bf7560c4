"""Build the documentation site into site/: `dev` from this checkout, and a folder for each release.

Run it in an environment with the extra `docs`: python scripts/website.py

A release is a tag `v1.2.3` whose tree has a zensical.toml; it is built from that tree. `latest` is a copy of the newest
release, or of `dev` while there is none, and the root leads to it. The theme's version menu reads `versions.json`.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = "zensical.toml"

#: The page at the root, which leads to the newest version.
ENTRY = """\
<!doctype html>
<html lang="en">
<title>Dispatch</title>
<meta http-equiv="refresh" content="0; url=latest/">
<a href="latest/">The documentation of Dispatch</a>
</html>
"""


def git(*arguments: str) -> bytes:
    """What git prints in this checkout; empty where there is no git or no repository."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""


def releases() -> list[str]:
    """The versions of the tags that have documentation, the newest first."""
    tags = re.findall(r"^v(\d+\.\d+\.\d+)$", git("tag").decode(), re.MULTILINE)
    documented = [tag for tag in tags if git("ls-tree", "--name-only", f"v{tag}", CONFIGURATION)]
    return sorted(documented, key=lambda version: [int(part) for part in version.split(".")], reverse=True)


def build(source: Path, target: Path) -> None:
    """Build the documentation of a tree.

    Raises:
        subprocess.CalledProcessError: Zensical found something wrong, and has printed it.
    """
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    subprocess.run(command, cwd=source, env={"NO_COLOR": "1", **os.environ}, check=True)
    settings = tomllib.loads((source / CONFIGURATION).read_text(encoding="utf-8"))
    shutil.copytree(source / settings["project"]["site_dir"], target)


def main() -> None:
    """Build all versions, the list of them, and the entry."""
    site = ROOT / "site"
    shutil.rmtree(site, ignore_errors=True)
    build(ROOT, site / "dev")
    versions = releases()
    for version in versions:
        with tempfile.TemporaryDirectory() as folder:
            with tarfile.open(fileobj=io.BytesIO(git("archive", f"v{version}"))) as archive:
                archive.extractall(folder, filter="data")
            build(Path(folder), site / version)
    listed = [*versions, "dev"]
    entries = [{"version": name, "title": name, "aliases": ["latest"] * (name == listed[0])} for name in listed]
    shutil.copytree(site / listed[0], site / "latest")
    (site / "versions.json").write_text(json.dumps(entries), encoding="utf-8")
    (site / "index.html").write_text(ENTRY, encoding="utf-8")
    shutil.copy(site / "latest" / "llms.txt", site)
    print(f"built {', '.join(listed)} in {site}")


if __name__ == "__main__":
    main()
