"""The diagrams of the documentation, for the command `python scripts/pictures.py`."""
