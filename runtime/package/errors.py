"""The error that `dispatch build` and `dispatch publish` show to the user."""


class PackageError(Exception):
    """An archive cannot be built, checked or published; the message says what is wrong and what to do."""
