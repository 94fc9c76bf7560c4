"""A script that answers nothing."""
