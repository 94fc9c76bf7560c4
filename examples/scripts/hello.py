"""A script that returns the same answer for every event."""

print("Hello, world!")
