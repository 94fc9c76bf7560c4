"""The event sources that the local platform polls, one file for each kind."""
