"""Every error that this project raises, as one tree; each class knows the error type that it is reported by.

The types are those of AWS's own runtimes where AWS has one for the case.
"""


class DispatchError(Exception):
    """The root of the tree.

    Attributes:
        facts: what the error is about, by name (`module`, `attribute`, `reason`), for a convention that words it anew.
    """

    error_type = "Runtime.Unknown"

    def __init__(self, message: str, **facts: str) -> None:
        """Make the error.

        Args:
            message: says what was looked for, where, and what there is instead.
            facts: see the attribute.
        """
        super().__init__(message)
        self.facts = facts


class SettingError(DispatchError):
    """An environment variable or option has a value that cannot be used."""

    error_type = "Runtime.InvalidSetting"


class MalformedHandlerName(DispatchError):
    """The handler string is empty, is no handler string at all, or would leave the task root."""

    error_type = "Runtime.MalformedHandlerName"


class HandlerNotFound(DispatchError):
    """The module or script is there, the function in it is not."""

    error_type = "Runtime.HandlerNotFound"


class ImportModuleError(DispatchError):
    """There is no such module or file, or one that it imports is missing."""

    error_type = "Runtime.ImportModuleError"


class UserCodeSyntaxError(DispatchError):
    """The user's source cannot be compiled."""

    error_type = "Runtime.UserCodeSyntaxError"


class BuiltInModuleConflict(DispatchError):
    """The handler's module has the name of a module that is compiled into Python."""

    error_type = "Runtime.BuiltInModuleConflict"


class UnknownConvention(DispatchError):
    """No plugin offers the convention."""

    error_type = "Runtime.UnknownConvention"


class PluginError(DispatchError):
    """A plugin that was asked for cannot be used."""

    error_type = "Runtime.PluginError"


class UnmarshalError(DispatchError):
    """The event is not what the convention takes: not text in this encoding, not JSON."""

    error_type = "Runtime.UnmarshalError"


class MarshalError(DispatchError):
    """The answer is not what the convention can send."""

    error_type = "Runtime.MarshalError"


class ContextUnmarshalError(DispatchError):
    """A header that carries JSON for the context object carries something else."""

    error_type = "Runtime.LambdaContextUnmarshalError"


class ExitError(DispatchError):
    """The handler ended the process, or tried to."""

    error_type = "Runtime.ExitError"


class BeforeSnapshotError(DispatchError):
    """A hook that runs before the snapshot is taken failed."""

    error_type = "Runtime.BeforeSnapshotError"


class AfterRestoreError(DispatchError):
    """A hook that runs after a snapshot was restored failed."""

    error_type = "Runtime.AfterRestoreError"


class RuntimeApiError(DispatchError):
    """The Runtime API cannot be used any more; the process has to end."""

    error_type = "Runtime.LambdaRuntimeClientError"


class ResponseTooLarge(DispatchError):
    """The answer is larger than Lambda takes."""

    error_type = "Function.ResponseSizeTooLarge"


class Terminated(SystemExit):
    """Raised by SIGTERM (or Ctrl-C) wherever the process is. A subclass of SystemExit, which asyncio lets pass."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(status)
        self.reason = reason
        self.status = status

    def __str__(self) -> str:
        return f"the execution environment was ended by {self.reason}"
