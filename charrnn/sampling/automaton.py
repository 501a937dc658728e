"""The automaton of a regular expression: which characters may come next, and how many it takes from there to a match.

The expression becomes a nondeterministic automaton (K. Thompson, 1968), in which a search back from the end finds each
node's distance to a match. Its sets of nodes, the states of a deterministic automaton, are made when a text first
reaches them: all of them can be exponentially many. Anchors and word boundaries look at the characters on both sides:
with them, each node is paired with the kind of the character before it and of the one that must come next.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError
from charrnn.sampling.regular_expression import Alternation, Assertion, Leaf, Node, Repeat, Sequence, leaves
from charrnn.types import Mask

MAX_NODES = 50_000
"""The most nodes of an automaton, which bounds the time for one character to about a tenth of a second."""
MAX_CACHED_NODES = 1_000_000
"""The most nodes in all states that are kept."""
FAR = 1 << 30
"""The distance to a match that can't be reached."""
EDGE, LAST_NEWLINE = -1, -2
"""Kinds of characters beside those of the alphabet: none, at both ends of the text; a newline that is the last one."""


class State:
    """A set of nodes in which a text can be."""

    def __init__(self, nodes: tuple[int, ...], complete: bool, needed: NDArray[np.int64]):
        self.nodes = nodes
        self.complete = complete
        """Whether the text matches as it is."""
        self.needed = needed
        """[classes]: the fewest characters to a match that begin with one of each class."""
        self.after: dict[int, State] = {}


class Graph:
    """The nondeterministic automaton: each node has targets, for an empty text or for one character of its leaf."""

    def __init__(self) -> None:
        self.targets: list[list[int]] = []
        self.leaf: list[int | None] = []
        self.assertions: dict[int, Assertion] = {}
        """The nodes that only lead on where an assertion holds."""

    def add(self, targets: list[int], leaf: int | None = None) -> int:
        """Raises `ConfigError` if there are more than `MAX_NODES`."""
        if len(self.targets) == MAX_NODES:
            raise ConfigError(
                "the regular expression is too large to follow: give it fewer or smaller repetitions, or a --length"
            )
        self.targets.append(targets)
        self.leaf.append(leaf)
        return len(self.targets) - 1

    def build(self, node: Node, after: int, rows: dict[Leaf, int], most: int) -> int:
        """Adds what matches a part of the expression and goes on to a node; returns the node where it begins.

        No part is repeated more than `most` times: with as many repetitions as the text has characters and one more,
        one is empty, and so could be any number of them.
        """
        if isinstance(node, Leaf):
            return self.add([after], rows[node])
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                after = self.build(part, after, rows, most)
            return after
        if isinstance(node, Alternation):
            return self.add([self.build(choice, after, rows, most) for choice in node.choices])
        if isinstance(node, Assertion):
            self.assertions[at := self.add([after])] = node
            return at
        return self._repeat(node, after, rows, most)

    def _repeat(self, node: Repeat, after: int, rows: dict[Leaf, int], most: int) -> int:
        low = min(node.low, most)
        if node.high is None:
            loop = self.add([after])
            self.targets[loop].append(self.build(node.part, loop, rows, most))
            after = loop
        else:
            end = after
            for _ in range(min(node.high, most) - low):
                after = self.add([end, self.build(node.part, after, rows, most)])
        for _ in range(low):
            after = self.build(node.part, after, rows, most)
        return after


class Automaton:
    """The texts that an expression matches, of the characters and up to the length that it was made for."""

    def __init__(self, tree: Node, mask_of: Callable[[Leaf], Mask], allowed: Mask, newlines: Mask, length: int):
        """`mask_of` gives the characters [V] of a leaf; only those in `allowed` [V] come; `length` -1: without limit.

        `newlines` [V] says which characters are newlines. Raises `ConfigError` if the automaton is too large.
        """
        rows = {leaf: n for n, leaf in enumerate(dict.fromkeys(leaves(tree)))}
        masks = [mask_of(leaf) & allowed for leaf in rows]
        graph = Graph()
        self.end = graph.add([])
        start = graph.build(tree, self.end, rows, length + 1 if length >= 0 else MAX_NODES)
        if graph.assertions:
            graph, masks, start, self.end = _resolve_assertions(graph, masks, start, self.end, mask_of, newlines)
        self.graph = graph
        table = np.array(masks, bool).reshape(len(masks), len(allowed))
        samples, self.class_of = _classes(table)
        self.contains = table[:, samples]  # [leaves, classes]
        """Characters that all leaves treat alike are of one class [V]."""
        self.distance = _distances(graph, self.end, [bool(row.any()) for row in self.contains])
        self.states: dict[tuple[int, ...], State] = {}
        self.n_cached = 0
        self.start = self._state([start])

    @property
    def shortest(self) -> float:
        """The length of the shortest text that matches; infinite if there is none."""
        best = 0 if self.start.complete else int(self.start.needed.min(initial=FAR))
        return best if best < FAR else math.inf

    def allowed(self, state: State, left: int) -> Mask:
        """The characters [V] with which the text can match within `left` more of them; -1: any number."""
        mask: Mask = (state.needed <= (left if left >= 0 else FAR - 1))[self.class_of]
        return mask

    def next(self, state: State, v: int) -> State | None:
        """The state after character v; None if no match goes on with it."""
        k = int(self.class_of[v])
        if state.needed[k] >= FAR:
            return None
        if k not in state.after:
            targets, taken = self.graph.targets, {*np.flatnonzero(self.contains[:, k]).tolist()}
            state.after[k] = self._state(targets[n][0] for n in state.nodes if self.graph.leaf[n] in taken)
        return state.after[k]

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


