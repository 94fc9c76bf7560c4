"""A script that answers the same to every event."""

print("Hello, world!")
