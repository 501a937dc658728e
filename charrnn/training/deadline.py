"""The deadline: ends a run on time, by planning with the speed of its steps so far."""

import math
from collections.abc import Sequence
from dataclasses import replace

from charrnn.config import ANNEALED, TrainingConfig
from charrnn.training import descent
from charrnn.training.state import Evaluation
from charrnn.training.usable_time import UsableTime

MIN_SECONDS = 1.0
"""The shortest training time, in seconds."""
STEP_TIME_SHARE = 0.97
"""The time to plan for a step, as a share of the time that the steps so far took.

The last hundredths of a cooldown change next to nothing. So it is better if the time runs out a little before the steps
do than after them, at a rate of zero.
"""


class Deadline:
    """The clock of a run, from its creation to the end of the evaluation and the save after the last step.

    It keeps the learning rate of an annealed schedule constant until the cooldown has to begin, and then plans as many
    steps as fit. Time in which the process can't run does not count: see `UsableTime`.
    """

    def __init__(self, seconds: float, cooldown: float):
        """`cooldown` is the share of the steps' time in which the learning rate falls."""
        self.seconds = seconds
        self.clock = UsableTime()
        self.end = self.clock.now() + seconds
        """When the time is up, by this clock."""
        self.cooldown = cooldown
        self.evaluation = 0.0
        """The seconds of an evaluation: one follows the last step."""
        self.saving = 0.0
        """The seconds of a save: one follows the evaluation. At most a twentieth of all time is planned for it."""
        self.start: int | None = None
        """The step at which the clock started; the first step is not measured, since it may compile."""
        self.since = 0.0
        """When the first step was done."""
        self.marks = [(0, 0.0), (0, 0.0)]
        """(steps since then, time), twice: a step's time is measured over at least the latter half of all steps."""
        self.cooling = False
        self.max_steps = math.inf
        """The steps after which there is little more to learn from the text: the run ends, however early it is.

        While the validation loss falls steeply they become more.
        """
        self.patience = 0
        """The evaluations without a better model after which the run ends, if it does not say so itself; 0: none."""

    def remaining(self) -> float:
        """The seconds until the time is up."""
        return self.end - self.clock.now()

    def left(self) -> float:
        """The seconds left for steps."""
        return self.remaining() - self.evaluation - min(self.saving, self.seconds / 20)

    def budget(self) -> float:
        """The seconds to plan steps for: those left, but at least a second."""
        return max(self.left(), MIN_SECONDS)

    def pause(self, seconds: float) -> None:
        """Excludes seconds that were spent on something other than steps from the time of a step."""
        self.since += seconds
        self.marks = [(done, when + seconds) for done, when in self.marks]

    def restart(self) -> None:
        """Forgets the steps so far: training was rolled back, and the remaining time is planned anew."""
        self.start, self.cooling = None, False

    def plan(self, config: TrainingConfig, step: int, history: Sequence[Evaluation] = ()) -> TrainingConfig:
        """The configuration with the number of steps that the time allows; called after every step.

        `history` has the evaluations so far.
        """
        now, left = self.clock.now(), self.left()
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
        full_rate = 1 - self.cooldown * anneals
        if step >= full_rate * self.max_steps and not self.cooling and descent.is_steep(history):
            self.max_steps = math.ceil((step + 1) / full_rate)
        is_late = left <= self.cooldown * (left + now - self.since)
        if anneals and not self.cooling and (is_late or step >= full_rate * self.max_steps):
            self.cooling = True
            steps, when = self.marks[0]
            each = (now - when) / (done - steps) if done else left
            cooldown = max(1, int(min(left / (STEP_TIME_SHARE * each), self.max_steps - step)))
            end, start = step + cooldown, max(step, config.warmup)  # the warm-up comes first
            return replace(config, hold=start - config.warmup, cooldown=max(1, end - start), steps=end)
        more = max(1, step // 20)  # matters only if the run stops here and resumes without a deadline
        if anneals and not self.cooling and step >= config.warmup + config.hold:
            hold = step - config.warmup + more
            return replace(config, hold=hold, steps=config.warmup + hold + config.cooldown)
        if not anneals and step >= min(config.steps, self.max_steps):
            return replace(config, steps=int(min(step + more, self.max_steps)))
        return config
