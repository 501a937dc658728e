"""The mixture of what learned and trained weights predict: the better one was lately, the more it counts.

Of a character that follows v, the learned weights say p_a and the trained ones p_b. The mixture says

    p = w p_a + (1 - w) p_b        w = σ(θ · f + c_v)

where f is 1, and the mean of log p_a - log p_b, the advantage of the learned weights, over each of the `SPANS` before
the character. After each segment θ, and c, a number for each v, go down the gradient of its -log p: of a character,
these are (w - w p_a / p) f, and w - w p_a / p. So a gating network of a single unit learns whom to trust, and where (R.
Jacobs, M. Jordan, S. Nowlan, G. Hinton, "Adaptive Mixtures of Local Experts", 1991).

Of two that are of use, it is better than either. If the learned weights are always worse, it costs up to 3 nats in 120
characters, 9 in 1,000 and 18 in 4,000 (the worst of some thousand random series).
"""

import numpy as np

from charrnn.types import Array, Ids

SPANS = (2, 8, 32, 128)
"""In characters; powers of two."""
FIRST_WEIGHTS = (-1.0, 1.0, 1.0, 1.0, 4.0)
"""θ where a text begins: the trained weights count more until the others prove better, so that a short text of the kind
that was learned costs no more than without them."""
SEGMENT = 100
"""The characters after each of which it learns: from 20 on all are alike, and many take less time."""
RATE = 0.15
"""How far it goes down the gradient. Between 0.1 and 0.2 all are alike."""
MAX_ADVANTAGE = 2.0
"""The largest of one character, in nats."""
MAX_LOG_RATIO = 700.0
"""The largest advantage that counts at all: e to the power of more is no number."""
MAX_LOGIT = 8.0
"""So that each of the two always counts: w is within 0.0003 and 0.9997."""
MEMORY = 20
"""The segments over which `Mixture.advantage` is taken."""


class Mixture:
    """The weights of the mixture, which learn from each text anew."""

    def __init__(self, V: int):
        """For a vocabulary of this size."""
        self.advantage = 0.0
        """How much better the learned weights predicted the last 2,000 characters or so, in nats per character."""
        self._weights, self._biases = np.array(FIRST_WEIGHTS), np.zeros(V)
        self._recent = np.zeros(SPANS[-1])
        """The advantages of the last characters."""
        self._begin_segment()

    def _begin_segment(self) -> None:
        self._size, self._sum = 0, 0.0
        self._change, self._change_of_biases = np.zeros_like(self._weights), np.zeros_like(self._biases)

    def nats(self, learned: Array, trained: Array, before: Ids) -> Array:
        """-log p [N] of characters, from what the two say, -log p_a [N] and -log p_b [N], and the characters before.

        That of the learned weights may be NaN or infinite.
        """
        N, advantages = len(trained), trained.astype(np.float64) - learned
        advantages[np.isnan(advantages)] = -np.inf
        ratios = np.exp(np.minimum(advantages, MAX_LOG_RATIO))
        limited = np.clip(advantages, -MAX_ADVANTAGE, MAX_ADVANTAGE)
        known = np.concatenate([self._recent, limited])
        features, self._recent, w = _features(known, N), known[N:], np.empty(N)
        first = 0
        while first < N:
            part = slice(first, min(N, first + SEGMENT - self._size))
            w[part] = self._weigh(features[part], before[part], ratios[part])
            self._sum += limited[part].sum()
            self._size += part.stop - first
            first = part.stop
            if self._size == SEGMENT:
                self._learn()
        nats: Array = trained - np.log(w * ratios + 1 - w)
        return nats

    def _weigh(self, f: Array, v: Ids, ratios: Array) -> Array:
        """w [n] of characters of a segment; from how they turned out, p_a / p_b [n], follows what it will learn."""
        logits = f @ self._weights + self._biases[v]
        w: Array = 1 / (1 + np.exp(-np.minimum(np.maximum(logits, -MAX_LOGIT), MAX_LOGIT)))
        part = w * ratios
        surplus = part / (part + 1 - w) - w
        self._change += surplus @ f
        np.add.at(self._change_of_biases, v, surplus)
        return w

    def _learn(self) -> None:
        """Learns from a whole segment."""
        self._weights += RATE * self._change
        self._biases += RATE * self._change_of_biases
        self.advantage += (self._sum / SEGMENT - self.advantage) / MEMORY
        self._begin_segment()


def _features(advantages: Array, N: int) -> Array:
    """[N, 1 + spans]: 1, and the mean advantages over the spans before each of the last N characters."""
    columns, sums, span = [np.ones(N)], advantages, 1
    while span < SPANS[-1]:
        sums, span = sums[span:] + sums[:-span], 2 * span
        if span in SPANS:
            columns.append(sums[-N - 1 : -1] / span)
    return np.stack(columns, axis=1)
