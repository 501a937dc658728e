"""The passage: characters in a row, of one text or of several, with the character before each; and its gradients."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from charrnn.layers.workspace import Workspace
from charrnn.model.network import Network
from charrnn.model.ngrams import contexts_of, history_after
from charrnn.types import Array, Ids, Mask, Params


class Passage(NamedTuple):
    """N characters to predict. All arrays are [N]."""

    inputs: Ids
    """The character before each."""
    targets: Ids
    """The characters."""
    resets: Mask
    """Where a new text begins: there the network's state is zero before the input."""

    def part(self, first: int, stop: int) -> "Passage":
        """The characters from `first` up to `stop`."""
        where = slice(first, stop)
        return Passage(self.inputs[where], self.targets[where], self.resets[where])

    def texts(self) -> Iterator["Passage"]:
        """The parts that belong to different texts."""
        starts = [0, *(np.flatnonzero(self.resets[1:]) + 1).tolist(), len(self.targets)]
        for first, stop in itertools.pairwise(starts):
            yield self.part(first, stop)

    def contexts(self, history: Ids, none: int) -> tuple[Ids, Ids]:
        """The contexts [N, K] of the characters, the latest first, after a history [K, 1]; and the next history.

        `none` stands for what is not there, since a text begins after it.
        """
        N, K = len(self.targets), len(history)
        begins = np.maximum.accumulate(np.where(self.resets, np.arange(N), -K))
        contexts = contexts_of(self.inputs[:, None], history)[:, 0]
        contexts[np.arange(K) > (np.arange(N) - begins)[:, None]] = none
        after = history_after(self.inputs[:, None], history)
        after[: max(0, K - (N - int(begins[-1])))] = none
        return contexts, after

    @classmethod
    def joined(cls, passages: "list[Passage]") -> "Passage":
        """One passage after the other."""
        return cls(*map(np.concatenate, zip(*passages, strict=True)))


def passage(ids: Ids, before: int, resets: Mask, start: int) -> Passage:
    """The passage of ids [N] after the character `before`; a new text begins after the character `start`."""
    inputs = np.concatenate(([before], ids[:-1])).astype(ids.dtype)
    inputs[resets] = start
    return Passage(inputs, ids, resets)


def nll(network: Network, params: Params, read: Passage, state: Array, workspace: Workspace) -> tuple[Array, Array]:
    """-log p [N] of the characters of a passage after a state [L, S, 1, H], and the next state."""
    found = []
    for text in read.texts():
        state = np.zeros_like(state) if text.resets[0] else state
        nats, state = network.token_nll(params, text.inputs[:, None], text.targets[:, None], state, workspace)
        found.append(nats[:, 0])
    return np.concatenate(found), state


def nll_and_gradients(
    network: Network, params: Params, read: Passage, state: Array, workspace: Workspace
) -> tuple[Array, Params, Array]:
    """`nll`, with the gradients of its sum. Backpropagation stops at the first character, and where a text begins.

    The gradients are valid until the workspace is used again.
    """
    found, total = [], Params()
    texts = [*read.texts()]
    for text in texts:
        state = np.zeros_like(state) if text.resets[0] else state
        nats, grads, state = network.nll_and_gradients(
            params, text.inputs[:, None], text.targets[:, None], state, workspace
        )
        found.append(nats[:, 0])
        if len(texts) == 1:
            return found[0], grads, state
        total = {name: total.get(name, 0) + d for name, d in grads.items()}
    return np.concatenate(found), total, state
