"""The match: a constraint that makes the whole text match a regular expression, and sees to it that it can end."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from charrnn.dataset.vocabulary import MAX_NAMED, Vocabulary
from charrnn.errors import ConfigError, SamplingError, counted, listed
from charrnn.optional import require
from charrnn.sampling.automaton import Automaton, State
from charrnn.sampling.constraints import WholeTextConstraint
from charrnn.sampling.graph import MAX_NODES, TooLarge, longest_that_fits, size
from charrnn.sampling.regular_expression import Leaf, NotRegular, has_assertion, leaves, missing, parse, shortest
from charrnn.types import Mask

REGEX_TIMEOUT = 2.0
"""Seconds for one character of an expression that only the library can follow: it can take exponential time."""


class Expression:
    """A regular expression over a vocabulary; all texts share it, and the automata that are made of it."""

    def __init__(self, pattern: str, vocabulary: Vocabulary):
        """Raises `ConfigError` for an invalid pattern, a model of bytes, or if `regex` is not installed."""
        if vocabulary.is_bytes:
            raise ConfigError("`match` needs a model of characters, and this one is a model of bytes")
        require("`match`", "match")
        import regex

        self._regex: Any = regex
        self.characters = vocabulary.characters
        self.ids = {c: v for v, c in enumerate(vocabulary.characters)}
        self.unplanned = ""
        """What no automaton can follow, if there is anything of the kind: then the library follows the text alone."""
        try:
            self.compiled: Any = regex.compile(pattern)
            self._tree = parse(pattern)
        except regex.error as error:
            raise ConfigError(f"`match` {pattern!r} is not a regular expression: {error}") from None
        except RecursionError:
            raise ConfigError("`match` has too many groups inside each other: use fewer") from None
        except NotRegular as reason:
            self.unplanned = str(reason)
        self._masks: dict[Leaf, Mask] = {}
        self._automata: dict[tuple[bytes, int], Automaton] = {}

    def characters_of(self, leaf: Leaf) -> Mask:
        """The characters [V] that a leaf contains."""
        if leaf not in self._masks:
            if leaf.literal and "i" not in leaf.scope.flags:
                mask = np.array([c == leaf.literal for c in self.characters])
            else:
                fullmatch = self._regex.compile(leaf.scope.apply(leaf.text)).fullmatch
                mask = np.array([fullmatch(c) is not None for c in self.characters])
            self._masks[leaf] = mask
        return self._masks[leaf]

    def automaton(self, mask: Mask, length: int, min_length: int = 0, permitted: Mask | None = None) -> Automaton:
        """The automaton of the texts of up to `length` characters (-1: any number) that are all in `mask` [V].

        `permitted` [V] are those in `mask` and those that end the text. Raises `SamplingError` if no such text of at
        least `min_length` characters matches, and `ConfigError` if the automaton is too large.
        """
        key = (mask.tobytes(), length)
        if key not in self._automata:
            width = {leaf: 1 if (self.characters_of(leaf) & mask).any() else math.inf for leaf in leaves(self._tree)}
            fewest = shortest(self._tree, width)
            if fewest == math.inf:
                permitted = mask if permitted is None else permitted
                raise SamplingError(self._missing_message(missing(self._tree, width), permitted))
            if 0 <= length < fewest:
                self._check_length(self._shortest(mask, fewest), length)
            newlines = np.array([c == "\n" for c in self.characters])
            try:
                self._automata[key] = Automaton(self._tree, self.characters_of, mask, newlines, length)
            except TooLarge:
                raise ConfigError(self._too_large(length, max(int(fewest), min_length))) from None
        automaton = self._automata[key]
        if automaton.shortest == math.inf:
            raise SamplingError("no text matches `match`: its anchors or boundaries exclude each other")
        self._check_length(automaton.shortest, length)
        if min_length:
            self._check_min_length(automaton, length, min_length)
        return automaton

    def _too_large(self, length: int, least: int) -> str:
        """The message for an expression with too many nodes for this length, which must be at least `least`."""
        message = "`match` is too large to follow: give it fewer or smaller repetitions"
        fits = longest_that_fits(self._tree, least, length if length >= 0 else MAX_NODES)
        if fits is None:
            return message
        if fits < (length if length >= 0 else MAX_NODES):
            return f"{message}, or a `length` of at most {fits:,}"
        # Its anchors and boundaries take more nodes than can be counted before they are made
        is_shorter_smaller = size(self._tree, least + 1) < size(self._tree, fits + 1)
        return f"{message}, or a {'smaller ' * (length >= 0)}`length`" if is_shorter_smaller else message

    @staticmethod
    def _check_min_length(automaton: Automaton, length: int, min_length: int) -> None:
        """Raises `SamplingError` if no text of at least `min_length` characters matches."""
        try:
            if automaton.allowed(automaton.start, length, min_length).any():
                return
            longest = automaton.longest(length)
        except TooLarge:
            raise ConfigError(
                "`match` is too large to follow up to its `min_length`: give it fewer or smaller "
                "repetitions, or a smaller `min_length`"
            ) from None
        if longest < math.inf:
            most = f"the texts that match have at most {counted(int(longest), 'characters')}"
            raise SamplingError(f"{most}: give at most that as the `min_length`")
        at_least = f"from {min_length:,} to " if length > min_length else ""
        lengths = f"{at_least}{counted(length, 'characters')}"
        raise SamplingError(f"no text that matches has {lengths}: give another `min_length` or `length`")

    def _shortest(self, mask: Mask, fewest: float) -> float:
        """The length of the shortest match, of which the tree alone knows the fewest: anchors may ask for more."""
        if not has_assertion(self._tree):
            return fewest
        with suppress(ConfigError):  # too large without a length
            return self.automaton(mask, -1).shortest
        return fewest

    def matches(self, text: str, partial: bool = False, deadline: float = math.inf) -> bool:
        """What the library says. Raises `SamplingError` after a deadline, or after `REGEX_TIMEOUT`."""
        try:
            timeout = max(min(deadline - time.monotonic(), REGEX_TIMEOUT), 1e-6)
            return self.compiled.fullmatch(text, partial=partial, timeout=timeout) is not None
        except TimeoutError:
            raise SamplingError("`match` takes too long: try one with fewer nested repeats") from None

    @staticmethod
    def _check_length(fewest: float, length: int) -> None:
        if 0 <= length < fewest:
            raise SamplingError(
                f"the shortest text that matches has {counted(int(fewest), 'characters')}: give at least that as the "
                "`length`"
            )

    def _missing_message(self, lacking: frozenset[Leaf], permitted: Mask) -> str:
        """The message for leaves of which no character may come; `permitted` [V] are those that may be in a text."""
        unknown = sorted(leaf.name for leaf in lacking if not self.characters_of(leaf).any())
        names = unknown or sorted(leaf.name for leaf in lacking)
        named = listed(names, MAX_NAMED)
        if unknown:
            return f"no text can match: the model has never seen {named}; leave it out of `match`"
        excluded = sorted(leaf.name for leaf in lacking if not (self.characters_of(leaf) & permitted).any())
        if excluded:
            left_out = listed(excluded, MAX_NAMED)
            return f"no text can match: `allow` or `ban` excludes {left_out}; allow it, or leave it out of `match`"
        return f"no text can match: {named} may not come, since the text ends before it; leave it out of `match`"


class Match(WholeTextConstraint):
    """The whole text matches a regular expression.

    A character may come if a text that begins with those so far and this one matches within the length. Where no
    automaton can follow the expression, the length does not count: a character may come if any match begins so, which
    the `regex` library calls a partial match.

    A text ends only if it matches: before a stop text, where no character may come any more, or at its length. With a
    plan, one with a least length does not run to a place from which all matches are shorter.
    """

    option = "`match`"

    def __init__(self, expression: Expression):
        self.expression = expression
        self._plan: Automaton | None = None
        self._state: State | None = None
        self._normal = np.ones(len(expression.characters), bool)
        self._stops: list[str] = []
        self._min_length = self._n = 0
        self._reach = 0
        """The most characters of a stop text before its last one."""
        self._text = ""
        """Only its end is kept, as far as two stop texts reach, unless the library follows it."""
        self._could_end: list[bool] = []
        """Whether the text could end when it had 0, 1, … characters; only kept as far as a stop text reaches."""

    def begin(self, mask: Mask, stops: Sequence[str], length: int, min_length: int = 0) -> None:
        """Begins a text of characters in `mask` [V] that ends at its length (-1: never) or before a stop text.

        Raises `SamplingError` if no such text matches, and `ConfigError` if the expression is too large to follow.
        """
        possible = {c for c, may_come in zip(self.expression.characters, mask, strict=True) if may_come}
        self._normal = mask & [c not in stops for c in self.expression.characters]
        self._stops = [stop for stop in stops if possible.issuperset(stop)]
        self._min_length, self._reach = min_length, max(map(len, self._stops), default=1) - 1
        if not self.expression.unplanned:
            self._plan = self.expression.automaton(self._normal, length, min_length, mask)
            self._state = self._plan.start

    def complete(self) -> bool:
        """Whether the text matches as it is. Raises `SamplingError` if that takes longer than `REGEX_TIMEOUT`."""
        if self._plan is None:
            return self.expression.matches(self._text)
        return self._state is not None and self._state.complete

    def always_ends(self) -> bool:
        """Whether a text without a length is certain to come to a place where it matches and can't go on."""
        return self._plan is not None and self._plan.always_ends()

    def is_certain(self) -> bool:
        """Whether there is a plan, and no stop text of several characters, of which some may be part of a match."""
        return self._plan is not None and not self._reach

    def allowed(self, left: int = -1) -> Mask:
        """Raises `SamplingError` if it takes longer than `REGEX_TIMEOUT`."""
        if self._plan is None:
            mask = self._continuing()
        elif self._state is None:
            mask = np.zeros_like(self._normal)
        else:
            mask = self._plan.allowed(self._state, left, self._min_length - self._n)
        return self._with_stop_texts(mask, left) if self._stops else mask

    def add(self, v: int) -> None:
        if self._reach:
            self._could_end = [*self._could_end, self._may_end_here()][-self._reach :]
        if self._plan is None:
            self._text += self.expression.characters[v]
        else:
            if self._reach:
                self._text = (self._text + self.expression.characters[v])[-2 * self._reach :]
            self._state = self._state and self._plan.next(self._state, v)
        self._n += 1

    def _continuing(self) -> Mask:
        """The characters [V] with which the library finds a partial match."""
        deadline = time.monotonic() + REGEX_TIMEOUT
        mask = np.zeros_like(self._normal)
        for v in np.flatnonzero(self._normal):
            mask[v] = self.expression.matches(self._text + self.expression.characters[v], True, deadline)
        return mask

    def _may_end_here(self) -> bool:
        """Whether a stop text may follow the text as it is."""
        return self._n >= self._min_length and self.complete()

    def _with_stop_texts(self, mask: Mask, left: int) -> Mask:
        """The characters [V] that may come, with regard to stop texts: one may only come after a text that matches."""
        could_end, ids = [*self._could_end, self._may_end_here()], self.expression.ids
        completing, leading = set[int](), set[int]()
        for stop in self._stops:
            for k, c in enumerate(stop):
                if not self._text.endswith(stop[:k]):
                    continue
                if k == len(stop) - 1:
                    completing.add(ids[c])
                if could_end[-1 - k] and (left < 0 or len(stop) - k <= left) and self._is_end(stop, k):
                    leading.add(ids[c])
        for v in completing | leading:
            mask[v] = v in leading
        return mask

    def _is_end(self, stop: str, k: int) -> bool:
        """Whether the text ends before this stop text if it goes on with the rest of it, from its place k: no other
        one ends it earlier, or further back.
        """
        text = self._text + stop[k:]
        return not any(other in text[:-1] or (len(other) > len(stop) and text.endswith(other)) for other in self._stops)
