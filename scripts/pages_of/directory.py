"""The page of the plugin directory, made from its list, `docs/plugins/directory.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

DIRECTORY = """\
# Plugin directory

This page lists plugins for Dispatch. The project does not check or maintain other people's plugins. To see what an
installed plugin adds, run `dispatch plugins`.

| plugin | purpose | conventions | hooks | licence |
|---|---|---|---|---|
"""

ADD = """
## Add yours

1. Add a table to [the list of plugins](directory.toml), `docs/plugins/directory.toml`, which is sorted by name:

   ```toml
   [acme-dispatch-csv]
   does = "Handlers that receive and return the rows of a CSV file"
   conventions = ["csv"]
   repository = "https://github.com/acme/acme-dispatch-csv"
   licence = "MIT"
   ```

2. Run `python scripts/pages.py`, and open a pull request.

Or fill in the [form for a plugin](https://github.com/handler-dispatch/handler-dispatch/issues/new?template=plugin.yml).

If your plugin observes, list its hooks: `hooks = ["before_invoke", "after_invoke"]`. The licence is an SPDX identifier.
Your plugin needs its own tests, and a README that describes its settings.
"""


def entry(name: str, facts: dict[str, Any]) -> str:
    """The row of a plugin."""
    listed = [", ".join(f"`{one}`" for one in facts.get(kind, ())) for kind in ("conventions", "hooks")]
    return f"| [{name}]({facts['repository']}) | {facts['does']} | {listed[0]} | {listed[1]} | {facts['licence']} |"


def listed(docs: Path) -> dict[str, dict[str, Any]]:
    """The plugins of the directory, by their names."""
    return tomllib.loads((docs / "plugins" / "directory.toml").read_text(encoding="utf-8"))


def pages(docs: Path) -> dict[Path, str]:
    """The page, and what it has to be."""
    rows = "".join(f"{entry(name, facts)}\n" for name, facts in listed(docs).items())
    return {docs / "plugins" / "directory.md": DIRECTORY + rows + ADD}
