"""All errors that this project raises, as one tree; each class knows the error type under which it is reported.

Where AWS's own runtimes have a type for the case, it is that one.
"""

from dispatch.protocol import EXCEEDED, RESPONSE_LIMIT


class DispatchError(Exception):
    """The base class of all errors of this project.

    Attributes:
        error_type: the type under which the error is reported; each class has its own.
        facts: what the error is about, by name (`module`, `attribute`, `reason`), for a convention that has its own
            wording.
    """

    error_type = "Runtime.Unknown"

    def __init__(self, message: str, **facts: str) -> None:
        """Create the error.

        Args:
            message: what is wrong, the value, and what to do or what there is instead.
            facts: what the error is about, by name.
        """
        super().__init__(message)
        self.facts = facts


class SettingError(DispatchError):
    """An environment variable or option has a value that cannot be used."""

    error_type = "Runtime.InvalidSetting"


class MalformedHandlerName(DispatchError):
    """The handler string is empty, is not a handler string at all, or would leave the task root."""

    error_type = "Runtime.MalformedHandlerName"


class HandlerNotFound(DispatchError):
    """The module or script exists, but the function is not in it."""

    error_type = "Runtime.HandlerNotFound"


class ImportModuleError(DispatchError):
    """The module or file does not exist, or a module that it imports does not."""

    error_type = "Runtime.ImportModuleError"


class UserCodeSyntaxError(DispatchError):
    """The user's source cannot be compiled."""

    error_type = "Runtime.UserCodeSyntaxError"


class BuiltInModuleConflict(DispatchError):
    """The handler's module has the same name as a module that is compiled into Python."""

    error_type = "Runtime.BuiltInModuleConflict"


class UnknownConvention(DispatchError):
    """No plugin offers the convention."""

    error_type = "Runtime.UnknownConvention"


class PluginError(DispatchError):
    """A plugin that was requested cannot be used."""

    error_type = "Runtime.PluginError"


class UnmarshalError(DispatchError):
    """The convention cannot read the event: it is not text in this encoding, or not JSON."""

    error_type = "Runtime.UnmarshalError"


class MarshalError(DispatchError):
    """The convention cannot send the answer."""

    error_type = "Runtime.MarshalError"


class ContextUnmarshalError(DispatchError):
    """A header that should hold JSON for the context object holds something else."""

    error_type = "Runtime.LambdaContextUnmarshalError"


class ExitError(DispatchError):
    """The handler ended the process, or tried to."""

    error_type = "Runtime.ExitError"


class ApplicationError(DispatchError):
    """The user's application reports a failure of its own, as a status or in words."""

    error_type = "ApplicationError"


class BeforeSnapshotError(DispatchError):
    """A hook that runs before the snapshot has failed."""

    error_type = "Runtime.BeforeSnapshotError"


class AfterRestoreError(DispatchError):
    """A hook that runs after the snapshot is restored has failed."""

    error_type = "Runtime.AfterRestoreError"


class RuntimeApiError(DispatchError):
    """The Runtime API can no longer be used; the process has to end."""

    error_type = "Runtime.LambdaRuntimeClientError"


class ResponseTooLarge(DispatchError):
    """The answer is larger than Lambda accepts."""

    error_type = "Function.ResponseSizeTooLarge"

    def __init__(self, size: int) -> None:
        """Create the error, in the words of Lambda; `size` is in bytes."""
        super().__init__(f"Response payload size ({size} bytes) {EXCEEDED.format(RESPONSE_LIMIT)}")


class Terminated(SystemExit):
    """SIGTERM or Ctrl-C, raised wherever the process is; derived from SystemExit, because asyncio lets that through."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(status)
        self.reason = reason
        self.status = status

    def __str__(self) -> str:
        return f"the execution environment was ended by {self.reason}"
