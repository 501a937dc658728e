"""The live batch: texts join and leave between draws, and each is the text that it would be alone."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from charrnn.config import SamplingConfig
from charrnn.errors import ConfigError
from charrnn.model.ngrams import count
from charrnn.sampling.generate import generate
from charrnn.sampling.live_batch import LiveBatch, PrimeReader
from support.random_models import random_model

CONFIGS = [
    SamplingConfig(),
    SamplingConfig(temp=0.5),
    SamplingConfig(temp=1.3, top_k=4),
    SamplingConfig(top_p=0.8, loop_penalty=0.5),
    SamplingConfig(temp=0),
    SamplingConfig(min_p=0.1, typical=0.9),
]


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_each_text_is_that_of_its_seed_alone_whoever_joins_and_leaves(engine, cell):
    model, rng = random_model(cell, engine=engine), np.random.default_rng(5)
    batch, waiting, texts, drawn = LiveBatch(model, 2), list(range(40)), [], {}
    while waiting or texts:
        joining = [waiting.pop(0) for _ in range(min(len(waiting), rng.integers(9)))]
        states = []
        for n in joining:
            reader = PrimeReader(model, model.vocabulary.encode("cab e"[: n % 6]))
            while reader.left:
                reader.advance(2)
            states.append(reader.begin(n))
        leaving = [row for row, n in enumerate(texts) if len(drawn[n]) > 20 + n]
        batch.change(leaving, states, [CONFIGS[n % len(CONFIGS)] for n in joining])
        texts = [n for row, n in enumerate(texts) if row not in leaving] + joining
        drawn |= dict.fromkeys(joining, "")
        assert len(batch) == len(texts)
        if texts:
            ids, logps = batch.draw(int(rng.integers(1, 12)))
            assert np.isfinite(logps).all()
            for row, n in enumerate(texts):
                drawn[n] += model.vocabulary.decode(ids[:, row])
    assert len(drawn) == 40
    for n, text in drawn.items():
        config = CONFIGS[n % len(CONFIGS)]
        alone = generate(model, prime="cab e"[: n % 6], seed=n, length=len(text), config=config)
        assert "".join(alone) == text


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("cell", ["rnn", "rnn_relu", "gru", "lstm"])
def test_a_text_that_joins_before_its_prime_is_read_is_that_of_its_seed(engine, cell, precision):
    model, rng = random_model(cell, engine=engine, hidden_size=70).with_precision(precision), np.random.default_rng(7)
    if cell == "gru":
        text = rng.integers(len(model.vocabulary), size=500)
        model = replace(model, ngrams=count(text, len(model.vocabulary), 3, model.start, np.arange(len(text)) == 0))
    ids, batch = rng.integers(len(model.vocabulary), size=(30, 40)), LiveBatch(model, 2)
    primes = [model.vocabulary.decode(row[: rng.integers(len(row))]) for row in ids]
    texts = [""] * len(primes)
    for first in range(0, len(primes), 3):
        readers = [PrimeReader(model, model.vocabulary.encode(prime)) for prime in primes[first : first + 3]]
        readers[1].advance(5)
        readers[2].advance(100)
        states, unread = zip(*((each.begin(first + k), each.unread) for k, each in enumerate(readers)), strict=True)
        batch.change((), states, [CONFIGS[(first + k) % len(CONFIGS)] for k in range(3)], unread)
        for N in (1, rng.integers(2, 40), 13):
            left = [*map(len, batch.unread)]
            drawn, logps = batch.draw(N)
            assert drawn.shape == logps.shape == (N, len(batch))
            assert np.isfinite(logps).all()
            assert [*map(len, batch.unread)] == [max(0, n - N) for n in left]
            for row, n in enumerate(left):
                texts[row] += model.vocabulary.decode(drawn[n:, row])
    assert batch.reads_primes == (engine.Decoder is not None)
    for n, (prime, text) in enumerate(zip(primes, texts, strict=True)):
        config = CONFIGS[n % len(CONFIGS)]
        assert "".join(generate(model, prime=prime, seed=n, length=len(text), config=config)) == text


def test_a_prime_with_a_character_that_can_not_be_drawn_has_no_text(engine):
    model = random_model(engine=engine)
    model.params["b_out"][model.vocabulary.encode("b")] = -np.inf
    batch, reader = LiveBatch(model, 1), PrimeReader(model, model.vocabulary.encode("ace"))
    batch.change((), [reader.begin(1)], [SamplingConfig()], [reader.unread])
    with np.errstate(invalid="ignore"):
        assert np.isnan(batch.draw(9)[1]).all()


def test_batches_that_share_weights_draw_each_for_itself_at_the_same_time(engine):
    model = random_model(engine=engine)
    batches, texts = [LiveBatch(model, 1)], {}
    batches += [LiveBatch(model, 1, batches[0]) for _ in range(3)]

    def draw(k):
        seeds = range(10 * k, 10 * k + 3 + k)
        batches[k].change((), [PrimeReader(model, np.zeros(0, int)).begin(n) for n in seeds], [CONFIGS[0]] * len(seeds))
        ids = np.concatenate([batches[k].draw(7)[0] for _ in range(20)])
        texts.update(zip(seeds, map(model.vocabulary.decode, ids.T), strict=True))

    threads = [threading.Thread(target=draw, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {n: "".join(generate(model, seed=n, length=140)) for n in texts}
    assert len(texts) == 18


def test_settings_that_a_text_can_not_have_beside_others_are_refused():
    model = random_model()
    for config in (SamplingConfig(to_temp=0.5), SamplingConfig(allow="a"), SamplingConfig(ban="a")):
        with pytest.raises(ConfigError, match="to_temp, allow and ban"):
            LiveBatch(model).change((), [PrimeReader(model, np.zeros(0, int)).begin(1)], [config])
