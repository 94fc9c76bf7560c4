"""Ports: conventions for functions that were written for another platform, whose files run here unchanged."""
