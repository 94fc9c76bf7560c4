"""The same handler with a thousand modules of its own, like a larger application."""

from importlib import import_module
from pathlib import Path

for file in sorted(Path(__file__).parent.joinpath("modules").glob("*.py")):
    import_module(f"modules.{file.stem}")


def handler(event: object, context: object) -> object:
    return event
