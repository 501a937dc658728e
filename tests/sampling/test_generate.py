"""Text generation: what is drawn depends only on the seed, and its likelihood is its score."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import SamplingConfig
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, VocabularyError
from charrnn.layers.softmax import log_softmax
from charrnn.model.model import DEFAULT_LENGTH
from charrnn.sampling import decoder, filters
from charrnn.sampling.generate import Sample, TextGenerator, continuations, generate, samples
from charrnn.sampling.growing_text import GrowingText, IncrementalDecoder
from charrnn.sampling.request import SamplingRequest
from charrnn.scoring.text import score
from support import naive
from support.cells import CELLS
from support.random_models import random_model

CHARACTERS = "\n abcdeé😀"


def text_of(model, **options):
    return "".join(generate(model, **options))


# Seeds


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_texts_do_not_depend_on_the_number_of_threads(engine, threads):
    model = random_model(engine=engine)
    usual, found = (list(samples(model, count=40, length=30, seed=3, threads=n)) for n in (None, threads))
    assert found == usual


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_seed_gives_the_same_text(engine, cell):
    model = random_model(cell, engine=engine)
    first, again, other = (text_of(model, length=300, seed=seed) for seed in (5, 5, 6))
    assert first == again
    assert len(first) == 300
    assert first != other


@pytest.mark.parametrize("cell", CELLS)
def test_each_sample_is_the_one_that_its_seed_gives_alone(engine, cell):
    model, config = random_model(cell, engine=engine), SamplingConfig(temp=0.8, top_p=0.95)
    drawn = list(samples(model, count=70, length=40, seed=11, prime="abc", config=config))  # more than one batch
    assert [sample.seed for sample in drawn] == list(range(11, 81))
    for sample in drawn:
        assert sample.text == text_of(model, length=40, seed=sample.seed, prime="abc", config=config)
        assert (sample.prime, sample.temp, sample.chars) == ("abc", 0.8, 40)


def test_a_longer_text_begins_as_a_shorter_one(engine):
    model = random_model(engine=engine)
    assert text_of(model, length=600, seed=1).startswith(text_of(model, length=300, seed=1))
    (short,), (long,) = (list(samples(model, count=1, length=length, seed=1)) for length in (256, 257))
    assert long.text.startswith(short.text)


@pytest.mark.parametrize("config", [SamplingConfig(temp=0), SamplingConfig(top_k=1), SamplingConfig(top_p=1e-9)])
def test_a_greedy_text_is_the_likeliest_step_by_step_for_every_seed(engine, config):
    model = random_model(engine=engine)
    text = text_of(model, length=30, seed=1, config=config)
    assert text == text_of(model, length=30, seed=2, config=config)
    state, context, wanted = model.zero_state(1), model.vocabulary.start, ""
    for _ in range(30):
        logits, state = model.forward(np.array([[context]], np.uint8), state)
        context = int(logits.argmax())
        wanted += model.vocabulary.characters[context]
    assert text == wanted


CONFIGS = [
    SamplingConfig(),
    SamplingConfig(temp=0),
    SamplingConfig(temp=0.3),
    SamplingConfig(temp=1e-300),
    SamplingConfig(temp=1e6),
    SamplingConfig(top_k=1),
    SamplingConfig(top_k=3),
    SamplingConfig(top_k=100),
    SamplingConfig(top_p=1e-9),
    SamplingConfig(top_p=0.7),
    SamplingConfig(min_p=0.2),
    SamplingConfig(min_p=1),
    SamplingConfig(temp=1.7, top_k=6, top_p=0.9, min_p=0.05),
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize(
    ("cell", "layers"), [("rnn", 1), ("rnn_relu", 2), ("gru", 2), ("lstm", 3), ("rnn", 2), ("gru", 1), ("lstm", 1)]
)
def test_each_draw_is_the_character_whose_share_the_random_number_falls_in(engine, cell, layers, config):
    model, reference = random_model(cell, engine=engine, layers=layers), random_model(cell, layers=layers)
    seeds, near = [3, 4, 5], 1e-5  # a different rounding may fall on the other side of a border
    batch = decoder.start(model, ["cab"] * 3, seeds, config)
    drawn = [batch.draw([config.temp] * 64) for _ in range(3)]
    ids, logps = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    u = np.stack([np.random.default_rng(seed).random(len(ids)) for seed in seeds], axis=1)
    state = reference.read(reference.vocabulary.encode("\nca"), reference.zero_state(1)).repeat(3, axis=2)
    context = np.repeat(reference.vocabulary.encode("b"), 3)
    for n in range(len(ids)):
        logits, state = reference.forward(context[None], state)
        logp = log_softmax(logits[0].astype(np.float64))
        shares = np.cumsum(np.exp(filters.apply(logp, config)), axis=-1)
        for row, v in enumerate(ids[n]):
            assert logps[n, row] == pytest.approx(logp[row, v], abs=1e-4)
            assert (shares[row, v - 1] if v else 0) - near <= u[n, row] <= shares[row, v] + near
            assert shares[row, v] > (shares[row, v - 1] if v else 0)  # it is possible at all
        context = ids[n]


@pytest.mark.parametrize("config", [SamplingConfig(), SamplingConfig(top_k=2), SamplingConfig(min_p=0.5)], ids=str)
def test_the_compiled_decoder_draws_only_possible_characters_at_the_ends_of_the_unit_interval(engine, config):
    if engine.Decoder is None:
        pytest.skip("this engine has no compiled decoder")
    model, u = random_model(engine=engine), np.array([[0.0, 1 - 2**-53]])
    for context in range(len(CHARACTERS)):
        both, state = np.repeat(np.array([[context]], np.uint8), 2, axis=1), model.zero_state(2)
        logits, _ = model.forward(both, state)
        possible = np.flatnonzero(filters.apply(log_softmax(logits[0].astype(np.float64)), config)[0] > -np.inf)
        compiled = engine.Decoder(model.config.cell_name, model.params, state)
        ids, _ = compiled.run(both[0], u, [config.temp], filters.settings(config))
        assert ids[0].tolist() == [possible[0], possible[-1]]


@pytest.mark.parametrize("largest", [1e12, 1e30])
def test_likelihoods_after_huge_logits_are_right(engine, largest):
    model = random_model(engine=engine)
    params = {name: np.zeros_like(p) for name, p in model.params.items()}
    params["b_out"][:2] = largest
    batch = decoder.start(replace(model, params=params), [""], [1], SamplingConfig())
    ids, logps = batch.draw([1.0] * 8)
    assert ids.max() <= 1
    np.testing.assert_allclose(logps, -np.log(2), rtol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_the_number_of_threads_does_not_change_what_is_drawn(engine, cell):
    if engine.Decoder is None:
        pytest.skip("this engine draws in one thread")
    model, rng = random_model(cell, engine=engine), np.random.default_rng(1)
    state, config = rng.normal(size=model.zero_state(21).shape).astype(np.float32), SamplingConfig(top_p=0.9)
    context, u = rng.integers(len(CHARACTERS), size=21).astype(np.uint8), rng.random((40, 21))
    recent = rng.integers(len(CHARACTERS), size=(21, filters.LOOKBACK))
    mask = rng.random((21, len(CHARACTERS))) < 0.8
    drawn = []
    for threads in (1, 2, 5):
        compiled = engine.Decoder(cell, model.params, state, threads)
        ids, logps = compiled.run(context, u, [0.8] * 40, filters.settings(config), mask, recent)
        drawn.append((ids, logps, compiled.state))
    for others in drawn[1:]:
        for array, other in zip(drawn[0], others, strict=True):
            np.testing.assert_array_equal(array, other)


# Primes


@pytest.mark.parametrize("cell", CELLS)
def test_a_prime_read_at_once_leaves_the_state_of_one_read_by_character(engine, cell):
    model = random_model(cell, engine=engine)
    ids = model.vocabulary.encode("a bad cab é😀\n" * 100)  # longer than one read
    state = model.zero_state(1)
    for character in ids:
        _, state = model.forward(np.array([[character]]), state)
    np.testing.assert_allclose(model.read(ids, model.zero_state(1)), state, rtol=0, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_the_first_prediction_is_that_of_the_whole_prime(engine, cell):
    model, prime = random_model(cell, engine=engine), "a bad cab"
    ids, logp = decoder.start(model, [prime] * 2, [3, 4], SamplingConfig()).draw([1.0])
    read = np.concatenate(([model.vocabulary.start], model.vocabulary.encode(prime)))[:, None]
    doubles = {name: p.astype(np.float64) for name, p in model.params.items()}
    logits, _ = naive.network(doubles, read, model.zero_state(1).astype(np.float64), cell, 2)
    wanted = naive.log_softmax(logits[-1, 0])
    for row in range(2):
        assert logp[0, row] == pytest.approx(wanted[ids[0, row]], abs=1e-4)


def test_a_text_that_was_drawn_can_be_the_prime_of_the_rest(engine):
    model, greedy = random_model(engine=engine), SamplingConfig(temp=0)
    text = text_of(model, prime="cab", length=40, config=greedy)
    assert text_of(model, prime="cab" + text[:15], length=25, config=greedy) == text[15:]


def test_an_unprimed_text_begins_after_a_newline():
    model, greedy = random_model(), SamplingConfig(temp=0)
    state = model.zero_state(1)
    logits, _ = model.forward(model.vocabulary.encode("\n")[:, None], state)
    assert text_of(model, length=1, config=greedy) == CHARACTERS[int(logits.argmax())]


def test_a_prime_with_unknown_characters_is_an_error():
    with pytest.raises(VocabularyError, match=r"U\+007A"):
        text_of(random_model(), prime="abz", length=1)
    with pytest.raises(VocabularyError, match=r"U\+007A"):
        list(samples(random_model(), prime="abz", length=1, count=1))


# Lengths


def test_the_defaults_are_a_thousand_characters_with_seed_0_at_temperature_1():
    model = random_model()
    assert DEFAULT_LENGTH == 1000
    text = text_of(model, length=1000, seed=0, prime="", config=SamplingConfig(1.0, 0, 1.0, 0.0))
    assert text_of(model) == text
    (sample,) = samples(model, count=1)
    assert (sample.text, sample.seed, sample.temp, sample.prime, sample.chars) == (text, 0, 1, "", 1000)


def test_a_text_of_length_0_is_empty(engine):
    assert text_of(random_model(engine=engine), length=0) == ""
    (sample,) = samples(random_model(engine=engine), count=1, length=0)
    assert (sample.text, sample.logprob, sample.chars, sample.bpc) == ("", 0, 0, 0)
    assert str(Sample("a", "", 1, 1.0, 0.0, 1).bpc) == "0.0"  # a certain character has no surprisal, and not -0.0


def test_a_count_of_0_gives_no_samples():
    assert list(samples(random_model(), count=0, length=10)) == []


def test_a_text_without_end_begins_as_a_text_with_an_end(engine):
    endless = generate(random_model(engine=engine), length=-1, seed=4)
    assert "".join(itertools.islice(endless, 1500)) == text_of(random_model(engine=engine), length=1500, seed=4)


@pytest.mark.parametrize("length", [-2, -1000])
def test_other_negative_lengths_are_an_error(length):
    with pytest.raises(ConfigError, match="length can't be"):
        text_of(random_model(), length=length)


@pytest.mark.parametrize("seed", [-1, 2**63, 10**400], ids=["negative", "large", "huge"])
def test_a_seed_out_of_range_is_an_error(seed):
    with pytest.raises(
        ConfigError, match="seed must be at least 0, not -1" if seed < 0 else "seed must be from 0 to 9"
    ):
        text_of(random_model(), length=1, seed=seed)
    with pytest.raises(
        ConfigError, match="seed must be at least 0, not -1" if seed < 0 else "seed must be from 0 to 9"
    ):
        list(samples(random_model(), count=1, length=1, seed=seed))


@pytest.mark.parametrize("length", [-1, -2])
def test_several_samples_need_an_end(length):
    with pytest.raises(ConfigError):
        list(samples(random_model(), count=2, length=length))


# Scores


@pytest.mark.parametrize("cell", CELLS)
def test_the_logprob_of_a_sample_is_its_score(engine, cell):
    model = random_model(cell, engine=engine)
    for sample in samples(model, count=3, length=1100, seed=2, config=SamplingConfig(temp=1.3, top_k=6)):
        found = score(model, sample.text)
        assert sample.logprob == pytest.approx(-found.nats, rel=1e-5)
        assert sample.bpc == pytest.approx(found.bpc, rel=1e-5)


def test_the_logprob_of_a_primed_sample_is_a_difference_of_scores():
    model, prime = random_model(), "a bad cab"
    (sample,) = samples(model, count=1, length=50, seed=2, prime=prime)
    both, alone = score(model, prime + sample.text), score(model, prime)
    assert sample.logprob == pytest.approx(alone.nats - both.nats, rel=1e-5)


# Bytes


@given(st.text(min_size=1, max_size=8))
def test_the_pieces_of_a_model_of_bytes_are_whole_characters(text):
    decode = IncrementalDecoder(Vocabulary(None))
    pieces = [decode([byte]) for byte in text.encode()]
    assert "".join(pieces) == text
    assert decode([], final=True) == ""
    assert [piece for piece in pieces if piece] == list(text)


@given(st.binary(max_size=12))
def test_bytes_that_are_not_utf8_become_surrogates(raw):
    decode = IncrementalDecoder(Vocabulary(None))
    pieces = [decode([byte]) for byte in raw]
    assert "".join(pieces) + decode([], final=True) == raw.decode("utf-8", "surrogateescape")


def test_a_text_in_bytes_is_that_of_its_sample_decoded(engine):
    model = random_model(characters=None, engine=engine)  # most of what it writes is not UTF-8
    (sample,) = samples(model, count=1, length=400, seed=9)
    assert sample.text == text_of(model, length=400, seed=9)
    raw = sample.text.encode("utf-8", "surrogateescape")
    assert len(raw) == sample.chars == 400
    assert sample.logprob == pytest.approx(-score(model, raw).nats, rel=1e-5)


def test_a_model_of_bytes_writes_characters_of_several_bytes(trained_on_bytes):
    text = text_of(trained_on_bytes.best, length=201, seed=1, config=SamplingConfig(temp=0.3))
    assert len(text.encode("utf-8", "surrogateescape")) == 201
    assert set(text) & set("щукаирк")


def test_a_prime_in_bytes_is_that_in_characters():
    model = random_model(characters=None)
    assert text_of(model, prime="é".encode(), length=20) == text_of(model, prime="é", length=20)
    (sample,) = samples(model, count=1, prime="é\udcff".encode("utf-8", "surrogateescape"), length=20)
    assert sample.prime == "é\udcff"


# Requests


def test_a_request_is_passed_on_and_keyword_arguments_replace_its_fields(engine):
    model, greedy = random_model(engine=engine), SamplingConfig(temp=0)
    request = SamplingRequest(prime="cab", length=30, seed=4, config=SamplingConfig(temp=0.7), stops=["é"])
    text = text_of(model, prime="cab", length=30, seed=4, config=request.config, stops=["é"])
    assert "".join(generate(model, request)) == "".join(TextGenerator(model, request)) == text
    assert "".join(generate(model, request, length=9)) == text[:9]
    assert "".join(generate(model, request, config=greedy)) == text_of(
        model, prime="cab", length=30, config=greedy, stops=["é"]
    )
    (sample,) = samples(model, request, count=1)
    assert (sample.text, sample.prime, sample.seed) == (text, "cab", 4)
    (continued,) = continuations(model, [["cab"]], request, seed=4)
    assert continued == sample


def test_a_request_is_validated_where_it_is_made():
    for wrong in ({"seed": -1}, {"length": -2}, {"length": -1, "config": SamplingConfig(to_temp=2.0)}):
        with pytest.raises(ConfigError):
            SamplingRequest(**wrong)
        for function in (generate, TextGenerator):
            with pytest.raises(ConfigError):
                function(random_model(), **wrong)
        with pytest.raises(ConfigError):
            samples(random_model(), count=1, **wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": 1.5}, "seed can't be 1.5"),
        ({"seed": True}, "seed can't be True"),
        ({"length": "5"}, "length can't be '5'"),
        ({"prime": None}, "prime can't be None"),
        ({"config": {"temp": 1.0}}, "config can't be {'temp': 1.0}"),
        ({"stops": " x"}, "stops can't be ' x': give a list of texts"),
        ({"stops": None}, "stops can't be None: give a list of texts"),
        ({"stops": [b"x"]}, "stops can't be [b'x']: give a list of texts"),
        ({"stop_after": "x"}, "stop_after can't be 'x': give a list of texts"),
        ({"stop_after": [None]}, "stop_after can't be [None]: give a list of texts"),
        ({"end": 1}, "end can't be 1"),
        ({"end": "word"}, "end can't be 'word': choose one of sentence"),
        (
            {"end": "sentence", "length": -1},
            "end sentence is the last one within the length, which can't be -1: give a length of 0 or more",
        ),
        (
            {"end": "sentence", "stop_after": ["x"]},
            "stop_after and end can't both be given: each says where the text ends",
        ),
        ({"min_length": 1.0}, "min_length can't be 1.0"),
        ({"min_length": -1}, "min_length must be at least 0, not -1"),
        ({"min_length": 6, "length": 5}, "min_length must be at most the length, 5, not 6"),
    ],
    ids=str,
)
def test_a_field_of_another_type_is_refused(wrong, message):
    with pytest.raises(ConfigError) as error:
        SamplingRequest(**wrong)
    assert str(error.value) == message


def test_a_negative_count_is_refused():
    with pytest.raises(ConfigError, match="count must be at least 0, not -1"):
        samples(random_model(), count=-1)


def test_the_pieces_of_a_sample_are_joined_at_its_end(monkeypatch):
    """A text that grows by a piece at a time is copied for each of them, which takes quadratic time."""

    class Piece(str):
        def __radd__(self, other):
            raise AssertionError("a piece was added to the text so far")

    model, add = random_model(), GrowingText.add
    texts = [text_of(model, length=200, seed=seed) for seed in range(3)]
    monkeypatch.setattr(GrowingText, "add", lambda self, ids, logps: Piece(add(self, ids, logps)))
    assert [sample.text for sample in samples(model, count=3, length=200)] == texts
