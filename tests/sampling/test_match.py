"""The match: the characters that come are those with which a regular expression can still match within the length."""

import random
from functools import cache
from itertools import product

import numpy as np
import pytest

from charrnn.config import SamplingConfig
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, SamplingError, counted
from charrnn.sampling import automaton, match
from charrnn.sampling.constraints import CorpusNgrams, MaxCopy
from charrnn.sampling.generate import generate, samples
from charrnn.sampling.lines import sample_lines
from charrnn.sampling.match import Expression, Match
from charrnn.sampling.regular_expression import MAX_DEPTH
from support.random_models import random_model

regex = pytest.importorskip("regex")

CHARACTERS = "\n aBb1é_ſsK."
ATOMS = [
    *(
        "a",
        "b",
        "B",
        "1",
        "é",
        "s",
        "k",
        ".",
        r"\.",
        r"\w",
        r"\d",
        r"\s",
        r"\W",
        "[ab]",
        "[^a]",
        "[a-z]",
        r"[\w-]",
        "z",
    ),
    *(
        "[[:alpha:]]",
        r"\p{Lu}",
        "_",
        r"\n",
        r"\x61",
        "ß",
        "[^\n]",
        r"\b",
        r"\B",
        "^",
        "$",
        r"\A",
        r"\Z",
        "",
        "[]a]",
        "{",
    ),
]
REPETITIONS = ["*", "+", "?", "{2}", "{1,2}", "{,2}", "{2,}", "*?", "+?", "??", "{0}", "{3}"]


def expression_of(rng: random.Random, depth: int = 4) -> str:
    """A random regular expression, in which most things occur that an automaton can follow."""
    kind = rng.random()
    if depth == 0 or kind < 0.35:
        return rng.choice(ATOMS)
    part = expression_of(rng, depth - 1)
    if kind < 0.55:
        return part + expression_of(rng, depth - 1)
    if kind < 0.7:
        return f"({part}|{expression_of(rng, depth - 1)})"
    if kind < 0.75:
        return f"(?{rng.choice(['', 'i', 's', 'm', '-i', 'im', 'is', 'i-s'])}:{part})"
    return f"({part}){rng.choice(REPETITIONS)}"


def text_of(model, pattern, **options):
    expression = Expression(pattern, model.vocabulary)
    return "".join(generate(model, constraints=lambda recent: [Match(expression)], **options))


@cache
def model_of(characters=CHARACTERS):
    return random_model(characters=characters)


# The characters that may come


@pytest.mark.parametrize("block", range(10))
def test_the_characters_that_may_come_are_those_of_a_search_of_all_texts(block):
    """Compares every state that can be reached with what `regex.fullmatch` says of all texts of up to 3 characters."""
    for seed in range(25 * block, 25 * (block + 1)):
        compare_with_a_search(random.Random(seed), 3 if seed % 5 == 0 else 2)


def compare_with_a_search(rng, length):
    pattern = rng.choice(["", "", "(?i)", "(?m)", "(?s)", "(?a)", "(?im)"]) + expression_of(rng)
    expression = Expression(pattern, Vocabulary(CHARACTERS))
    if expression.unplanned:
        return
    texts = ("".join(text) for n in range(length + 1) for text in product(CHARACTERS, repeat=n))
    matching = {text for text in texts if regex.fullmatch(pattern, text)}
    beginnings = {text[:n] for text in matching for n in range(len(text) + 1)}
    mask = np.ones(len(CHARACTERS), bool)
    if not matching:
        with pytest.raises(SamplingError, match=r"shortest text|can match|no text matches"):
            expression.automaton(mask, length)
        return
    plan = expression.automaton(mask, length)
    assert plan.shortest == min(map(len, matching))
    states = [("", plan.start)]
    for text, state in states:
        assert state.complete == (text in matching)
        if len(text) < length:
            allowed = plan.allowed(state, length - len(text))
            assert {text + CHARACTERS[v] for v in np.flatnonzero(allowed)} == {
                text + c for c in CHARACTERS if text + c in beginnings
            }
            states += [(text + CHARACTERS[v], plan.next(state, v)) for v in np.flatnonzero(allowed)]


def test_most_generated_expressions_are_planned():
    patterns = [expression_of(random.Random(seed)) for seed in range(250)]
    planned = sum(not Expression(pattern, Vocabulary(CHARACTERS)).unplanned for pattern in patterns)
    assert planned > 200


@pytest.mark.parametrize("block", range(10))
def test_every_text_of_a_generated_expression_matches_or_the_error_names_the_shortest_length(block):
    for seed in range(20 * block, 20 * (block + 1)):
        write_and_compare(seed)


def write_and_compare(seed):
    rng, model = random.Random(1000 + seed), model_of()
    pattern, length = expression_of(rng, 5), rng.choice([0, 1, 2, 5, 12, 30])
    expression = Expression(pattern, model.vocabulary)
    if expression.unplanned:
        return
    mask = np.ones(len(CHARACTERS), bool)
    try:
        shortest = expression.automaton(mask, -1).shortest
    except SamplingError:
        with pytest.raises(SamplingError, match=r"can match|no text matches"):
            text_of(model, pattern, length=length)
        return
    if shortest > length:
        with pytest.raises(SamplingError, match=f"matches has {counted(shortest, 'characters')}:"):
            text_of(model, pattern, length=length)
        length = shortest
    texts = samples(model, count=3, length=length, seed=seed, constraints=lambda recent: [Match(expression)])
    assert all(regex.fullmatch(pattern, sample.text) for sample in texts)


