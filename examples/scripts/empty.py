"""A script whose answer is empty."""
