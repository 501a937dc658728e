"""The syntax tree of a regular expression in the notation of `regex`, as far as an automaton can follow it.

What one character matches, a class for instance, stays in the notation of `regex`, which says which characters it
contains: so the meaning of `\\w`, of a range or of a case-insensitive letter is that of the library.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

from charrnn.dataset.vocabulary import describe
from charrnn.errors import ConfigError

MAX_DEPTH = 80
"""Groups inside each other, which bounds the recursion."""
QUANTIFIERS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
COUNT = re.compile(r"\{(?:([0-9]{1,9})(?:(,)([0-9]{1,9})?)?|,([0-9]{1,9}))\}")
MAYBE_COUNT = re.compile(r"\{[\s0-9,deis]")
"""A brace with which a repetition or an approximate match may begin; any other one is a character."""
GROUP = re.compile(r"\((?!\?)|\(\?(?::|P?<(?!\d)\w+>|([ims]*)(?:-([ims]+))?:)")
GLOBAL_FLAGS = re.compile(r"\(\?([imsau]+)\)")
ESCAPE = re.compile(
    r"\\(?:[dDsSwWntrfva]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[pP]\{[^{}]+\}|N\{[^{}]+\}|[^0-9A-Za-z])",
    re.S,
)
CLASS = re.compile(r"\[\^?\]?(?:\\[pPN]\{[^{}]*\}|\\.|\[:\^?[A-Za-z]+:\]|[^\\\]])*\]", re.S)
NEGATED = re.compile(r"\[\^(?:\\.*|.)\]", re.S)
ASSERTIONS = ("^", "$", r"\A", r"\Z", r"\b", r"\B")
OTHERS = (
    (r"\(\?<?[=!]", "look-around"),
    (r"\(\?>", "an atomic group"),
    (r"\\[1-9]|\\g|\(\?P=", "a back-reference"),
    (r"\(\?\(", "a conditional"),
    (r"\(\?(?:R|&|P>|[-+]?\d)", "recursion"),
    (r"\{", "an approximate match"),
)
"""The beginnings of what no automaton follows, or not this one, and their names."""


class NotRegular(Exception):
    """Something that only the library can follow; its message names it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The flags of a part of an expression, as they were set: what they mean together is up to the library."""

    settings: str = ""
    closing: str = ""
    flags: frozenset[str] = frozenset()

    def enter(self, opening: str, on: str, off: str, closing: str = ")") -> "Scope":
        """The scope in a group, or after the flags at the beginning of the expression."""
        return Scope(self.settings + opening, self.closing + closing, (self.flags | set(on)) - set(off))

    def check(self) -> "Scope":
        """Raises `NotRegular` for flags with which the library matches a class in one place and not in another."""
        if self.flags >= {"a", "i"}:
            raise NotRegular("the flags a and i together")
        return self

    def apply(self, text: str) -> str:
        """An expression for a part of this scope alone."""
        return self.settings + text + self.closing


@dataclass(frozen=True, slots=True)
class Leaf:
    """One character, or a class of them, in the notation of `regex`."""

    text: str
    scope: Scope

    @property
    def literal(self) -> str:
        """The character, if the leaf is a single one; empty for a class."""
        c = self.text[-1]
        is_single = (
            self.text != "." if len(self.text) == 1 else self.text == "\\" + c and not (c.isascii() and c.isalnum())
        )
        return c if is_single else ""

    @property
    def name(self) -> str:
        """The leaf as a message calls it."""
        return describe(self.literal) if self.literal else self.text


@dataclass(frozen=True, slots=True)
class Assertion:
    """A condition on the characters before and after a place: one of `ASSERTIONS`."""

    text: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Alternation:
    choices: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part, at least `low` and at most `high` times; None: any number of times."""

    part: "Node"
    low: int
    high: int | None


Node = Leaf | Assertion | Sequence | Alternation | Repeat


def parse(pattern: str) -> Node:
    """The syntax tree of an expression; whether all of it is valid only the library knows.

    Raises `NotRegular` for what is not regular, unknown or wrong, and `ConfigError` for more than `MAX_DEPTH` groups
    inside each other.
    """
    start, scope = GLOBAL_FLAGS.match(pattern), Scope()
    if start:
        scope = scope.enter(start[0], start[1], "", closing="").check()
    parser = _Parser(pattern, start.end() if start else 0)
    node = parser.alternation(scope, 0)
    if parser.at < len(pattern):
        raise NotRegular("a parenthesis")
    return node


