"""Faults on purpose, many times over: `python -m faults` tries each and reports what was seen.

docs/explanations/reliability.md has the report.

What it starts and watches, it starts and watches as the tests do, with `tests/support`.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
