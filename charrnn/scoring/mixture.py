"""The mixture of what learned and trained weights predict: the better one was lately, the more it counts.

Of a character that follows v, the learned weights say p_a and the trained ones p_b. A unit mixes them:

    p_u = w p_a + (1 - w) p_b        w = σ(θ · f + c_v)

f is 1, and the mean advantage of the learned weights, log p_a - log p_b within ±`MAX_ADVANTAGE`, over each of the
`SPANS` before the character. After each `UPDATE_EVERY` characters θ, and c, a number for each v, go down the gradient
of the sum of -log p_u, which is of a character (w - w p_a / p_u) f, and w - w p_a / p_u. So a gating network of a
single unit learns whom to trust, and where (R. Jacobs, M. Jordan, S. Nowlan, G. Hinton, "Adaptive Mixtures of Local
Experts", 1991).

Then p_u and p_b are mixed in turn, by how well each has predicted so far (fixed share; M. Herbster, M. Warmuth, 1998).
So no text costs more than it does with the trained weights, log 2 nats, and -log(1 - `SHARE` / 2) for each update.
"""

import numpy as np

from charrnn.layers.activations import sigmoid
from charrnn.types import Array, Ids

SPANS = (2, 8, 32, 128)
"""In characters; powers of two."""
FIRST_THETA = (0.0, 1.0, 1.0, 1.0, 4.0)
"""θ where a text begins."""
RATE = 0.15
"""How far θ and c go down the gradient. Between 0.1 and 0.2 all are alike."""
UPDATE_EVERY = 100
"""In characters. From 20 on all are alike, and many take less time."""
SHARE = 0.01
"""The part of the second mixture that is shared out anew at each update, so that it can change its mind."""
MAX_ADVANTAGE = 2.0
"""The largest advantage or disadvantage of one character in f, in nats."""
MAX_LOGIT = 8.0
"""So w is between 0.0003 and 0.9997: what one of the two finds impossible can happen. θ and c learn beyond it too."""
KEPT = 0.95
"""What is kept at each update of the mean in `Mixture.advantage`."""


class Mixture:
    """What the two mixtures have learned from a text."""

    def __init__(self, V: int):
        """For a vocabulary of this size."""
        self._theta, self._c = np.array(FIRST_THETA), np.zeros(V)
        self._theta_change, self._c_change = np.zeros_like(self._theta), np.zeros_like(self._c)
        """Minus the gradients since the last update."""
        self._log_odds = 0.0
        """Of p_u against p_b, in the second mixture."""
        self._recent = np.zeros(SPANS[-1])
        """The advantages of the last characters."""
        self._size = 0
        """The characters since the last update."""
        self._total, self._count = 0.0, float(UPDATE_EVERY)
        """Of the mean of advantages, which begins as if there had been some of zero."""

    @property
    def advantage(self) -> float:
        """The mean advantage of the learned weights over the last 2,000 characters or so, in nats, each within ±2."""
        return self._total / self._count

    def nats(self, learned: Array, trained: Array, before: Ids) -> Array:
        """-log p [N] of characters, from -log p_a [N], -log p_b [N], and the characters before.

        That of the learned weights may be NaN or infinite.
        """
        N, advantages = len(trained), trained.astype(np.float64) - learned
        advantages[np.isnan(advantages)] = -np.inf
        limited = np.clip(advantages, -MAX_ADVANTAGE, MAX_ADVANTAGE)
        known = np.concatenate([self._recent, limited])
        f, self._recent, gains = _features(known, N), known[N:], np.empty(N)
        first = 0
        while first < N:
            part = slice(first, min(N, first + UPDATE_EVERY - self._size))
            by_unit = self._gains_of_unit(f[part], before[part], advantages[part])
            so_far = np.cumsum(by_unit)
            gains[part] = _gains(self._log_odds + so_far - by_unit, by_unit)
            self._log_odds += so_far[-1]
            self._total += limited[part].sum()
            self._size, self._count = self._size + len(so_far), self._count + len(so_far)
            first = part.stop
            if self._size == UPDATE_EVERY:
                self._update()
        return trained - gains

    def _gains_of_unit(self, f: Array, v: Ids, advantages: Array) -> Array:
        """log p_u - log p_b [n], of which the unit will learn at the next update."""
        logits = np.clip(f @ self._theta + self._c[v], -MAX_LOGIT, MAX_LOGIT)
        raised = logits + advantages
        change = sigmoid(raised, raised) - sigmoid(logits, np.empty_like(logits))  # w p_a / p_u - w
        self._theta_change += change @ f
        np.add.at(self._c_change, v, change)
        return _gains(logits, advantages)

    def _update(self) -> None:
        self._theta += RATE * self._theta_change
        self._c += RATE * self._c_change
        self._theta_change[:], self._c_change[:], self._size = 0, 0, 0
        # σ(log_odds) becomes (1 - SHARE) σ(log_odds) + SHARE / 2
        most, least = np.log(1 - SHARE / 2), np.log(SHARE / 2)
        self._log_odds = np.logaddexp(self._log_odds + most, least) - np.logaddexp(self._log_odds + least, most)
        self._total, self._count = KEPT * self._total, KEPT * self._count


def _gains(logits: Array, advantages: Array) -> Array:
    """log(w e^a + 1 - w) of advantages a, with w = σ(logit): what a mixture gains over the one that has 1 - w."""
    gains: Array = np.logaddexp(0, logits + advantages) - np.logaddexp(0, logits)
    return gains


def _features(advantages: Array, N: int) -> Array:
    """f [N, 1 + spans] of the last N characters, from their advantages and those of the characters before them."""
    columns, sums, span = [np.ones(N)], advantages, 1
    while span < SPANS[-1]:
        sums, span = sums[span:] + sums[:-span], 2 * span
        if span in SPANS:
            columns.append(sums[-N - 1 : -1] / span)
    return np.stack(columns, axis=1)
