"""The match: a constraint that makes the whole text match a regular expression, and sees to it that it can end."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from charrnn.dataset.vocabulary import MAX_NAMED, Vocabulary
from charrnn.errors import ConfigError, SamplingError, counted
from charrnn.sampling.automaton import Automaton, State
from charrnn.sampling.constraints import WholeTextConstraint
from charrnn.sampling.regular_expression import Leaf, NotRegular, has_assertion, leaves, missing, parse, shortest
from charrnn.types import Mask

REGEX_TIMEOUT = 2.0
"""Seconds for one character of an expression that only the library can follow: it can take exponential time."""


class Expression:
    """A regular expression over a vocabulary; all texts share it, and the automata that are made of it."""

    def __init__(self, pattern: str, vocabulary: Vocabulary):
        """Raises `ConfigError` for an invalid pattern, a model of bytes, or if the library is not installed."""
        if vocabulary.is_bytes:
            raise ConfigError("--match needs a model of characters, and this one is a model of bytes")
        try:
            import regex
        except ImportError:
            raise ConfigError("--match needs the library regex: pip install 'charrnn[match]'") from None
        self._regex: Any = regex
        self.characters = vocabulary.characters
        self.unplanned = ""
        """What no automaton can follow, if there is anything of the kind: then the library follows the text alone."""
        try:
            self.compiled: Any = regex.compile(pattern)
            self._tree = parse(pattern)
        except regex.error as error:
            raise ConfigError(f"{pattern!r} is not a regular expression: {error}") from None
        except RecursionError:
            raise ConfigError("the regular expression has too many groups inside each other: use fewer") from None
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

    def automaton(self, mask: Mask, length: int) -> Automaton:
        """The automaton of the texts of up to `length` characters (-1: any number) that are all in `mask` [V].

        Raises `SamplingError` if no such text matches, and `ConfigError` if the automaton is too large.
        """
        key = (mask.tobytes(), length)
        if key not in self._automata:
            width = {leaf: 1 if (self.characters_of(leaf) & mask).any() else math.inf for leaf in leaves(self._tree)}
            fewest = shortest(self._tree, width)
            if fewest == math.inf:
                raise SamplingError(self._missing_message(missing(self._tree, width)))
            if 0 <= length < fewest:
                self._check_length(self._shortest(mask, fewest), length)
            newlines = np.array([c == "\n" for c in self.characters])
            self._automata[key] = Automaton(self._tree, self.characters_of, mask, newlines, length)
        automaton = self._automata[key]
        if automaton.shortest == math.inf:
            raise SamplingError("no text matches the regular expression: its anchors or boundaries exclude each other")
        self._check_length(automaton.shortest, length)
        return automaton

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
            raise SamplingError("the regular expression takes too long: try one with fewer nested repeats") from None

    @staticmethod
    def _check_length(fewest: float, length: int) -> None:
        if 0 <= length < fewest:
            raise SamplingError(
                f"the shortest text that matches has {counted(int(fewest), 'characters')}, and this one at most "
                f"{length:,}: give a larger --length"
            )

    def _missing_message(self, lacking: frozenset[Leaf]) -> str:
        unknown = sorted(leaf.name for leaf in lacking if not self.characters_of(leaf).any())
        names = unknown or sorted(leaf.name for leaf in lacking)
        listed = ", ".join(names[:MAX_NAMED]) + (f" and {len(names) - MAX_NAMED:,} more" * (len(names) > MAX_NAMED))
        if unknown:
            return f"no text can match: the model has never seen {listed}; leave it out of the regular expression"
        return f"no text can match: {listed} may not come; allow it, or don't let it stop the text"


class Match(WholeTextConstraint):
    """The whole text matches a regular expression.

    A character may come if a text that begins with those so far and this one matches within the length. Where no
    automaton can follow the expression, the length does not count: a character may come if any match begins so, which
    the `regex` library calls a partial match.

    A text ends only if it matches: before a stop text, where no character may come any more, or at its length.
    """

    def __init__(self, expression: Expression):
        self.expression = expression
        V = len(expression.characters)
        self._plan: Automaton | None = None
        self._state: State | None = None
        self._normal, self._single_stops = np.ones(V, bool), np.zeros(V, bool)
        self._stops: list[str] = []
        self._text = ""
        self._completed: list[bool] = []
        """Whether the text matched when it had 0, 1, … characters; only kept for stop texts of several characters."""

    def begin(self, mask: Mask, stops: Sequence[str], length: int) -> None:
        """Begins a text of characters in `mask` [V] that ends at its length (-1: never) or before a stop text.

        Raises `SamplingError` if no such text matches, and `ConfigError` if the expression is too large to follow.
        """
        is_stop = np.array([c in stops for c in self.expression.characters])
        self._normal, self._single_stops = mask & ~is_stop, mask & is_stop
        self._stops = [stop for stop in stops if len(stop) > 1]
        if not self.expression.unplanned:
            self._plan = self.expression.automaton(self._normal, length)
            self._state = self._plan.start

    def complete(self) -> bool:
        """Whether the text matches as it is. Raises `SamplingError` if that takes longer than `REGEX_TIMEOUT`."""
        if self._plan is None:
            return self.expression.matches(self._text)
        return self._state is not None and self._state.complete

    def allowed(self, left: int = -1) -> Mask:
        """Raises `SamplingError` if it takes longer than `REGEX_TIMEOUT`."""
        if self._plan is None:
            mask = self._continuing()
        else:
            mask = np.zeros_like(self._normal) if self._state is None else self._plan.allowed(self._state, left)
        if (self._single_stops.any() or self._stops) and self.complete():
            mask |= self._single_stops
        return self._with_stop_texts(mask, left) if self._stops else mask

    def add(self, v: int) -> None:
        if self._stops:
            self._completed.append(self.complete())
        if self._plan is None or self._stops:
            self._text += self.expression.characters[v]
        if self._plan is not None and self._state is not None:
            self._state = self._plan.next(self._state, v)

    def _continuing(self) -> Mask:
        """The characters [V] with which the library finds a partial match."""
        deadline = time.monotonic() + REGEX_TIMEOUT
        mask = np.zeros_like(self._normal)
        for v in np.flatnonzero(self._normal):
            mask[v] = self.expression.matches(self._text + self.expression.characters[v], True, deadline)
        return mask

    def _with_stop_texts(self, mask: Mask, left: int) -> Mask:
        """The characters [V] that may come, with regard to stop texts: one may only come after a text that matches."""
        mask, completed = mask.copy(), [*self._completed, self.complete()]
        n = len(self._text)
        for stop in self._stops:
            for k, c in enumerate(stop[: n + 1]):
                if not self._text.endswith(stop[:k]):
                    continue
                after_match, last = completed[n - k], k == len(stop) - 1
                may_end = after_match and (left < 0 or len(stop) - k <= left)
                if may_end or last:
                    mask[[v for v, other in enumerate(self.expression.characters) if other == c]] = may_end
        return mask