PATTERNS = [
    r"[abc]{3,5} d+",
    r"(a|b|cd)*e",
    r"(?i)[A-C]+",
    r"a?b?c?d?e?",
    r"\w{4}\n\w{4}",
    r".*e",
    r"(.*d){3}",
    r"^a.*b$",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_text_matches_as_a_whole(engine, pattern):
    model = random_model(engine=engine)
    for seed in range(8):
        text = text_of(model, pattern, length=12, seed=seed)
        assert regex.fullmatch(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "length", "shortest"),
    [
        ("a{9}", 5, 9),
        (r"(ab|cde){4}d", 8, 9),
        (r"^a{2,}\bc?", 1, 2),
        ("(a|bb){1000}", 80, 1000),
        ("a{70000}", 9, 70000),
    ],
)
def test_the_error_names_the_shortest_length(pattern, length, shortest):
    with pytest.raises(SamplingError, match=f"matches has {shortest:,} characters"):
        text_of(random_model(), pattern, length=length)
    if shortest < 1000:
        assert regex.fullmatch(pattern, text_of(random_model(), pattern, length=shortest))


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("xyz", r"'x' \(U\+0078 .*, 'y' .*, 'z'"),
        ("(aß|bx+)c", r"never seen 'ß' \(U\+00DF"),
        ("[0-9]{4}", r"never seen \[0-9\]"),
        (r"(x?|y)ж", r"never seen 'ж' "),
        (r"a\bb", "exclude each other"),
    ],
)
def test_an_error_names_the_characters_that_are_missing(pattern, says):
    with pytest.raises(SamplingError, match=says):
        text_of(random_model(), pattern, length=20)


def test_a_character_that_is_not_allowed_is_named_as_such():
    with pytest.raises(SamplingError, match=r"`allow` or `ban` excludes 'b' .*; allow it"):
        text_of(random_model(), "ab", length=20, config=SamplingConfig(allow="ac"))


def test_a_text_without_a_length_runs_into_no_dead_end():
    model = model_of("\n abcdeé")
    for pattern in ("a*[b-d]x|[bc]{7}", "(a|bz|c){5}", r"(?:ab|ax)*\bc "):
        for seed in range(5):
            assert regex.fullmatch(pattern, text_of(model, pattern, length=-1, seed=seed))


# The end of a text


@pytest.mark.parametrize(
    ("pattern", "stops"), [("[a-e]+", ["\n"]), ("[a-e]+c", [" d"]), ("(ab|c)+", ["ba", "\n"]), ("[a-d]*", ["ed", "é"])]
)
def test_a_text_ends_at_a_stop_text_only_if_it_matches(engine, pattern, stops):
    model = random_model(engine=engine)
    expression = Expression(pattern, model.vocabulary)
    drawn = samples(model, count=20, length=200, seed=1, stops=stops, constraints=lambda recent: [Match(expression)])
    texts = [sample.text for sample in drawn]
    assert all(regex.fullmatch(pattern, text) for text in texts)
    assert len({len(text) for text in texts}) > 3


@pytest.mark.parametrize("block", range(4))
def test_no_stop_text_leads_into_a_dead_end_or_cuts_a_text_that_matches(block):
    """Of some stop texts, parts are others; some can't come; and some begin where the least length is not reached."""
    model, pattern, ends = model_of("\n abcd"), "[a-d]*d", set()
    expression = Expression(pattern, model.vocabulary)
    for seed in range(20 * block, 20 * (block + 1)):
        rng = random.Random(seed)
        stops = [
            "".join(rng.choices("abcd ", k=rng.randrange(4))) + rng.choice("abc ") for _ in range(rng.randrange(1, 5))
        ]
        stops += ["d☃"] * rng.randrange(2)
        options = {
            "length": 40,
            "min_length": rng.choice([0, 0, 10]),
            "config": SamplingConfig(ban=rng.choice(["", "b"])),
        }
        drawn = [
            *samples(model, count=8, seed=seed, stops=stops, constraints=lambda recent: [Match(expression)], **options)
        ]
        assert all(regex.fullmatch(pattern, sample.text) for sample in drawn)
        assert all(len(sample.text) >= options["min_length"] for sample in drawn)
        assert not any(stop in sample.text for stop in stops for sample in drawn)
        ends |= {len(sample.text) for sample in drawn}
    assert len(ends) > 10


def test_what_is_kept_of_a_text_for_its_stop_texts_does_not_grow_with_it():
    match = Match(Expression("[ab]*", Vocabulary("\nab")))
    match.begin(np.ones(3, bool), ("b\n",), -1)
    for _ in range(1000):
        match.add(1)
    assert (len(match._text), len(match._could_end)) == (2, 1)


