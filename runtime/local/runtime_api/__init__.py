"""The Runtime API and the Extensions API of one execution environment."""
