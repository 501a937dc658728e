"""The lengths of the matches: a text with a least length runs into no dead end, and one without a length ends."""

import random
import re
from itertools import product

import numpy as np
import pytest

from charrnn.config import SamplingConfig
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, SamplingError
from charrnn.sampling import automaton, graph, lengths, match
from charrnn.sampling.generate import TextGenerator, generate, samples
from charrnn.sampling.match import Expression, Match
from support.random_models import random_model

pytest.importorskip("regex")

LETTERS = "ab\n"
LONGEST = 5
TEXTS = ["".join(text) for n in range(LONGEST + 1) for text in product(LETTERS, repeat=n)]


def expression_of(rng: random.Random, depth: int = 4) -> str:
    """A random regular expression of few letters, which matches texts of very different lengths."""
    kind = rng.random()
    if depth == 0 or kind < 0.25:
        return rng.choice(["a", "b", "[ab]", ".", "c", "^", "$", r"\b", r"\n", "aa", "bab", "a{3}"])
    part = expression_of(rng, depth - 1)
    if kind < 0.55:
        return part + expression_of(rng, depth - 1)
    if kind < 0.8:
        return f"(?:{part}|{expression_of(rng, depth - 1)})"
    return f"(?:{part}){rng.choice(['*', '+', '?', '{2}', '{1,2}', '{0}', '{,3}'])}"


def expression(pattern: str, characters: str = LETTERS) -> Expression:
    return Expression(pattern, Vocabulary(characters))


def follow(pattern: str, min_length: int, length: int) -> set[str]:
    """The texts that can be drawn, each to where none of its characters may come any more or its length is reached."""
    planned, texts, drawn = expression(pattern), [""], set()
    for text in texts:
        one = Match(planned)
        one.begin(np.ones(len(LETTERS), bool), (), length, min_length)
        for c in text:
            one.add(planned.ids[c])
        mask = one.allowed(length - len(text))
        assert mask.any() or one.complete()
        assert mask.any() or len(text) >= min_length
        texts += [text + planned.characters[v] for v in np.flatnonzero(mask)]
        if not mask.any():
            drawn.add(text)
    return drawn


@pytest.mark.parametrize("block", range(4))
def test_a_text_is_drawn_exactly_if_it_can_be_long_enough(block: int) -> None:
    planned = compared = 0
    for seed in range(60 * block, 60 * (block + 1)):
        rng = random.Random(seed)
        pattern, min_length = expression_of(rng), rng.randrange(1, LONGEST + 1)
        if expression(pattern).unplanned:
            continue
        length = rng.randrange(min_length, LONGEST + 1)
        right = {t for t in TEXTS if min_length <= len(t) <= length and expression(pattern).matches(t)}
        planned += 1
        if not right:
            with pytest.raises(SamplingError, match=r"characters?: give|can match|exclude each other"):
                follow(pattern, min_length, length)
            continue
        longest = {t for t in right if not any(other != t and other.startswith(t) for other in right)}
        assert follow(pattern, min_length, length) == longest
        compared += 1
    assert planned > 30
    assert compared > 10


@pytest.mark.parametrize(
    ("pattern", "min_length", "length", "says"),
    [
        ("[ab]{3}", 10, 1000, "the texts that match have at most 3 characters: give at most that as the `min_length`"),
        ("a?", 2, 2, "at most 1 character:"),
        ("(a|bb){2,6}", 13, -1, "at most 12 characters:"),
        ("c*[ab]{4}|cab*", 5, 9, "at most 4 characters:"),
        (r"(a|b)\b\n|b", 3, 50, "at most 2 characters:"),
        ("(aab)*", 10, 11, "no text that matches has from 10 to 11 characters: give another `min_length` or `length`"),
        ("(aa)+", 5, 5, "no text that matches has 5 characters:"),
        ("a{2}|b{9}", 3, 7, "no text that matches has from 3 to 7 characters:"),
    ],
)
def test_a_least_length_that_no_match_has_is_an_error_that_says_which_there_are(
    pattern: str, min_length: int, length: int, says: str
) -> None:
    with pytest.raises(SamplingError) as error:
        Match(expression(pattern)).begin(np.ones(len(LETTERS), bool), (), length, min_length)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("pattern", "least", "length"),
    [("[a-c]{3}|[bd]{12}e", 10, 40), ("a*b|(ab){4}e", 9, 9), ("(a|bb|ccc){4}d|e", 7, 11), ("[a-e]*d|a{2}", 30, 200)],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_long_enough_text_is_drawn_with_and_without_a_length(
    pattern: str, least: int, length: int, seed: int
) -> None:
    model = random_model()
    wanted = Expression(pattern, model.vocabulary)
    for most in (length, 10 * length):
        text = "".join(
            generate(model, length=most, min_length=least, seed=seed, constraints=lambda recent: [Match(wanted)])
        )
        assert re.fullmatch(pattern, text)
        assert least <= len(text) <= most


def test_stop_texts_end_no_match_before_its_least_length() -> None:
    model = random_model()
    wanted = Expression("[a-d]{2}|[a-d]{8,}e", model.vocabulary)
    options = {"length": 300, "min_length": 6, "stops": ["\n"], "constraints": lambda recent: [Match(wanted)]}
    texts = [sample.text for sample in samples(model, count=20, seed=3, **options)]
    assert all(re.fullmatch("[a-d]{8,}e", text) for text in texts)


