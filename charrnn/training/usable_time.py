"""The usable time: a clock that stands still while the process is stopped, or the machine sleeps."""

import sys
import time
import weakref
from threading import Event, Lock, Thread

BEAT = 0.05
"""The seconds between two looks at the clock."""
MIN_GAP = 1.0
"""The fewest seconds between two looks that are a gap: a busy machine may delay a look by a few tenths."""
MAX_BUSY_SHARE = 0.5
"""The most processor time in a gap, as a share of it: a process that is only too busy to look uses more."""
CLOCKS = {"linux": "CLOCK_BOOTTIME", "darwin": "CLOCK_MONOTONIC"}
"""The clock that goes on while the machine sleeps, where `time.monotonic` does not."""


class UsableTime:
    """A clock that leaves out the gaps in which the process could not run.

    A thread looks at a clock that is never set, twenty times a second. If much more time has passed since the last
    look, and the process used no processor meanwhile, it was stopped, or the machine slept.
    """

    def __init__(self) -> None:
        self.gaps = 0.0
        """The seconds of all gaps so far."""
        self._lock = Lock()
        self._seen, self._used = _elapsed(), time.process_time()

    def now(self) -> float:
        """The seconds since some point in the past, without the gaps."""
        with self._lock:
            seen, used = _elapsed(), time.process_time()
            passed, busy = seen - self._seen, used - self._used
            if passed >= MIN_GAP and busy < MAX_BUSY_SHARE * passed:
                self.gaps += passed
            self._seen, self._used = seen, used
            return seen - self.gaps

    def watch(self) -> None:
        """Looks at the clock in a thread, for as long as this object is in use."""
        Thread(target=_watch, args=(weakref.ref(self),), daemon=True).start()


def _watch(reference: "weakref.ref[UsableTime]") -> None:
    """Looks at a clock until nothing refers to it any more."""
    never = Event()
    while (clock := reference()) is not None:
        clock.now()
        del clock
        never.wait(BEAT)


def _elapsed() -> float:
    """The seconds of a clock that is never set, and goes on while the machine sleeps if the system has such a one."""
    number = getattr(time, CLOCKS.get(sys.platform, ""), None)
    return time.monotonic() if number is None else time.clock_gettime(number)
