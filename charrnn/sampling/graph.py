"""The graph of a regular expression: a nondeterministic automaton (K. Thompson, 1968).

A text follows the edges from node to node, some of them with a character and others without one.
"""

import bisect

import numpy as np
from numpy.typing import NDArray

from charrnn.sampling.regular_expression import Alternation, Assertion, Leaf, Node, Repeat, Sequence
from charrnn.types import Mask

MAX_NODES = 50_000
"""The most nodes, which bounds the time for one character to about a tenth of a second."""


class TooLarge(Exception):
    """An expression with more nodes than can be followed."""


class Graph:
    """Nodes, each with its targets, which are reached without a character, or with one of its leaf."""

    def __init__(self) -> None:
        self.targets: list[list[int]] = []
        self.leaf: list[int | None] = []
        self.assertions: dict[int, Assertion] = {}
        """The nodes that only lead on where an assertion holds."""

    def add(self, targets: list[int], leaf: int | None = None) -> int:
        """Raises `TooLarge` if there are more than `MAX_NODES`."""
        if len(self.targets) == MAX_NODES:
            raise TooLarge
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


def size(node: Node, most: int) -> int:
    """The nodes that `Graph.build` adds."""
    if isinstance(node, Sequence | Alternation):
        parts = node.parts if isinstance(node, Sequence) else node.choices
        return sum(size(part, most) for part in parts) + isinstance(node, Alternation)
    if not isinstance(node, Repeat):
        return 1
    once, low = size(node.part, most), min(node.low, most)
    more = 1 + once if node.high is None else (min(node.high, most) - low) * (1 + once)
    return low * once + more


def longest_that_fits(node: Node, least: int, most: int) -> int | None:
    """The largest length from `least` to `most` with which an expression has no more than `MAX_NODES`, if any."""
    lengths = range(least, most + 1)
    n = bisect.bisect_right(lengths, MAX_NODES - 1, key=lambda length: size(node, length + 1))  # and one for the end
    return lengths[n - 1] if n else None


def character_classes(table: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A character of each class of those that the same leaves [leaves, V] contain, and the class [V] of each one."""
    packed = (
        np.ascontiguousarray(np.packbits(table, axis=0).T) if len(table) else np.zeros((table.shape[1], 1), np.uint8)
    )
    _, rows, class_of = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    return rows, class_of.ravel()
