"""Measures this runtime and AWS's `awslambdaric` side by side, in one run on one machine: `python -m benchmarks`."""
