"""The constraints of sampling, character sets, the loop penalty, stop texts and batches of primes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config import SamplingConfig
from charrnn.dataset.corpus import from_text
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, ConfigError, CorpusError, SamplingError
from charrnn.layers.softmax import log_softmax
from charrnn.sampling import constraints, decoder, filters
from charrnn.sampling.constraints import CorpusNgrams, MaxCopy
from charrnn.sampling.filters import FREE_REPEAT
from charrnn.sampling.generate import TextGenerator, alternatives, continuations, generate, samples
from charrnn.sampling.match import Expression, Match
from support.random_models import random_model

LETTERS = Vocabulary("\n abcde")
CONFIGS = [
    SamplingConfig(typical=0.4),
    SamplingConfig(loop_penalty=3.0),
    SamplingConfig(temp=0.3, loop_penalty=1.0, top_k=4),
    SamplingConfig(ban="a-c"),
    SamplingConfig(allow="a-c ", typical=0.7),
    SamplingConfig(temp=0.2, to_temp=2.0),
]


def text_of(model, **options):
    return "".join(generate(model, **options))


def matching(pattern, vocabulary):
    """A factory of a single constraint."""
    expression = Expression(pattern, vocabulary)
    return lambda recent: [Match(expression)]


# Character sets


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_each_sample_is_the_one_drawn_alone_with_any_filter(engine, config):
    model = random_model(engine=engine)
    for sample in samples(model, count=5, length=150, seed=3, prime="abc", config=config):
        assert sample.text == text_of(model, length=150, seed=sample.seed, prime="abc", config=config)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_every_engine_draws_as_the_reference_filters_do(engine, config):
    drawn, reference = (decoder.start(random_model(engine=e), ["cab"] * 3, [3, 4, 5], config) for e in (engine, None))
    temps = config.temps(0, 150, 150)
    np.testing.assert_array_equal(drawn.draw(temps)[0], reference.draw(temps)[0])


@given(st.sets(st.sampled_from("abcde 😀é"), min_size=1, max_size=6), st.integers(0, 9))
def test_banned_characters_never_come_and_only_allowed_ones_do(banned, seed):
    config = SamplingConfig(temp=2.0, ban="".join(sorted(banned)))
    assert not banned & set(text_of(random_model(), length=80, seed=seed, config=config))
    assert set(text_of(random_model(), length=80, seed=seed, config=SamplingConfig(allow="".join(banned)))) <= banned


def test_constraints_that_leave_no_character_are_an_error(engine):
    model, config = random_model(engine=engine), SamplingConfig(allow="ab")
    ngrams = CorpusNgrams(from_text("aabb ab"), model.vocabulary, 1)
    with pytest.raises(SamplingError, match="no character may come"):
        text_of(model, config=config, length=20, constraints=lambda recent: [MaxCopy(ngrams, recent)])


def test_a_text_ends_at_a_match_if_no_character_may_follow(engine):
    model = random_model(engine=engine)
    constraints = matching("ab?", model.vocabulary)
    assert text_of(model, config=SamplingConfig(allow="a"), length=20, constraints=constraints) == "a"


@pytest.mark.parametrize(("first", "last"), [(0.9, 0.0), (0.0, 0.7), (0.1, 0.0), (1.6, 0.0)])
@pytest.mark.parametrize("length", [1, 2, 50, 90, 5000])
def test_a_range_of_temperatures_stays_within_its_ends(first, last, length):
    temps = SamplingConfig(temp=first, to_temp=last).temps(0, length, length)
    assert temps[0] == first
    assert length == 1 or temps[-1] == last
    assert min(temps) >= 0


def test_a_character_that_stops_a_text_need_not_be_allowed(engine):
    model, config = random_model(engine=engine), SamplingConfig(allow="abc")
    written = text_of(model, length=500, config=config, stops=["d"])
    assert len(written) < 500
    assert set(written) <= set("abc")
    banned = SamplingConfig(allow="abc", ban="d")
    assert len(text_of(model, length=500, config=banned, stops=["d"])) == 500


def test_a_character_set_without_known_characters_is_an_error():
    with pytest.raises(ConfigError, match="leave no character"):
        text_of(random_model(), config=SamplingConfig(allow="z"))


# Loops


@given(st.text("ab", max_size=30))
def test_a_repeat_length_is_the_longest_end_that_the_character_has_followed_before(text):
    ids = np.array([2] * 3 + ["ab".index(c) for c in text], np.int64)  # 2 is padding
    for v, c in enumerate("ab"):
        longest = max((k for k in range(1, len(text)) if text[-k:] + c in text), default=0)
        assert filters.repeat_lengths(ids, 2)[v] == longest


def test_a_loop_penalty_ends_a_loop(engine):
    model, greedy = random_model(engine=engine), SamplingConfig(temp=0)
    looping = text_of(model, length=400, config=greedy)
    assert looping[-100:-50] in looping[:-80]  # a greedy text ends in a loop
    text = text_of(model, length=400, config=SamplingConfig(temp=0, loop_penalty=100.0))
    assert len({text[n : n + 40] for n in range(300)}) == 300
    assert text[: FREE_REPEAT + 1] == looping[: FREE_REPEAT + 1]


# Temperatures


def test_a_range_of_temperatures_is_linear_and_needs_a_length():
    np.testing.assert_allclose(SamplingConfig(temp=0.4, to_temp=1.2).temps(0, 5, 5), [0.4, 0.6, 0.8, 1.0, 1.2])
    assert SamplingConfig(temp=0.4, to_temp=1.2).temps(3, 4, 5) == pytest.approx([1.0])
    with pytest.raises(ConfigError, match="needs a length"):
        TextGenerator(random_model(), length=-1, config=SamplingConfig(to_temp=2.0))


# Copies


@settings(deadline=None)
@given(st.text("abc", min_size=2, max_size=60), st.text("abcd", min_size=1, max_size=12), st.integers(1, 6))
def test_the_followers_are_those_of_a_naive_search(text, window, N):
    vocabulary = Vocabulary("\n abcd")
    window = (window * N)[-N:]
    followers = CorpusNgrams(from_text(text), vocabulary, N).followers(vocabulary.encode(window))
    assert followers.tolist() == [window + c in text for c in vocabulary.characters]


@pytest.mark.parametrize("block", [1, 7, 64])
def test_a_corpus_that_is_hashed_in_blocks_has_the_ngrams_of_the_whole(block, monkeypatch):
    text = "abc cab abcd dcab bad cad " * 3 + "dabba"
    whole = CorpusNgrams(from_text(text), LETTERS, 5).hashes
    monkeypatch.setattr(constraints, "HASH_BLOCK", block)
    np.testing.assert_array_equal(CorpusNgrams(from_text(text), LETTERS, 5).hashes, whole)


def test_a_corpus_may_have_characters_that_the_model_does_not_know():
    ngrams = CorpusNgrams(from_text("жук abжcab"), LETTERS, 1)
    assert ngrams.followers(LETTERS.encode("a")).tolist() == [c == "b" for c in LETTERS.characters]


@given(st.integers(1, 5), st.integers(0, 20))
@settings(deadline=None, max_examples=30)
def test_no_text_shares_more_than_N_characters_with_the_corpus(N, seed):
    model = random_model()
    corpus = text_of(model, length=60, seed=99)
    ngrams = CorpusNgrams(from_text(corpus), model.vocabulary, N)
    try:
        text = text_of(model, length=60, seed=seed, constraints=lambda recent: [MaxCopy(ngrams, recent)])
    except SamplingError:
        return  # every character would complete an n-gram of the corpus
    assert not any(text[n : n + N + 1] in corpus for n in range(len(text) - N))


def test_the_prime_counts_as_part_of_a_copy(engine):
    model = random_model(engine=engine)
    ngrams = CorpusNgrams(from_text("abcdeabcd"), model.vocabulary, 3)
    for seed in range(20):
        text = text_of(model, prime="abc", length=1, seed=seed, constraints=lambda recent: [MaxCopy(ngrams, recent)])
        assert text != "d"


def test_max_copy_is_at_least_1():
    with pytest.raises(ConfigError, match="at least 1"):
        CorpusNgrams(from_text("ab"), LETTERS, 0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("жук abжcabжук", "54% of the characters"),
        ("жукжук " * 40 + "abc " * 40, "55% of the characters"),
        ("abcdж" * 100, "a character in nearly each 6 in a row"),
        ("ab\ncxd" * 100, "a character in nearly each 6 in a row"),
    ],
)
def test_a_corpus_of_which_the_model_knows_too_little_is_refused(text, why, monkeypatch):
    for block in (1 << 22, 7):
        monkeypatch.setattr(constraints, "HASH_BLOCK", block)
        with pytest.raises(CorpusError, match=f"never seen {why} of text, so that `max_copy` has no effect"):
            CorpusNgrams(from_text(text), LETTERS, 5)


@pytest.mark.parametrize("text", ["ab", "abcdж" * 2 + "abcde" * 10, "ab cd " * 30 + "жук"])
def test_a_corpus_with_some_unknown_characters_is_none_the_less_guarded(text):
    assert CorpusNgrams(from_text(text), LETTERS, 4).N == 4


# Stop texts


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


def test_a_text_of_bytes_ends_before_a_stop_text():
    model = random_model(characters=None)
    whole = text_of(model, length=400, seed=1)
    stop = next(a + b for a, b in pairwise(whole[50:]) if a.isascii() and b.isascii())
    assert text_of(model, length=400, seed=1, stops=[stop]) == whole[: whole.index(stop)]


# Primes


def test_each_prime_is_continued_as_if_alone(engine):
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
def test_unknown_characters_of_a_prime_are_skipped_or_replaced(text, skipped, nearest):
    assert LETTERS.replace_unknown(text, "error") == (text, 0)
    assert LETTERS.replace_unknown(text, "skip")[0] == skipped
    prime, n_unknown = LETTERS.replace_unknown(text, "nearest")
    assert (prime, n_unknown) == (nearest, sum(c not in LETTERS.characters for c in text))
    with pytest.raises(ConfigError, match="unknown can't be"):
        LETTERS.replace_unknown(text, "guess")


def test_the_alternatives_are_the_likeliest_characters(engine):
    model = random_model(engine=engine)
    (sample,) = samples(model, count=1, length=30, seed=4, prime="cab")
    rows = list(alternatives(model, sample, 3))
    assert "".join(character for character, _, _ in rows) == sample.text
    assert sum(logprob for _, logprob, _ in rows) == pytest.approx(sample.logprob, abs=1e-3)
    for character, logprob, best in rows:
        assert [p for _, p in best] == sorted((p for _, p in best), reverse=True)
        assert dict(best).get(character, logprob) == logprob
        assert logprob <= best[0][1]


# Draws


def test_predictions_that_are_nan_or_infinite_are_an_error(engine):
    model = random_model(engine=engine)
    for p in model.params.values():
        p *= 1e38
    with pytest.raises(CheckpointError, match="NaN or infinite"), np.errstate(all="ignore"):
        text_of(model, length=10)


def test_characters_are_drawn_as_often_as_they_are_probable(engine):
    """Chi-square test on 200,000 draws of the first character, at the 0.1 % level for each temperature."""
    model = random_model(engine=engine)
    logits, _ = model.forward(np.array([[model.vocabulary.start]]), model.zero_state(1))
    for temp in (0.5, 1.0, 1.7):
        config = SamplingConfig(temp=temp)
        p = np.exp(filters.apply(log_softmax(logits[0].astype(np.float64)), config))[0]
        u = np.random.default_rng(1).random(200_000)
        batch = decoder.start(model, [""] * 500, range(500), config)
        counts = np.zeros(len(p))
        for part in np.split(u, 400):
            if engine.Decoder:
                compiled = engine.Decoder(model.config.cell, model.params, model.zero_state(500))
                ids, _ = compiled.run(batch.context, part[None], [temp], filters.settings(config))
            else:
                ids = decoder.sample_categorical(np.log(np.broadcast_to(p, (500, len(p)))), part)[None]
            counts += np.bincount(ids[0], minlength=len(p))
        chi2 = ((counts - 200_000 * p) ** 2 / (200_000 * p)).sum()
        assert chi2 < 26.12  # 8 degrees of freedom, p > 0.001


def test_several_samples_need_a_length_or_a_stop_text():
    with pytest.raises(ConfigError, match="need an end"):
        list(samples(random_model(), count=2, length=-1))
    assert len(list(samples(random_model(), count=2, length=-1, stops=["a"]))) == 2
