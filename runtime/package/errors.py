"""What `dispatch build` and `dispatch publish` raise when something can't be done: the message is for the user."""


class PackageError(Exception):
    """An archive can't be built or published; the message says what was looked for, where, what there is instead."""
