"""The Lambda runtime, the local platform, packaging, and the `dispatch` command."""
