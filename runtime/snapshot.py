"""Runs the hooks of SnapStart, before the function's snapshot is taken and after it is restored.

Functions register hooks with AWS's package `snapshot_restore_py`; plugins have `dispatch_before_snapshot` and
`dispatch_after_restore`.
"""

from __future__ import annotations

import sys

from dispatch.errors import AfterRestoreError, BeforeSnapshotError, Terminated
from dispatch.late import import_every

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.environment import Environment

#: The exit statuses of AWS's own runtime client.
BEFORE_SNAPSHOT_FAILED = 64
AFTER_RESTORE_FAILED = 65


def snapshot(environment: Environment) -> int:
    """Run the hooks around the snapshot; returns 0, or the exit status after a failure, which has been reported."""
    client, function = environment.client, environment.function
    try:
        import_every()
        function.notify("before_snapshot")
        registered = _registered("get_before_snapshot")
        while registered:
            call, arguments, options = registered.pop()
            call(*arguments, **options)
        client.restore_next()
    except Terminated:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a hook raises is reported
        client.init_error(environment.report(error), BeforeSnapshotError.error_type)
        return BEFORE_SNAPSHOT_FAILED
    try:
        reseed()
        for call, arguments, options in _registered("get_after_restore"):
            call(*arguments, **options)
        function.notify("after_restore")
    except Terminated:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a hook raises is reported
        client.restore_error(environment.report(error), AfterRestoreError.error_type)
        return AFTER_RESTORE_FAILED
    return 0


def _registered(name: str) -> Any:
    """The registered hooks; none if AWS's package has not been imported."""
    module = sys.modules.get("snapshot_restore_py")
    return getattr(module, name)() if module else []


def reseed() -> None:
    """Reseed random generators, so that environments with a common past draw different numbers."""
    for name in ("random", "numpy.random"):
        seed = getattr(sys.modules.get(name), "seed", None)  # the task root may have its own random.py
        if seed is not None:
            seed()
