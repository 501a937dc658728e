"""The automaton of a regular expression: which characters may come next, and how many it takes from there to a match.

A search back from the end of the expression's graph finds each node's distance to a match. Its sets of nodes, the
states of a deterministic automaton, are made when a text first reaches them: all of them can be exponentially many.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from charrnn.sampling import assertions
from charrnn.sampling.graph import MAX_NODES, Graph, character_classes
from charrnn.sampling.lengths import Lengths
from charrnn.sampling.regular_expression import Leaf, Node, leaves
from charrnn.types import Mask

MAX_CACHED_NODES = 1_000_000
"""The most nodes in all states that are kept."""
MAX_EXPLORED_NODES = 200_000
"""The most nodes in the states that are looked at to tell whether a text always ends: about a second."""
FAR = 1 << 30
"""The distance to a match that can't be reached."""


class State:
    """A set of nodes in which a text can be."""

    def __init__(self, nodes: tuple[int, ...], complete: bool, needed: NDArray[np.int64]):
        self.nodes = nodes
        self.complete = complete
        """Whether the text matches as it is."""
        self.needed = needed
        """[classes]: the fewest characters to a match that begin with one of each class."""
        self.after: dict[int, State] = {}


class Automaton:
    """The texts that an expression matches, of the characters and up to the length that it was made for."""

    def __init__(self, tree: Node, characters_of: Callable[[Leaf], Mask], allowed: Mask, newlines: Mask, length: int):
        """`characters_of` gives the characters [V] of a leaf, of which only those in `allowed` [V] come.

        `newlines` [V] says which characters are newlines; `length` -1: without limit. Raises `TooLarge` if there are
        too many nodes.
        """
        rows = {leaf: n for n, leaf in enumerate(dict.fromkeys(leaves(tree)))}
        masks = [characters_of(leaf) & allowed for leaf in rows]
        graph = Graph()
        self.end = graph.add([])
        start = graph.build(tree, self.end, rows, length + 1 if length >= 0 else MAX_NODES)
        if graph.assertions:
            graph, masks, start, self.end = assertions.resolve(graph, masks, start, self.end, characters_of, newlines)
        self.graph = graph
        table = np.array(masks, bool).reshape(len(masks), len(allowed))
        self.samples, self.class_of = character_classes(table)
        self.contains = table[:, self.samples]
        """[leaves, classes]: which leaves contain the characters of a class; those that all treat alike are one."""
        self._possible = [bool(row.any()) for row in self.contains]
        self.distance = _distances(graph, self.end, self._possible)
        self._lengths: dict[int, Lengths] = {}
        self.states: dict[tuple[int, ...], State] = {}
        self.n_cached = 0
        self.first = start
        self.start = self._state([start])

    @property
    def shortest(self) -> float:
        """The length of the shortest text that matches; infinite if there is none."""
        best = 0 if self.start.complete else int(self.start.needed.min(initial=FAR))
        return best if best < FAR else math.inf

    def longest(self, length: int) -> float:
        """The length of the longest text that matches; infinite if it is longer than `length` (-1: any number)."""
        return self._between(FAR - 1).longest(self.first, length if length >= 0 else math.inf)

    def allowed(self, state: State, left: int, least: int = 0) -> Mask:
        """The characters [V] with which the text can match within `left` more of them; -1: any number.

        Only a match counts that takes at least `least` more of them. Raises `TooLarge` if there are too many nodes.
        """
        if least <= 0:
            mask: Mask = (state.needed <= (left if left >= 0 else FAR - 1))[self.class_of]
            return mask
        far_enough = self._between(left - least if left >= 0 else FAR - 1).nodes(least)
        taken = {leaf for n in state.nodes if (leaf := self.graph.leaf[n]) is not None and far_enough[n]}
        classes: Mask = np.asarray(self.contains[sorted(taken)].any(axis=0))
        return classes[self.class_of]

    def always_ends(self) -> bool:
        """Whether a text without a length is certain to come to a place where it matches and can't go on.

        That is so if one can be reached from everywhere. False if there are too many states to tell.
        """
        sources: dict[tuple[int, ...], list[tuple[int, ...]]] = {self.start.nodes: []}
        pending, ends, left = [self.start], list[tuple[int, ...]](), MAX_EXPLORED_NODES
        while pending:
            state = pending.pop()
            classes = np.flatnonzero(state.needed < FAR).tolist()
            if not classes:
                ends.append(state.nodes)
            for k in classes:
                after = self.next(state, int(self.samples[k]))
                assert after is not None  # a match goes on with this class
                if after.nodes not in sources:
                    sources[after.nodes] = []
                    pending.append(after)
                    left -= len(after.nodes) + len(classes)
                sources[after.nodes].append(state.nodes)
            if left < 0:
                return False
        found = {*ends}
        while ends:
            new = {*sources[ends.pop()]} - found
            found |= new
            ends += new
        return len(found) == len(sources)

    def next(self, state: State, v: int) -> State | None:
        """The state after character v; None if no match goes on with it."""
        k = int(self.class_of[v])
        if state.needed[k] >= FAR:
            return None
        if k not in state.after:
            targets, taken = self.graph.targets, {*np.flatnonzero(self.contains[:, k]).tolist()}
            state.after[k] = self._state(targets[n][0] for n in state.nodes if self.graph.leaf[n] in taken)
        return state.after[k]

    def _between(self, slack: int) -> Lengths:
        """The nodes from which a match is a number of characters away, or up to `slack` more."""
        if slack not in self._lengths:
            self._lengths[slack] = Lengths(self.graph, self.distance, self._possible, slack)
        return self._lengths[slack]

    def _state(self, entered: Iterable[int]) -> State:
        """The state of all nodes that can be reached without a character."""
        distance, leaf = self.distance, self.graph.leaf
        found = {n for n in entered if distance[n] < FAR}
        pending = list(found)
        while pending:
            n = pending.pop()
            if leaf[n] is None:
                new = [m for m in self.graph.targets[n] if m not in found and distance[m] < FAR]
                found.update(new)
                pending += new
        nodes = tuple(sorted(n for n in found if leaf[n] is not None or n == self.end))
        if nodes not in self.states:
            if self.n_cached > MAX_CACHED_NODES:
                self._forget()
            self.states[nodes] = State(nodes, self.end in found, self._needed(nodes))
            self.n_cached += len(nodes) + 1
        return self.states[nodes]

    def _needed(self, nodes: tuple[int, ...]) -> NDArray[np.int64]:
        nearest = np.full(len(self.contains), FAR)
        for n in nodes:
            leaf = self.graph.leaf[n]
            if leaf is not None:
                nearest[leaf] = min(nearest[leaf], self.distance[n])
        used = np.flatnonzero(nearest < FAR)
        needed: NDArray[np.int64] = np.where(self.contains[used], nearest[used, None], FAR).min(axis=0, initial=FAR)
        return needed

    def _forget(self) -> None:
        for state in self.states.values():
            state.after.clear()
        self.states.clear()
        self.n_cached = 0


def _distances(graph: Graph, end: int, possible: list[bool]) -> list[int]:
    """The fewest characters from each node to the end: a search back from it in which an empty text costs nothing."""
    sources: list[list[int]] = [[] for _ in graph.targets]
    for n, targets in enumerate(graph.targets):
        for m in targets:
            sources[m].append(n)
    distance, pending = [FAR] * len(sources), deque([end])
    distance[end] = 0
    while pending:
        m = pending.popleft()
        for n in sources[m]:
            leaf = graph.leaf[n]
            if leaf is None and distance[m] < distance[n]:
                distance[n] = distance[m]
                pending.appendleft(n)
            elif leaf is not None and possible[leaf] and distance[m] + 1 < distance[n]:
                distance[n] = distance[m] + 1
                pending.append(n)
    return distance