def test_the_sets_of_nodes_are_kept_up_to_where_they_repeat_themselves() -> None:
    plan = expression("(aab)*", "ab").automaton(np.ones(2, bool), -1)
    found = lengths.Lengths(plan.graph, plan.distance, [True, True], 0)
    assert [n for n in range(60, 72) if found.nodes(n)[plan.first]] == [60, 63, 66, 69]
    assert len(found.sets) <= 5
    assert plan.longest(-1) == float("inf")
    assert expression("a{2,7}|b", "ab").automaton(np.ones(2, bool), -1).longest(-1) == 7
    assert expression("a{2,7}|b", "ab").automaton(np.ones(2, bool), 5).longest(5) == float("inf")


def test_a_least_length_that_takes_too_long_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "MAX_VISITS", 1000)
    wanted = expression("[ab]{50,100}")
    Match(wanted).begin(np.ones(3, bool), (), 100, 5)
    with pytest.raises(ConfigError, match=r"or a smaller `min_length`$"):
        Match(wanted).begin(np.ones(3, bool), (), 100, 90)


# The end of a text without a length


@pytest.mark.parametrize(
    ("pattern", "ends"),
    [
        ("a{3}", True),
        ("a{0,40}b?", True),
        ("[ab]*\n", True),
        ("(ab|ba)+\n|b", True),
        ("^a$", True),
        (r"a*b\b", True),
        ("", True),
        ("a+", False),
        (".*b", False),
        ("a+|b", False),
        ("a*b|ab*", False),
        ("(a|b\n?)+", False),
        ("a(b|c*)", True),  # no c is known
        ("(?=a)a{3}", False),  # not planned
    ],
)
def test_a_text_without_a_length_always_ends_if_an_end_can_be_reached_from_everywhere(pattern: str, ends: bool) -> None:
    one = Match(expression(pattern))
    one.begin(np.ones(len(LETTERS), bool), (), -1)
    assert one.always_ends() is ends


def test_whether_a_text_ends_is_not_said_of_too_many_states(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Match(expression("[ab]*a[ab]{7}\n"))
    one.begin(np.ones(3, bool), (), -1)
    assert one.always_ends()
    monkeypatch.setattr(automaton, "MAX_EXPLORED_NODES", 500)
    assert not one.always_ends()


def test_several_samples_without_a_length_need_a_match_that_ends() -> None:
    model = random_model()

    def drawn(pattern: str, **options: object) -> list[str]:
        wanted = Expression(pattern, model.vocabulary)
        found = samples(model, count=5, length=-1, constraints=lambda recent: [Match(wanted)], **options)
        return [sample.text for sample in found]

    assert all(re.fullmatch("[a-d]+e", text) for text in drawn("[a-d]+e"))
    assert all(re.fullmatch("[a-d]+", text) for text in drawn("[a-d]+", stops=["\n"]))
    assert drawn("a|b+c", config=SamplingConfig(ban="b")) == ["a"] * 5
    for pattern, stops in (("[a-d]+", []), ("[a-d]+", ["☃"]), ("([a-d]+e?)+", ["e☃"])):
        with pytest.raises(ConfigError, match="need an end"):
            drawn(pattern, stops=stops)


@pytest.mark.parametrize(
    ("pattern", "stops", "certain"),
    [("[a-c]{3}", [], True), ("[a-c]+", ["\n"], True), ("[a-c]+", ["bc"], False), ("(?=a)[a-c]+", [], False)],
)
def test_a_text_is_certain_not_to_fail_if_it_is_planned(pattern: str, stops: list[str], certain: bool) -> None:
    model = random_model()
    wanted = Expression(pattern, model.vocabulary)
    text = TextGenerator(model, length=5, stops=stops, constraints=lambda recent: [Match(wanted)])
    assert text.is_certain is certain
    assert TextGenerator(model, length=5).is_certain


# Expressions that are too large


@pytest.mark.parametrize(
    ("pattern", "length", "fits"),
    [
        ("(([ab]{1,50}\n){1,50}a){1,20}", 60, 8),
        ("((a{1,999}b){1,999}a){1,999}", -1, 8),
        ("(a{,400}b?){,300}", 1000, 29),
        ("[ab]{2500,3000}", -1, None),
        ("(a|[ab]{20}){3000}", 5000, None),
    ],
)
def test_an_expression_that_is_too_large_names_the_length_that_helps(
    pattern: str, length: int, fits: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (graph, automaton, match):
        monkeypatch.setattr(module, "MAX_NODES", 2000)

    def begin(most: int) -> str:
        with pytest.raises(ConfigError) as error:
            Match(expression(pattern)).begin(np.ones(3, bool), (), most)
        return str(error.value)

    simpler = "`match` is too large to follow: give it fewer or smaller repetitions"
    assert begin(length) == simpler + ("" if fits is None else f", or a `length` of at most {fits}")
    if fits is not None:
        assert begin(fits + 1).endswith(f"at most {fits}")
        Match(expression(pattern)).begin(np.ones(3, bool), (), fits)


def test_anchors_of_an_expression_that_is_too_large_are_counted_as_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MAX_NODES", 200)
    for pattern, length, advice in (
        (r"(a\b\n){1,40}", 90, ", or a smaller `length`"),
        (r"(a\b\n|b){1,4}\b" * 10, 99, ""),
    ):
        with pytest.raises(ConfigError) as error:
            Match(expression(pattern)).begin(np.ones(3, bool), (), length)
        assert str(error.value).partition("repetitions")[2] == advice
