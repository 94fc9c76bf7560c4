"""A handler that is ready to be called."""

from __future__ import annotations

from dispatch.invocation import handled
from dispatch.response import while_handling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.locate import Target
    from dispatch.response import Response
    from dispatch.types import Handler

    #: Returns the function that calls a hook in all plugins, by keyword; None if no plugin implements the hook.
    Hooks = Callable[[str], Callable[..., None] | None]


__all__ = ["Function"]


class Function:
    """A loaded function: its handler, and the plugins that observe it.

    Attributes:
        handler: answers an invocation.
        user_object: the user's own object, which the handler string names.
        convention: the name of the chosen convention.
        target: what the handler string names.
        chosen_by: why `auto` chose the convention, as a clause; empty if the convention was requested by name.
        before_invoke, after_invoke: notify the plugins, by keyword; None if no plugin implements the hook.
    """

    __slots__ = (
        *("_hint", "_hooks", "after_invoke", "before_invoke", "chosen_by", "convention", "handler", "target"),
        "user_object",
    )

    def __init__(
        self, handler: Handler, user_object: Any, convention: str, target: Target, hooks: Hooks, *, chosen_by: str = ""
    ) -> None:
        self.handler = handler
        self.user_object = user_object
        self.convention = convention
        self.target = target
        self.chosen_by = chosen_by
        self._hint = getattr(handler, "hint", None) if chosen_by else None
        self._hooks = hooks
        self.before_invoke = hooks("before_invoke")
        self.after_invoke = hooks("after_invoke")

    def start(self) -> None:
        """Let the handler start what it needs in this execution environment. Raises what the handler raises."""
        startup = getattr(self.handler, "startup", None)
        if startup is not None:
            startup()

    def stop(self) -> None:
        """Let the handler stop what it has started."""
        shutdown = getattr(self.handler, "shutdown", None)
        if shutdown is not None:
            shutdown()

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call a hook in every plugin that implements it: `startup`, `before_fork`, `shutdown`."""
        implemented = self._hooks(hook)
        if implemented:
            implemented(**arguments)

    def hint(self, invocation: Invocation) -> str:
        """What to set if `auto` chose a convention that the function was not written for; empty if there is no sign.

        Args:
            invocation: one that has failed. Once there was a hint, or the handler's own function raised, there is none
                for later ones.
        """
        hint, self._hint = self._hint, None
        advice = hint(invocation) if hint else ""
        if not advice:
            self._hint = hint
            return ""
        return f"auto chose the convention {self.convention}, because {self.chosen_by}; {advice}"

    def __call__(self, invocation: Invocation) -> Response:
        """Handle an event without calling the hooks, for tests and for programs that embed a function."""
        token = handled.set(invocation)
        try:
            response = self.handler(invocation)
        finally:
            handled.reset(token)
        if not isinstance(response.body, bytes):
            response.body = while_handling(invocation, response.body)
        return response