def _classes(table: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A character of each class of those that the same leaves [leaves, V] contain, and the class [V] of each one."""
    packed = (
        np.ascontiguousarray(np.packbits(table, axis=0).T) if len(table) else np.zeros((table.shape[1], 1), np.uint8)
    )
    _, rows, class_of = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    return rows, class_of.ravel()


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


def _resolve_assertions(
    graph: Graph, masks: list[Mask], start: int, end: int, mask_of: Callable[[Leaf], Mask], newlines: Mask
) -> tuple[Graph, list[Mask], int, int]:
    """An automaton without assertions: its nodes are pairs of a node and the kinds of the characters around it."""
    asserted = list(dict.fromkeys(graph.assertions.values()))
    words = {a: mask_of(Leaf(r"\w", a.scope)) for a in asserted if a.text in (r"\b", r"\B")}
    rows, kind_of = _classes(np.array([newlines, *words.values()]))
    kinds = [*range(len(rows)), EDGE, LAST_NEWLINE]
    is_newline = {kind: kind == LAST_NEWLINE or (kind >= 0 and bool(newlines[rows[kind]])) for kind in kinds}
    chars = {kind: newlines if kind == LAST_NEWLINE else kind_of == kind for kind in kinds}

    def holds(a: Assertion, before: int, after: int) -> bool:
        if a.text in (r"\A", "^"):
            return before == EDGE or (a.text == "^" and "m" in a.scope.flags and is_newline[before])
        if a.text in (r"\Z", "$"):
            multiline = "m" in a.scope.flags and is_newline[after]
            return after == EDGE or (a.text == "$" and (after == LAST_NEWLINE or multiline))
        is_word = [kind >= 0 and bool(words[a][rows[kind]]) for kind in (before, after)]
        return (is_word[0] != is_word[1]) == (a.text == r"\b")

    def may_follow(before: int, after: int) -> bool:
        """A newline is the last one exactly if the end follows."""
        if is_newline[before]:
            return (before == LAST_NEWLINE) == (after == EDGE)
        return True

    resolved, new_end = Graph(), 0
    resolved.add([])
    new_masks: list[Mask] = []
    leaf_ids: dict[tuple[int, int], int] = {}
    places: dict[tuple[int, int, int], int] = {}
    pending: list[tuple[int, int, int]] = []

    def place(n: int, before: int, after: int) -> int:
        if (n, before, after) not in places:
            places[n, before, after] = resolved.add([])
            pending.append((n, before, after))
        return places[n, before, after]

    new_start = resolved.add([place(start, EDGE, kind) for kind in kinds])
    fans: dict[tuple[int, int], int] = {}
    while pending:
        n, before, after = pending.pop()
        at, leaf = places[n, before, after], graph.leaf[n]
        if n == end:
            resolved.targets[at] = [new_end] if after == EDGE else []
        elif leaf is None:
            if n not in graph.assertions or holds(graph.assertions[n], before, after):
                resolved.targets[at] = [place(m, before, after) for m in graph.targets[n]]
        elif after != EDGE and (mask := masks[leaf] & chars[after]).any():
            if (leaf, after) not in leaf_ids:
                leaf_ids[leaf, after] = len(new_masks)
                new_masks.append(mask)
            (target,) = graph.targets[n]
            if (target, after) not in fans:
                fans[target, after] = resolved.add(
                    [place(target, after, kind) for kind in kinds if may_follow(after, kind)]
                )
            resolved.leaf[at], resolved.targets[at] = leaf_ids[leaf, after], [fans[target, after]]
    return resolved, new_masks, new_start, new_end
