"""The assertions of a regular expression: anchors and word boundaries, which look at the characters on both sides.

`resolve` makes a graph without them: it pairs each node with the kind of the character before it and of the one that
must come next. Then every way to the end is one on which all assertions hold.
"""

from collections.abc import Callable

import numpy as np

from charrnn.sampling.graph import Graph, character_classes
from charrnn.sampling.regular_expression import Assertion, Leaf
from charrnn.types import Mask

EDGE, LAST_NEWLINE = -1, -2
"""Kinds of characters beside those of the alphabet: none, at both ends of the text; a newline that is the last one."""
Place = tuple[int, int, int]
"""A node, and the kinds of the characters before and after it."""


class Kinds:
    """The kinds of characters that assertions tell apart."""

    def __init__(self, assertions: list[Assertion], characters_of: Callable[[Leaf], Mask], newlines: Mask):
        bounded = [a for a in assertions if a.text in (r"\b", r"\B")]
        words = {a: characters_of(Leaf(r"\w", a.scope)) for a in bounded}
        samples, kind_of = character_classes(np.array([newlines, *words.values()]))
        self.all = [*range(len(samples)), EDGE, LAST_NEWLINE]
        self.newlines = {LAST_NEWLINE} | {kind for kind, v in enumerate(samples) if newlines[v]}
        self._words = {a: {kind for kind, v in enumerate(samples) if mask[v]} for a, mask in words.items()}
        self.characters = {kind: newlines if kind == LAST_NEWLINE else kind_of == kind for kind in self.all}
        """The characters [V] of each kind."""

    def may_follow(self, before: int, after: int) -> bool:
        """A newline is the last one exactly if the end follows."""
        return before not in self.newlines or (before == LAST_NEWLINE) == (after == EDGE)

    def holds(self, a: Assertion, before: int, after: int) -> bool:
        """Whether an assertion holds between two kinds."""
        multiline = "m" in a.scope.flags
        match a.text:
            case r"\A":
                return before == EDGE
            case "^":
                return before == EDGE or (multiline and before in self.newlines)
            case r"\Z":
                return after == EDGE
            case "$":
                return after in (EDGE, LAST_NEWLINE) or (multiline and after in self.newlines)
            case _:
                words = self._words[a]
                return ((before in words) != (after in words)) == (a.text == r"\b")


class _Resolver:
    """Builds the graph of all places that can be reached."""

    def __init__(self, graph: Graph, masks: list[Mask], end: int, kinds: Kinds):
        self.source, self.source_masks, self.source_end, self.kinds = graph, masks, end, kinds
        self.graph, self.masks = Graph(), list[Mask]()
        self.end = self.graph.add([])
        self._places: dict[Place, int] = {}
        self._pending: list[Place] = []
        self._after: dict[tuple[int, int], int] = {}
        self._leaves: dict[tuple[int, int], int] = {}

    def place(self, node: int, before: int, after: int) -> int:
        """The node of a place."""
        key = (node, before, after)
        if key not in self._places:
            self._places[key] = self.graph.add([])
            self._pending.append(key)
        return self._places[key]

    def run(self, start: int) -> int:
        """Adds all places; returns the node of the start."""
        first = self.graph.add([self.place(start, EDGE, kind) for kind in self.kinds.all])
        while self._pending:
            self._connect(self._pending.pop())
        return first

    def _connect(self, key: Place) -> None:
        node, before, after = key
        at, leaf, targets = self._places[key], self.source.leaf[node], self.source.targets[node]
        if node == self.source_end:
            self.graph.targets[at] = [self.end] if after == EDGE else []
        elif leaf is None:
            a = self.source.assertions.get(node)
            if a is None or self.kinds.holds(a, before, after):
                self.graph.targets[at] = [self.place(m, before, after) for m in targets]
        elif after != EDGE:
            mask = self.source_masks[leaf] & self.kinds.characters[after]
            if mask.any():
                self.graph.leaf[at] = self._leaf(leaf, after, mask)
                self.graph.targets[at] = [self._behind(targets[0], after)]

    def _leaf(self, leaf: int, kind: int, mask: Mask) -> int:
        if (leaf, kind) not in self._leaves:
            self._leaves[leaf, kind] = len(self.masks)
            self.masks.append(mask)
        return self._leaves[leaf, kind]

    def _behind(self, node: int, kind: int) -> int:
        """A node that leads to a source node after a character of a kind, whatever follows."""
        if (node, kind) not in self._after:
            following = [after for after in self.kinds.all if self.kinds.may_follow(kind, after)]
            self._after[node, kind] = self.graph.add([self.place(node, kind, after) for after in following])
        return self._after[node, kind]


def resolve(
    graph: Graph, masks: list[Mask], start: int, end: int, characters_of: Callable[[Leaf], Mask], newlines: Mask
) -> tuple[Graph, list[Mask], int, int]:
    """A graph without assertions that matches the same texts, the characters of its leaves, its start and its end."""
    kinds = Kinds(list(dict.fromkeys(graph.assertions.values())), characters_of, newlines)
    resolver = _Resolver(graph, masks, end, kinds)
    return resolver.graph, resolver.masks, resolver.run(start), resolver.end
