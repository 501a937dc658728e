"""The constraints of sampling, the filters that came with them, and texts that end early or are taken up again."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sampling import random_model, text_of

from charrnn.config import SamplingConfig
from charrnn.dataset.corpus import from_text
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, ConfigError, SamplingError
from charrnn.sampling import constraints, decoder, filters, generate
from charrnn.sampling.constraints import Copies, Match, NoCopy
from charrnn.sampling.filters import FREE_REPEAT
from charrnn.sampling.generate import TextGenerator, alternatives, continuations, samples
from charrnn.sampling.state import GenerationState

LETTERS = Vocabulary("\n abcde")
CONFIGS = [
    SamplingConfig(typical=0.4),
    SamplingConfig(penalty=3.0),
    SamplingConfig(temp=0.3, penalty=1.0, top_k=4),
    SamplingConfig(ban="a-c"),
    SamplingConfig(allow="a-c ", typical=0.7),
    SamplingConfig(temp=0.2, to_temp=2.0),
]


def matching(pattern, vocabulary, ends=()):
    return lambda before: [Match(pattern, vocabulary, ends)]


# Which characters


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("abc", "abc"),
        ("a-c", "abc"),
        (r"\n", "\n"),
        ("-a", "-a"),
        ("a-", "-a"),
        (r"a\-c", "-ac"),
        ("c-a", ""),
        ("", ""),
    ],
)
def test_expressions_name_characters_and_ranges(expression, wanted):
    characters = "\n -abcde\\"
    assert {
        c for c, named in zip(characters, filters.parse_charset(expression, characters), strict=True) if named
    } == set(wanted)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_each_sample_is_the_one_drawn_alone_whatever_the_filter(engine, config):
    model = random_model(engine=engine)
    for sample in samples(model, count=5, length=150, seed=3, prime="abc", config=config):
        assert sample.text == text_of(model, length=150, seed=sample.seed, prime="abc", config=config)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_compiled_draw_is_what_the_filters_make_of_the_prediction(engine, config):
    ours, reference = (decoder.start(random_model(engine=e), ["cab"] * 3, [3, 4, 5], config) for e in (engine, None))
    temps = config.temps(0, 150, 150)
    np.testing.assert_array_equal(ours.draw(temps)[0], reference.draw(temps)[0])


@given(st.sets(st.sampled_from("abcde 😀é"), min_size=1, max_size=6), st.integers(0, 9))
def test_what_is_banned_never_comes(banned, seed):
    config = SamplingConfig(temp=2.0, ban="".join(sorted(banned)))
    assert not banned & set(text_of(random_model(), length=80, seed=seed, config=config))
    assert set(text_of(random_model(), length=80, seed=seed, config=SamplingConfig(allow="".join(banned)))) <= banned


def test_where_all_that_is_asked_leaves_nothing_there_is_an_error(engine):
    model, config = random_model(engine=engine), SamplingConfig(allow="ab")
    copies = Copies(from_text("aabb ab"), model.vocabulary, 1)
    with pytest.raises(SamplingError, match="no character may come"):
        text_of(model, config=config, length=20, constraints=lambda before: [NoCopy(copies, before)])


def test_a_match_is_complete_where_nothing_else_is_allowed(engine):
    model = random_model(engine=engine)

    def makes(before):
        return [Match("ab?", model.vocabulary)]

    assert text_of(model, config=SamplingConfig(allow="a"), length=20, constraints=makes) == "a"


@pytest.mark.parametrize(("first", "last"), [(0.9, 0.0), (0.0, 0.7), (0.1, 0.0), (1.6, 0.0)])
@pytest.mark.parametrize("length", [1, 2, 50, 90, 5000])
def test_a_range_of_temperatures_keeps_within_its_ends(first, last, length):
    temps = SamplingConfig(temp=first, to_temp=last).temps(0, length, length)
    assert temps[0] == first
    assert length == 1 or temps[-1] == last
    assert min(temps) >= 0


def test_what_ends_a_text_need_not_be_allowed(engine):
    model, config = random_model(engine=engine), SamplingConfig(allow="abc")
    written = text_of(model, length=500, config=config, stops=["d"])
    assert len(written) < 500
    assert set(written) <= set("abc")
    banned = SamplingConfig(allow="abc", ban="d")
    assert len(text_of(model, length=500, config=banned, stops=["d"])) == 500


def test_nothing_left_to_draw_from_is_refused():
    with pytest.raises(ConfigError, match="leave no character"):
        text_of(random_model(), config=SamplingConfig(allow="z"))


# Loops


@given(st.text("ab", max_size=30))
def test_loops_are_the_ends_that_stood_before(text):
    ids = np.array([2] * 3 + ["ab".index(c) for c in text], np.int64)  # 2 is no character
    for v, c in enumerate("ab"):
        longest = max((k for k in range(1, len(text)) if text[-k:] + c in text), default=0)
        assert filters.repeat_lengths(ids, 2)[v] == longest


def test_a_penalty_ends_a_loop(engine):
    model, greedy = random_model(engine=engine), SamplingConfig(temp=0)
    looping = text_of(model, length=400, config=greedy)
    assert looping[-100:-50] in looping[:-80]  # a greedy text comes into a loop at last
    text = text_of(model, length=400, config=SamplingConfig(temp=0, penalty=100.0))
    assert len({text[n : n + 40] for n in range(300)}) == 300
    assert text[: FREE_REPEAT + 1] == looping[: FREE_REPEAT + 1]


# Temperatures


def test_a_range_of_temperatures_goes_from_one_to_the_other():
    np.testing.assert_allclose(SamplingConfig(temp=0.4, to_temp=1.2).temps(0, 5, 5), [0.4, 0.6, 0.8, 1.0, 1.2])
    assert SamplingConfig(temp=0.4, to_temp=1.2).temps(3, 4, 5) == pytest.approx([1.0])
    with pytest.raises(ConfigError, match="needs its length"):
        TextGenerator(random_model(), length=-1, config=SamplingConfig(to_temp=2.0))


# Matches


PATTERNS = [r"[abc]{3,5} d+", r"(a|b|cd)*e", r"(?i)[A-C]+", r"a?b?c?d?e?", r"\w{4}\n\w{4}"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_text_matches_as_a_whole(engine, pattern):
    pytest.importorskip("regex")
    model, found = random_model(engine=engine), 0
    for seed in range(8):
        try:
            text = text_of(model, length=12, seed=seed, constraints=matching(pattern, model.vocabulary))
        except SamplingError:  # twelve characters were not enough
            continue
        assert re.fullmatch(pattern, text), text
        found += 1
    assert found


def test_a_match_may_end_at_a_line_end(engine):
    pytest.importorskip("regex")
    model = random_model(engine=engine)
    drawn = samples(
        model, count=20, length=200, seed=1, stops=["\n"], constraints=matching("[a-e]+", model.vocabulary, "\n")
    )
    texts = [sample.text for sample in drawn]
    assert all(re.fullmatch("[a-e]+", text) for text in texts)
    assert len({len(text) for text in texts}) > 3


def test_a_regular_expression_that_takes_too_long_is_an_error(monkeypatch):
    monkeypatch.setattr(constraints, "PATIENCE", 0.1)
    match = Match("(a{1,1000}){1,1000}", LETTERS)
    match.text = "a" * 40
    with pytest.raises(SamplingError, match="takes too long"):
        match.allowed()


def test_a_match_that_can_not_be_is_an_error():
    pytest.importorskip("regex")
    model = random_model()
    with pytest.raises(SamplingError, match="no character may come after 0"):
        text_of(model, length=5, constraints=matching("xyz", model.vocabulary))
    with pytest.raises(SamplingError, match="doesn't match yet"):
        text_of(model, length=2, constraints=matching("aaaa", model.vocabulary))
    with pytest.raises(ConfigError, match="no regular expression"):
        Match("(", model.vocabulary)
    with pytest.raises(ConfigError, match="of bytes"):
        Match("a", Vocabulary(None))


# Copies


@settings(deadline=None)
@given(st.text("abc", min_size=2, max_size=60), st.text("abcd", min_size=1, max_size=12), st.integers(1, 6))
def test_followers_are_those_of_a_naive_search(text, window, N):
    vocabulary = Vocabulary("\n abcd")
    window = (window * N)[-N:]
    followers = Copies(from_text(text), vocabulary, N).followers(vocabulary.encode(window))
    assert followers.tolist() == [window + c in text for c in vocabulary.characters]


@pytest.mark.parametrize("at_once", [1, 7, 64])
def test_a_corpus_that_is_hashed_in_parts_has_the_pieces_of_the_whole(at_once, monkeypatch):
    text = "abc cab abcd dcab bad cad " * 3 + "dabba"
    whole = Copies(from_text(text), LETTERS, 5).hashes
    monkeypatch.setattr(constraints, "AT_ONCE", at_once)
    np.testing.assert_array_equal(Copies(from_text(text), LETTERS, 5).hashes, whole)


def test_a_corpus_in_characters_that_the_model_does_not_know_is_no_obstacle():
    copies = Copies(from_text("жук abжcab"), LETTERS, 1)
    assert copies.followers(LETTERS.encode("a")).tolist() == [c == "b" for c in LETTERS.characters]


@given(st.integers(1, 5), st.integers(0, 20))
@settings(deadline=None, max_examples=30)
def test_no_text_shares_more_than_N_characters_with_the_corpus(N, seed):
    model = random_model()
    corpus = text_of(model, length=60, seed=99)
    copies = Copies(from_text(corpus), model.vocabulary, N)
    try:
        text = text_of(model, length=60, seed=seed, constraints=lambda before: [NoCopy(copies, before)])
    except SamplingError:
        return  # where all that may follow stands in the corpus
    assert not any(text[n : n + N + 1] in corpus for n in range(len(text) - N))


def test_what_the_text_goes_on_from_counts(engine):
    model = random_model(engine=engine)
    copies = Copies(from_text("abcdeabcd"), model.vocabulary, 3)
    for seed in range(20):
        text = text_of(model, prime="abc", length=1, seed=seed, constraints=lambda before: [NoCopy(copies, before)])
        assert text != "d"


def test_copies_are_of_one_character_at_the_least():
    with pytest.raises(ConfigError, match="at least 1"):
        Copies(from_text("ab"), LETTERS, 0)


# Ends


@pytest.mark.parametrize("stops", [["\n"], ["ab"], ["a", "bc"], ["bcb", "cbc"], ["é😀"]])
def test_a_text_ends_before_the_first_stop_text(engine, stops):
    model = random_model(engine=engine)
    for seed in range(10):
        whole = text_of(model, length=300, seed=seed)
        ends = [whole.find(stop) + len(stop) for stop in stops if stop in whole]
        stop = max((s for s in stops if whole[: min(ends, default=0)].endswith(s)), key=len, default="")
        wanted = whole[: min(ends) - len(stop)] if ends else whole
        assert text_of(model, length=300, seed=seed, stops=stops) == wanted
        (sample,) = samples(model, count=1, length=300, seed=seed, stops=stops)
        assert (sample.text, sample.chars) == (wanted, len(wanted + stop))


def test_stop_texts_of_a_model_of_bytes():
    model = random_model(characters=None)
    whole = text_of(model, length=400, seed=1)
    stop = next(a + b for a, b in pairwise(whole[50:]) if a.isascii() and b.isascii())
    assert text_of(model, length=400, seed=1, stops=[stop]) == whole[: whole.index(stop)]


# Primes


def test_each_prime_is_gone_on_from_as_if_alone(engine):
    model, primes = random_model(engine=engine), ["abc", "", "a bad cab", "é"]
    drawn = list(continuations(model, [primes[:3], primes[3:]], length=40, seed=7))
    assert [sample.prime for sample in drawn] == primes
    for n, sample in enumerate(drawn):
        assert (sample.seed, sample.text) == (7 + n, text_of(model, prime=primes[n], length=40, seed=7 + n))


@pytest.mark.parametrize(
    ("text", "skipped", "nearest"),
    [
        ("abc", "abc", "abc"),
        ("aXc", "ac", "ac"),
        ("AbC", "b", "abc"),
        ("áb́ê", "b", "abe"),
        ("a\u00a0b", "ab", "a b"),
        ("ж", "", ""),
    ],
)
def test_strangers_in_a_prime(text, skipped, nearest):
    assert LETTERS.admit(text, "error") == (text, 0)
    assert LETTERS.admit(text, "skip")[0] == skipped
    admitted, strangers = LETTERS.admit(text, "nearest")
    assert (admitted, strangers) == (nearest, sum(c not in LETTERS.characters for c in text))
    with pytest.raises(ConfigError, match="unknown can't be"):
        LETTERS.admit(text, "guess")


def test_the_alternatives_are_the_likeliest(engine):
    model = random_model(engine=engine)
    (sample,) = samples(model, count=1, length=30, seed=4, prime="cab")
    told = list(alternatives(model, sample, 3))
    assert "".join(character for character, _, _ in told) == sample.text
    assert sum(logprob for _, logprob, _ in told) == pytest.approx(sample.logprob, abs=1e-3)
    for character, logprob, best in told:
        assert [p for _, p in best] == sorted((p for _, p in best), reverse=True)
        assert dict(best).get(character, logprob) == logprob
        assert logprob <= best[0][1]


# Texts that go on


@pytest.mark.parametrize("config", [SamplingConfig(), SamplingConfig(temp=0.1, penalty=2.0)], ids=str)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_text_goes_on_exactly_where_it_stopped(engine, cell, config, tmp_path):
    model = random_model(cell, engine=engine)
    begun = TextGenerator(model, length=150, seed=5, prime="cab", config=config)
    first = "".join(begun)
    begun.continuation.save(tmp_path / "text.safetensors", model)
    after = GenerationState.load(tmp_path / "text.safetensors", model)
    rest = "".join(TextGenerator(model, length=100, config=config, after=after))
    assert first + rest == text_of(model, length=250, seed=5, prime="cab", config=config)
    primed = TextGenerator(model, length=20, config=SamplingConfig(temp=0), after=after, prime="abc")
    assert "".join(primed) == text_of(model, prime="cab" + first + "abc", length=20, config=SamplingConfig(temp=0))


def test_a_text_goes_on_with_its_own_model_alone(tmp_path):
    model, path = random_model(), tmp_path / "text.safetensors"
    writing = TextGenerator(model, length=10)
    "".join(writing)
    writing.continuation.save(path, model)
    with pytest.raises(CheckpointError, match="another model"):
        GenerationState.load(path, random_model("gru"))
    with pytest.raises(CheckpointError, match="there is no"):
        GenerationState.load(tmp_path / "missing.safetensors", model)


def test_no_text_is_made_of_predictions_that_are_no_numbers(engine):
    model = random_model(engine=engine)
    for p in model.params.values():
        p *= 1e38
    with pytest.raises(CheckpointError, match="no numbers"), np.errstate(all="ignore"):
        text_of(model, length=10)


def test_frequencies_are_the_probabilities(engine):
    """Chi-square over 200,000 draws of the first character, at the 0.1 % level for each temperature."""
    model = random_model(engine=engine)
    logits, _ = model.forward(np.array([[model.vocabulary.start]]), model.zero_state(1))
    for temp in (0.5, 1.0, 1.7):
        config = SamplingConfig(temp=temp)
        p = np.exp(filters.apply(filters.log_softmax(logits[0].astype(np.float64)), config))[0]
        u = np.random.default_rng(1).random(200_000)
        begun = decoder.start(model, [""] * 500, range(500), config)
        counts = np.zeros(len(p))
        for part in np.split(u, 400):
            if engine.Decoder:
                sampler = engine.Decoder(model.config.cell, model.params, model.zero_state(500))
                ids, _ = sampler.run(begun.context, part[None], [temp], filters.settings(config))
            else:
                ids = decoder.sample_categorical(np.log(np.broadcast_to(p, (500, len(p)))), part)[None]
            counts += np.bincount(ids[0], minlength=len(p))
        chi2 = ((counts - 200_000 * p) ** 2 / (200_000 * p)).sum()
        assert chi2 < 26.12  # 8 degrees of freedom, p > 0.001


def test_samples_without_an_end_are_refused():
    with pytest.raises(ConfigError, match="need an end"):
        list(samples(random_model(), count=2, length=-1))
    assert len(list(generate.samples(random_model(), count=2, length=-1, stops=["a"]))) == 2
