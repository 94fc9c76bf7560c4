"""Sequences of faults at the Runtime API: the state machine of the tests, many times over."""

from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test
from test_protocol_sequences import BOUNDS, TRANSPORTS, Sequences

from faults.report import Fault, Plan, Seen


def run(plan: Plan) -> Seen:
    """Run sequences over both transports."""
    count = plan.times(1500, 5)
    bounds = settings(BOUNDS, max_examples=count, derandomize=False, database=None)
    tried = events = 0
    broken = []
    for name, module in TRANSPORTS.items():

        class Counted(Sequences):
            def teardown(self) -> None:
                nonlocal tried, events
                tried += 1
                events += len(self.loop.sent) if hasattr(self, "loop") else 0
                super().teardown()

        Counted.module = module
        try:
            run_state_machine_as_test(seed(plan.seed)(Counted), settings=bounds)
        except Exception as error:  # noqa: BLE001 - hypothesis reports the shortest sequence that fails
            broken.append(f"{name}: {type(error).__name__}: {error} {' '.join(getattr(error, '__notes__', []))}")
    return Seen(
        f"{tried:,} sequences with {events:,} events, over both transports",
        f"{len(broken)} sequences broke a promise",
        tuple(broken),
    )


FAULTS = (
    Fault(
        "sequences",
        "connections that end at a random byte with FIN, RST or a pause, refusals, interim replies, replies without a "
        "request, answers dropped before and after they were read",
        "each event has one answer, its own; an answer that was dropped before it was read whole is sent again, no "
        "other is; the loop goes on",
        run,
    ),
)
