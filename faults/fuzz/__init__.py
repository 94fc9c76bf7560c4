"""Random inputs for every parser: `python -m faults.fuzz NAME --seconds 60`, guided by coverage (atheris)."""
