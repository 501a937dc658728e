"""The n-gram table: how often each character followed each context in the training text, and what that predicts.

    p_k(v | c) = (max(n(c, v) - D_k, 0) + D_k d(c) p_{k-1}(v | c without its oldest character)) / n(c)

c is a context of k characters, and p_{-1} is uniform. n(c, v) is how often v follows c or, where c can be longer, how
many different characters come before c and v; n(c) is its sum over v, and d(c) the number of different v. The discount
D_k is n₁ / (n₁ + 2 n₂), from how many of the n(c, v) are 1 and 2. This is Kneser & Ney smoothing (1995), interpolated
(S. Chen, J. Goodman, 1999). The longest context that is in the table decides; those that occur once are left out.

Where a text begins, its first characters follow short contexts, whose n(c, v) are of different characters before them:
they are predicted less well than those that follow.

A network knows what characters have in common, and reads far back; a table knows every word that was seen twice. A
mixture of the two predicts better than either (T. Mikolov et al., "Empirical Evaluation and Combination of Advanced
Language Modeling Techniques", 2011).
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.dataset.vocabulary import smallest_type
from charrnn.types import Array, Ids, Indices, Mask

USUAL_WEIGHT, MAX_WEIGHT = 0.2, 0.99
"""The share of the table in the mixture, if it can't be measured, and its largest."""


@dataclass(frozen=True, eq=False)
class NgramTable:
    """A tree of M contexts: the empty one, then all of one character, all of two, and so on.

    The children of a context are one character longer. They lie side by side, ordered by that character, and so do the
    followers of a context, of which there are E together.
    """

    V: int
    """The size of the vocabulary."""
    order: int
    """The most characters of a context: one less than those of an n-gram."""
    oldest: Indices
    """[M]: the oldest character of each context; 0 for the empty one."""
    child_starts: Indices
    """[M + 1]: where the children of each context begin."""
    follower_starts: Indices
    """[M + 1]: where the followers of each context begin."""
    followers: Indices
    """[E]: the characters that follow."""
    counts: Indices
    """[E]: n(c, v)."""
    discounts: Array
    """[order + 1]: D_k."""
    weight: float = USUAL_WEIGHT
    """The share of the table in the mixture."""
    loss: float | None = None
    """The mean loss of the mixture on the validation data, in nats, if it was measured."""

    def about(self) -> dict[str, Any]:
        """What the table is, without its counts, as JSON data."""
        sizes = {"order": self.order, "contexts": len(self.oldest), "followers": len(self.followers)}
        return sizes | {"discounts": self.discounts.tolist(), "weight": self.weight, "loss": self.loss}

    @cached_property
    def totals(self) -> Indices:
        """[M]: n(c)."""
        totals: Indices = np.add.reduceat(self.counts.astype(np.int64), self.follower_starts[:-1].astype(np.int64))
        return totals

    @cached_property
    def child_keys(self) -> Indices:
        """[M - 1]: the parent and the oldest character of each context but the first, as one number; ascending."""
        return _keys(self.child_starts, self.oldest[1:], self.V)

    @cached_property
    def follower_keys(self) -> Indices:
        """[E]: the context and the character of each follower, as one number; ascending."""
        return _keys(self.follower_starts, self.followers, self.V)

    def probabilities(self, contexts: Indices, targets: Ids) -> Array:
        """p [N] of each of the targets [N] after its context [N, order], the latest character first.

        V stands for a character that is not there, since the text begins after it.
        """
        p, targets = np.full(len(targets), 1 / self.V), targets.astype(np.int64)
        alive, node = np.arange(len(targets)), np.zeros(len(targets), np.int64)
        kinds = np.diff(self.follower_starts)
        for k, D in enumerate(self.discounts):
            place, found = _look_up(self.follower_keys, node * self.V + targets[alive])
            n = np.where(found, self.counts[place], 0)
            p[alive] = (np.maximum(n - D, 0) + D * kinds[node] * p[alive]) / self.totals[node]
            if k < self.order:
                older = contexts[alive, k].astype(np.int64)
                place, found = _look_up(self.child_keys, node * self.V + older)
                found &= older < self.V
                alive, node = alive[found], place[found] + 1
        return p

    def distribution(self, context: Indices) -> Array:
        """p [V] of all characters after one context [order]: see `probabilities`."""
        p, node = np.full(self.V, 1 / self.V), 0
        for k, D in enumerate(self.discounts):
            here = slice(self.follower_starts[node], self.follower_starts[node + 1])
            p *= D * (here.stop - here.start)
            p[self.followers[here]] += np.maximum(self.counts[here] - D, 0)
            p /= self.totals[node]
            if k == self.order or context[k] >= self.V:
                break
            place, found = _look_up(self.child_keys, np.array([node * self.V + int(context[k])]))
            if not found[0]:
                break
            node = int(place[0]) + 1
        return p

    def mixture(self, nats: Array, p: Array) -> Array:
        """-log p [N] of the mixture, from that of the network, and from the table's probabilities [N]."""
        mixed: Array = -np.log(self.weight * p + (1 - self.weight) * np.exp(-nats)).astype(nats.dtype)
        return np.maximum(mixed, 0, out=mixed)  # a probability may be rounded to a little more than 1

    def mixed_distribution(self, logits: Array, contexts: Indices) -> Array:
        """log p [B, V] of the mixture, from the network's logits [B, V] and the contexts [B, order]."""
        p = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float64)
        p *= (1 - self.weight) / p.sum(axis=-1, keepdims=True)
        p += self.weight * np.stack([self.distribution(context) for context in contexts])
        log_p: Array = np.log(p)
        return log_p

    def fitted(self, nats: Array, p: Array) -> "NgramTable":
        """The table with the weight that predicts a text best.

        `nats` [N] are -log p of the network, and p [N] the table's probabilities. The loss is convex in the weight;
        this is its minimum by expectation maximisation (A. Dempster, N. Laird, D. Rubin, 1977).
        """
        q, weight = np.exp(-nats.astype(np.float64)), USUAL_WEIGHT
        for _ in range(100):
            weight = min(float((weight * p / (weight * p + (1 - weight) * q)).mean()), MAX_WEIGHT)
        loss = -np.log(weight * p + (1 - weight) * q).mean()
        return replace(self, weight=weight, loss=max(0.0, float(loss)))

    def unmeasured(self) -> "NgramTable":
        """The table for other weights of the network, with which the mixture's loss is not known."""
        return self if self.loss is None else replace(self, loss=None)


