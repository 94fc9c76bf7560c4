"""`python -m runtime.cli`: the `dispatch` command where its script is not on the path."""

from runtime.cli import main

main()
