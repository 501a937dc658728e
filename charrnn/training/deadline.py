"""The pace: how fast this machine learns, and so how many steps a run takes that has to end on time."""

import time
from dataclasses import replace

from charrnn.config import ANNEALED, TrainingConfig

MIN_SECONDS = 1.0
"""Seconds of a run, at the least."""
STEP_TIME_SHARE = 0.97
"""The share of the time of the steps until now that each of the steps to come is planned with.

The last hundredths of a cooldown change next to nothing. So it is better for the time to end a little before the steps
do than after them, with nothing left to learn at a rate of zero.
"""


class Deadline:
    """The clock of a run that has so many seconds, from when it is made to the end of what comes after the last step.

    It keeps the rate of a schedule that anneals where it is, until it is time to let it fall, in as many steps as fit.
    """

    def __init__(self, seconds: float, cooldown: float):
        """`cooldown` is the share of the time for steps in which the rate falls."""
        self.seconds = seconds
        self.end = time.monotonic() + seconds
        self.cooldown = cooldown
        self.evaluation = 0.0
        """Seconds of an evaluation, as one will follow the last step."""
        self.saving = 0.0
        """Seconds of a save, as one will follow that; if a disk is slow for once, no more than a twentieth of all."""
        self.start: int | None = None
        """The step before the first; which counts for nothing, since it may compile."""
        self.since = 0.0
        """When the first step was done."""
        self.marks = [(0, 0.0), (0, 0.0)]
        """Steps done since then and when: by these a step's time is that of the later ones, half of all at least."""
        self.cooling = False

    def left(self) -> float:
        """The seconds for more steps."""
        return self.end - self.evaluation - min(self.saving, self.seconds / 20) - time.monotonic()

    def budgeted(self) -> float:
        """The seconds for more steps that are planned with: a second, where even that isn't left."""
        return max(self.left(), MIN_SECONDS)

    def pause(self, seconds: float) -> None:
        """Takes note of seconds in which something else was done than steps, and may never be again."""
        self.since += seconds
        self.marks = [(done, when + seconds) for done, when in self.marks]

    def restart(self) -> None:
        """Forgets the steps until now: the training was taken back, and what is left of the time is planned anew."""
        self.start, self.cooling = None, False

    def planned(self, config: TrainingConfig, step: int) -> TrainingConfig:
        """The configuration with the end that the time allows, to be asked for after every step."""
        now, left = time.monotonic(), self.left()
        if self.start is None:
            self.start = step
            return replace(config, steps=max(config.steps, step + 1))
        done = step - self.start - 1
        if not done:
            self.since = now
            self.marks = [(0, now), (0, now)]
        elif done >= 2 * self.marks[1][0]:
            self.marks = [self.marks[1], (done, now)]
        if left <= 0:
            return replace(config, steps=step)
        anneals = config.schedule in ANNEALED
        if anneals and not self.cooling and left <= self.cooldown * (left + now - self.since):
            self.cooling = True
            steps, when = self.marks[0]
            each = (now - when) / (done - steps) if done else left
            cooldown = max(1, int(left / (STEP_TIME_SHARE * each)))
            end, start = step + cooldown, max(step, config.warmup)  # it can't fall before it has risen
            return replace(config, hold=start - config.warmup, cooldown=max(1, end - start), steps=end)
        more = max(1, step // 20)  # what is planned now matters only to who stops here and resumes without the clock
        if anneals and not self.cooling and step >= config.warmup + config.hold:
            hold = step - config.warmup + more
            return replace(config, hold=hold, steps=config.warmup + hold + config.cooldown)
        if not anneals and step >= config.steps:
            return replace(config, steps=step + more)
        return config