class _Parser:
    """Recursive descent; `at` is the index of the next character."""

    def __init__(self, pattern: str, at: int):
        self.pattern, self.at = pattern, at

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        found = expression.match(self.pattern, self.at)
        if found:
            self.at = found.end()
        return found

    def alternation(self, scope: Scope, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise ConfigError(f"the regular expression has more than {MAX_DEPTH} groups inside each other: use fewer")
        choices = [self.sequence(scope, depth)]
        while self.peek() == "|":
            self.at += 1
            choices.append(self.sequence(scope, depth))
        if len(choices) == 1:
            return choices[0]
        if sum(map(_has_negated_edge, choices)) > 1:  # such as [^a]|[^b], of which the library finds no a and no b
            raise NotRegular("a choice between negated classes")
        return Alternation(tuple(choices))

    def sequence(self, scope: Scope, depth: int) -> Node:
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repetition(self.atom(scope, depth)))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def atom(self, scope: Scope, depth: int) -> Node:
        pattern, at, c = self.pattern, self.at, self.peek()
        if c == "(":
            return self.group(scope, depth)
        for text in ASSERTIONS:
            if pattern.startswith(text, at):
                self.at += len(text)
                return Assertion(text, scope)
        if c in "*+?" or (c == "{" and MAYBE_COUNT.match(pattern, at)):
            raise self.other()
        if c in "\\[":
            leaf = self.take(ESCAPE if c == "\\" else CLASS)
            if not leaf:
                raise self.other()
            return Leaf(leaf[0], scope)
        self.at += 1
        return Leaf(c if c == "." else re.escape(c), scope)

    def group(self, scope: Scope, depth: int) -> Node:
        opening = self.take(GROUP)
        if not opening:
            raise self.other()
        if opening[1] or opening[2]:
            scope = scope.enter(opening[0], opening[1], opening[2] or "").check()
        node = self.alternation(scope, depth + 1)
        if self.peek() != ")":
            raise NotRegular("a parenthesis")
        self.at += 1
        return node

    def repetition(self, node: Node) -> Node:
        c = self.peek()
        if c and c in QUANTIFIERS:
            self.at += 1
            low, high = QUANTIFIERS[c]
        elif count := self.take(COUNT):
            low, most = int(count[1] or 0), count[3] or count[4]
            high = int(most) if most else None if count[2] else low
        else:
            return node
        if _may_be_empty_assertion(node):  # the library finds some matches and not others
            raise NotRegular("a repetition of nothing but an anchor or a boundary")
        if high is not None and high < low:
            raise NotRegular("a wrong repetition")
        if self.peek() == "?":  # lazy: the same texts match
            self.at += 1
        if self.peek() == "+":
            raise NotRegular("a possessive repetition")
        if self.peek() in ("*", "?") or COUNT.match(self.pattern, self.at):
            raise NotRegular("a repetition of a repetition")
        if isinstance(node, Repeat) and (node.low, node.high) == (low, high) == (0, None):
            return node
        return Repeat(node, low, high)

    def other(self) -> NotRegular:
        """What begins here and is not regular."""
        names = (name for start, name in OTHERS if re.compile(start).match(self.pattern, self.at))
        return NotRegular(next(names, f"{self.pattern[self.at : self.at + 3]!r}"))


def _has_negated_edge(node: Node) -> bool:
    """Whether a part begins or ends with any character but a certain one."""
    if isinstance(node, Leaf):
        return NEGATED.fullmatch(node.text) is not None
    if isinstance(node, Sequence):
        return any(map(_has_negated_edge, {*node.parts[:1], *node.parts[-1:]}))
    return isinstance(node, Alternation) and any(map(_has_negated_edge, node.choices))


def _may_be_empty_assertion(node: Node) -> bool:
    """Whether a part may match the empty text, and contains an assertion."""
    return shortest(node, dict.fromkeys(leaves(node), 1)) == 0 and has_assertion(node)


def has_assertion(node: Node) -> bool:
    """Whether a part has an anchor or a boundary."""
    if isinstance(node, Sequence | Alternation):
        return any(map(has_assertion, node.parts if isinstance(node, Sequence) else node.choices))
    return has_assertion(node.part) if isinstance(node, Repeat) else isinstance(node, Assertion)


def shortest(node: Node, width: Mapping[Leaf, float]) -> float:
    """The length of the shortest text that matches; `width` is 1 for leaves that may come, infinite for others."""
    if isinstance(node, Leaf):
        return width[node]
    if isinstance(node, Sequence):
        return sum(shortest(part, width) for part in node.parts)
    if isinstance(node, Alternation):
        return min(shortest(choice, width) for choice in node.choices)
    return shortest(node.part, width) * node.low if isinstance(node, Repeat) and node.low else 0


def missing(node: Node, width: Mapping[Leaf, float]) -> frozenset[Leaf]:
    """The fewest leaves that can't come and without which nothing matches."""
    if isinstance(node, Leaf):
        return frozenset() if width[node] < math.inf else frozenset((node,))
    if isinstance(node, Sequence):
        return reduce(frozenset.union, (missing(part, width) for part in node.parts), frozenset())
    if isinstance(node, Alternation):
        return min((missing(choice, width) for choice in node.choices), key=len)
    return missing(node.part, width) if isinstance(node, Repeat) and node.low else frozenset()


def leaves(node: Node) -> Iterator[Leaf]:
    """The leaves of a tree, from left to right."""
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, Sequence | Alternation):
        for part in node.parts if isinstance(node, Sequence) else node.choices:
            yield from leaves(part)
    elif isinstance(node, Repeat):
        yield from leaves(node.part)