def test_a_text_ends_where_no_character_may_come():
    assert text_of(random_model(), "ab?", config=SamplingConfig(allow="a"), length=20) == "a"
    assert text_of(random_model(), "", length=20) == ""
    assert len(text_of(random_model(), "[a-e]*", length=20)) == 20


# What no automaton follows


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (r"([ab])\1", "a back-reference"),
        ("(?=a)[a-e]{3}", "look-around"),
        (r"a(?<!b)b", "look-around"),
        ("(?>a|b)c", "an atomic group"),
        ("a++b", "a possessive repetition"),
        ("(a)?(?(1)b|c)", "a conditional"),
        ("a(?R)?b", "recursion"),
        ("(?:ab){e<=1}", "an approximate match"),
        ("(?x)a b", r"'\(\?x'"),
        ("([^a]|[^b])c", "negated classes"),
    ],
)
def test_the_library_alone_follows_what_is_not_regular(pattern, name):
    model = model_of("abcde")
    assert regex.search(name, Expression(pattern, model.vocabulary).unplanned)
    expression, failed = Expression(pattern, model.vocabulary), []
    drawn = samples(
        model,
        count=40,
        length=3,
        constraints=lambda recent: [Match(expression)],
        on_failure=lambda seed, error: failed.append(str(error)),
    )
    texts = [sample.text for sample in drawn]
    assert texts
    assert all(regex.fullmatch(pattern, text) for text in texts)
    assert all("does not match after 3" in error or "no character may come" in error for error in failed)


def test_a_regular_expression_that_takes_too_long_is_an_error(monkeypatch):
    monkeypatch.setattr(match, "REGEX_TIMEOUT", 0.1)
    nested = Match(Expression("(?=a)(a{1,1000}){1,1000}", Vocabulary("\n abcde")))
    nested.begin(np.ones(7, bool), (), -1)
    for _ in range(40):
        nested.add(2)
    with pytest.raises(SamplingError, match="takes too long"):
        nested.allowed()


@pytest.mark.parametrize(
    ("pattern", "length", "says"),
    [
        ("(a{1,1000}){1,1000}", -1, "too large to follow"),
        ("(((a{1,90}b){1,90}c){1,90}d){1,90}", 80, "too large to follow"),
        ("(" * 200 + "a" + ")*" * 200, 80, f"more than {MAX_DEPTH} groups"),
        ("(" * 5000 + "a" + ")" * 5000, 80, "too many groups"),
    ],
)
def test_an_expression_that_is_too_large_is_given_up(pattern, length, says):
    with pytest.raises(ConfigError, match=says):
        text_of(random_model(), pattern, length=length)


def test_the_size_of_an_expression_within_its_limits_is_no_error(monkeypatch):
    monkeypatch.setattr(automaton, "MAX_CACHED_NODES", 100)  # states are forgotten and made again
    model = model_of("ab")
    for pattern in ("(" * MAX_DEPTH + "a" + ")*" * MAX_DEPTH, "(a{1,1000}){1,1000}", "(a|b)*a(a|b){20}"):
        assert regex.fullmatch(pattern, text_of(model, pattern, length=40, seed=1))


def test_what_is_no_expression_is_an_error():
    for pattern in ("(", ")", "a{3,2}", "*a", "[a", "a**", r"\p{Nonsense}", "[b-a]"):
        with pytest.raises(ConfigError, match="not a regular expression"):
            Expression(pattern, Vocabulary("abc"))
    with pytest.raises(ConfigError, match="model of bytes"):
        Expression("a", Vocabulary(None))


# Samples that fail


def no_copy(model, pattern, corpus):
    """The constraints of a pattern and of a corpus, which together can lead into a dead end."""
    from charrnn.dataset.corpus import from_text

    expression, ngrams = Expression(pattern, model.vocabulary), CorpusNgrams(from_text(corpus), model.vocabulary, 1)
    return lambda recent: [Match(expression), MaxCopy(ngrams, recent)]


def test_a_sample_that_fails_leaves_the_others():
    model, failed = model_of("abcde"), []
    options = {"length": 2, "seed": 5, "constraints": no_copy(model, "(a|b|c)d", "ad")}
    drawn = list(samples(model, count=30, on_failure=lambda seed, error: failed.append(seed), **options))
    assert all(sample.text in ("bd", "cd") for sample in drawn)
    assert sorted([*failed, *(sample.seed for sample in drawn)]) == list(range(5, 35))
    assert failed
    with pytest.raises(SamplingError, match="no character may come after 1"):
        list(samples(model, count=30, **options))


@pytest.mark.parametrize("unique", [False, True])
def test_a_line_that_fails_counts_and_is_left_out(unique):
    model, failed = random_model(characters="\nabcde", layout="lines"), []
    drawn = list(
        sample_lines(
            model,
            count=4,
            length=2,
            unique=unique,
            on_failure=lambda seed, error: failed.append(seed),
            constraints=no_copy(model, "(a|b|c|d)e", "ae"),
        )
    )
    assert failed
    assert len(drawn) + len(failed) == 4
