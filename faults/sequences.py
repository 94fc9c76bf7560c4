"""Placeholder until the runtime's sequences are merged."""

FAULTS = ()