def contexts_of(inputs: Ids, history: Ids) -> Ids:
    """The contexts [T, B, K], the latest character first, of the characters after inputs [T, B].

    `history` [K, B] are the inputs before these, the latest last.
    """
    (T, B), K = inputs.shape, len(history)
    read = np.concatenate((history, inputs))
    return np.stack([read[K - k : K - k + T] for k in range(K)], axis=2) if K else np.zeros((T, B, 0), history.dtype)


def history_after(inputs: Ids, history: Ids) -> Ids:
    """The history [K, B] after more inputs [T, B]."""
    return np.concatenate((history, inputs))[len(inputs) :]


def count(ids: Ids, V: int, order: int, start: int, begins: Mask, keeps_all: bool = False) -> NgramTable:
    """Counts what follows contexts of up to `order` characters in a text of ids [N].

    A text of its own begins where `begins` [N] is true, as it is for the first character; it is read after `start`.
    Contexts that occur only once are left out, unless it keeps all.
    """
    targets = ids.astype(np.int64)
    inputs = np.where(begins, start, np.concatenate((targets[:1], targets[:-1])))
    n_before = np.arange(len(ids)) - np.maximum.accumulate(np.where(begins, np.arange(len(ids)), 0)) + 1
    node, alive = np.zeros(len(ids), np.int64), np.arange(len(ids))
    starts, keys_of_contexts, left_out = [0, 1], [np.zeros(0, np.int64)], [0]
    for k in range(order):
        alive = alive[n_before[alive] > k]
        keys, place, times = np.unique(node[alive] * V + inputs[alive - k], return_inverse=True, return_counts=True)
        kept = times > (0 if keeps_all else 1)
        is_kept = kept[place]
        node[alive[is_kept]] = starts[-1] + (np.cumsum(kept) - 1)[place[is_kept]]
        alive = alive[is_kept]
        starts.append(starts[-1] + int(np.count_nonzero(kept)))
        keys_of_contexts.append(keys[kept])
        left_out.append(int(np.count_nonzero(n_before > k)) - len(alive))
    contexts = np.concatenate(keys_of_contexts)
    parents, M = np.concatenate(([0], contexts // V)), starts[-1]
    # What follows the longest context of each place; then, from the longest contexts down, what follows a shorter one
    events, times = np.unique(node * V + targets, return_counts=True)
    borders = np.searchsorted(events, np.array(starts) * V)
    followers, counts, longer = [], [], np.zeros(0, np.int64)
    for k in range(order, -1, -1):
        here = slice(borders[k], borders[k + 1])
        both = np.concatenate((events[here], parents[longer // V] * V + longer % V))
        weights = np.concatenate((times[here], np.ones(len(longer), np.int64)))
        longer, place = np.unique(both, return_inverse=True)
        followers.append(longer)
        counts.append(np.bincount(place, weights, len(longer)).astype(np.int64))
    follower_keys, n = np.concatenate(followers[::-1]), np.concatenate(counts[::-1])
    return NgramTable(
        V,
        order,
        np.concatenate(([0], contexts % V)).astype(ids.dtype),
        (1 + np.searchsorted(parents[1:], np.arange(M + 1))).astype(np.uint32),
        np.searchsorted(follower_keys, np.arange(M + 1) * V).astype(np.uint32),
        (follower_keys % V).astype(ids.dtype),
        n.astype(smallest_type(int(n.max(initial=0)) + 1)),
        np.array([_discount(*each) for each in zip(counts[::-1], left_out, strict=True)]),
    )


def _discount(counts: Indices, left_out: int) -> float:
    """D_k, from the counts and the number of those that were left out, which are 1; a half if none is."""
    once, twice = np.count_nonzero(counts == 1) + left_out, np.count_nonzero(counts == 2)
    return once / (once + 2 * twice) if once else 0.5


def _keys(starts: Indices, ids: Indices, V: int) -> Indices:
    """[N]: the number of its list and the id of each of the ids [N], as one number."""
    keys: Indices = np.repeat(np.arange(len(starts) - 1), np.diff(starts)) * V + ids
    return keys


def _look_up(table: Indices, keys: Indices) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The place of each key in a sorted table, and whether it is there."""
    if not len(table):
        return np.zeros(len(keys), np.intp), np.zeros(len(keys), bool)
    place = np.searchsorted(table, keys).clip(max=len(table) - 1)
    return place, table[place] == keys
