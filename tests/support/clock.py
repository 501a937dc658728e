"""A clock that a test moves forward, so that what depends on time never depends on how busy the machine is."""


class Clock:
    """Stands in for the module `time`: it stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asleep = 0.0

    def sleep(self, seconds: float) -> None:
        """Moves on while the process is stopped."""
        self.asleep += seconds
        self.now += seconds

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        """The process is busy whenever it is not stopped."""
        return self.now - self.asleep
