"""The lengths of the matches: from which nodes of an automaton a match can still get as long as it has to be.

The distance of a node says how few characters lead to a match, but a text with a least length must not run to a place
from which only shorter ones do. One search back from the end for each character of that length finds the places.
"""

import math

import numpy as np
from numpy.typing import NDArray

from charrnn.sampling.graph import Graph, TooLarge
from charrnn.types import Mask

MAX_VISITS = 10_000_000
"""The most visits of nodes, which bounds the search to some seconds, and what it keeps to about 100 MB."""


class Lengths:
    """For j = 0, 1, …: the nodes from which a match is between j and j + `slack` characters away."""

    def __init__(self, graph: Graph, distance: list[int], possible: list[bool], slack: int):
        """`distance` is the fewest characters from each node to a match; `possible` says which leaves may come."""
        self.targets, self.leaf = graph.targets, graph.leaf
        self.without: list[list[int]] = [[] for _ in graph.targets]
        """The nodes that lead to each node without a character."""
        for n, targets in enumerate(graph.targets):
            if graph.leaf[n] is None:
                for m in targets:
                    self.without[m].append(n)
        with_one = [n for n, leaf in enumerate(graph.leaf) if leaf is not None and possible[leaf]]
        self.sources = np.array(with_one, np.int64)
        self.after = np.array([graph.targets[n][0] for n in with_one], np.int64)
        """The nodes that a character may follow, and those behind it."""
        self.sets = [np.packbits(np.array(distance) <= slack)]
        self.seen = {self.sets[0].tobytes(): 0}
        self.period = 0
        """After how many characters the sets repeat themselves; 0: they have not done so yet."""
        self.visits = 0

    def nodes(self, j: int) -> Mask:
        """The nodes [N] from which a match is between j and j + `slack` characters away.

        Raises `TooLarge` if that takes more than `MAX_VISITS`.
        """
        while j >= len(self.sets) and not self.period:
            self._step()
        if j >= len(self.sets):
            first = len(self.sets) - self.period
            j = first + (j - first) % self.period
        return self._unpacked(j)

    def longest(self, start: int, limit: float) -> float:
        """The most characters from a node to a match; infinite if there are more than the limit.

        Only for a slack without limit: then each set is a part of the one before.
        """
        low, n = 0, 1
        while n <= limit and self.nodes(n)[start]:
            if self.period:
                return math.inf
            low, n = n, n + 1
        return low if n <= limit else math.inf

    def _unpacked(self, j: int) -> Mask:
        return np.unpackbits(self.sets[j], count=len(self.targets)).astype(bool)

    def _step(self) -> None:
        """Adds the next set: the nodes from which one character, and any steps without one, lead into the last set."""
        entered: NDArray[np.int64] = self.sources[self._unpacked(-1)[self.after]]
        found = np.zeros(len(self.targets), bool)
        found[entered] = True
        pending, members = entered.tolist(), {*entered.tolist()}
        while pending:
            new = [n for n in self.without[pending.pop()] if n not in members]
            members.update(new)
            pending += new
        found[[*members]] = True
        self.visits += len(members) + len(found) // 8
        if self.visits > MAX_VISITS:
            raise TooLarge
        packed = np.packbits(found)
        if (key := packed.tobytes()) in self.seen:
            self.period = len(self.sets) - self.seen[key]
        else:
            self.seen[key] = len(self.sets)
            self.sets.append(packed)
