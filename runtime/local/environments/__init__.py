"""Execution environments: their processes, their logs, and the platform that starts them on demand."""
