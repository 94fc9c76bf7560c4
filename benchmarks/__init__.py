"""Measures this runtime beside AWS's `awslambdaric`, in one run on one machine: ``python -m benchmarks``."""
