"""Write the pages that are made from something else: the commands, the public API and the plugin directory.

Run it in the environment in which Dispatch is installed: python scripts/pages.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # also where the tests run it

from pages_of import api, commands, directory

DOCS = Path(__file__).resolve().parent.parent / "docs"


def pages() -> dict[Path, str]:
    """The pages, and what each has to be."""
    return {**commands.pages(DOCS), **api.pages(DOCS), **directory.pages(DOCS)}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
