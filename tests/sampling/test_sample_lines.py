"""The listing: whole records, each that of its seed, and only those that are wanted."""

import itertools

import numpy as np
import pytest

from charrnn.config import ModelConfig, SamplingConfig
from charrnn.dataset.line_set import LineSet, line_digests
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, SamplingError, VocabularyError
from charrnn.model import network
from charrnn.model.model import Model
from charrnn.sampling import lines as listing
from charrnn.sampling.generate import generate
from charrnn.sampling.lines import sample_lines
from charrnn.scoring import score

LEARNED = ["a", "b", "ab", "ba", "aa", "c", "bé"]
"""Lines that come often, being short."""


def random_model(characters="\nabcé", engine=None, learned=LEARNED, longest=6):
    """A model of records that knows some lines, has learned nothing, and ends a line at every fourth character."""
    vocabulary = Vocabulary(characters)
    config, rng = ModelConfig(len(vocabulary), "gru", 12, 2), np.random.default_rng(3)
    given_engine = {} if engine is None else {"engine": engine}
    known = None if learned is None else LineSet.from_digests(longest, line_digests(learned))
    model = Model(config, vocabulary, {}, known=known, **given_engine)
    shapes = network.param_shapes(config, network.cell_of(config, model.engine))
    scales = {name: 0.15 if name.startswith("W_hh") else 0.7 for name in shapes}
    params = {name: rng.normal(scale=scales[name], size=shape).astype(np.float32) for name, shape in shapes.items()}
    params["b_out"][:] = 0
    params["b_out"][vocabulary.start] = np.log((len(vocabulary) - 1) / 3)
    return Model(config, vocabulary, params, known=known, **given_engine)


def lines(model, count, **options):
    return [record.prime + record.text for record in sample_lines(model, count=count, **options)]


# Whole records


def test_a_record_is_what_its_seed_gives_up_to_the_line_end(engine):
    model, config = random_model(engine=engine), SamplingConfig(temp=0.9)
    drawn = list(sample_lines(model, count=70, length=200, seed=5, config=config))  # more than one batch
    assert [record.seed for record in drawn] == list(range(5, 75))
    for record in drawn:
        text = "".join(generate(model, length=200, seed=record.seed, config=config))
        assert record.text == text.partition("\n")[0]
        assert (record.prime, record.temp) == ("", 0.9)
    assert len({record.text for record in drawn}) > 20


def test_the_likelihood_of_a_record_has_its_line_end(engine):
    model = random_model(engine=engine)
    for record in sample_lines(model, count=20, length=200, prime="ab"):
        both, alone = score.score(model, f"ab{record.text}\n"), score.score(model, "ab")
        assert record.chars == len(record.text) + 1
        assert record.logprob == pytest.approx(alone.nats - both.nats, rel=1e-4)


@pytest.mark.parametrize("length", [0, 1, 3, 63, 64, 65])
def test_a_record_is_cut_at_the_length_and_whole_if_it_has_just_that(engine, length):
    model, wholes = random_model(engine=engine), set()
    for record in sample_lines(model, count=60, length=length):
        text = "".join(generate(model, length=length + 1, seed=record.seed))
        assert record.text == text.partition("\n")[0][:length]
        whole = "\n" in text
        assert record.chars == len(record.text) + whole
        score = score.score(model, record.text + "\n" * whole).nats if record.chars else 0
        assert record.logprob == pytest.approx(-score, rel=1e-4)
        wholes.add(whole)
    assert wholes == {True, False}


def test_the_default_length_is_twice_that_of_the_longest_learned():
    never_ends = random_model(longest=7)
    never_ends.params["b_out"][0] = -1e9
    assert {len(line) for line in lines(never_ends, 5)} == {14}


def test_many_records_come_one_after_the_other():
    drawn = sample_lines(random_model(), count=10**9)
    assert len(list(itertools.islice(drawn, 200))) == 200


def test_no_records():
    assert lines(random_model(), 0) == []


# Primes


def test_a_prime_is_the_beginning_of_every_record(engine):
    model = random_model(engine=engine)
    for record in sample_lines(model, count=10, length=100, prime="ab", seed=3):
        assert record.prime == "ab"
        text = "".join(generate(model, prime="ab", length=101, seed=record.seed))
        assert record.text == text.partition("\n")[0][:100]


def test_the_line_end_after_a_prime_is_dropped():
    assert lines(random_model(), 9, prime="ab\n") == lines(random_model(), 9, prime="ab")
    assert lines(random_model(), 9, prime="\n") == lines(random_model(), 9)


@pytest.mark.parametrize("prime", ["a\nb", "\na", "a\n\n"])
def test_a_prime_of_several_lines_is_refused(prime):
    with pytest.raises(ConfigError, match="several"):
        sample_lines(random_model(), count=1, prime=prime)


def test_a_prime_with_unknown_characters_is_refused():
    with pytest.raises(VocabularyError, match=r"U\+007A"):
        lines(random_model(), 1, prime="z")


# What is left out


@pytest.mark.parametrize("prime", ["", "b"])
@pytest.mark.parametrize(("novel", "unique"), [(True, False), (False, True), (True, True)])
def test_what_is_not_wanted_is_left_out_and_all_else_comes_in_order(engine, novel, unique, prime):
    model, wanted, seen = random_model(engine=engine), [], set()
    for record in sample_lines(model, count=400, length=30, seed=9, prime=prime):
        line = prime + record.text
        if not (novel and (line in LEARNED or not line)) and not (unique and line in seen):
            wanted.append((line, record.seed))
        seen.add(line)
    drawn = list(sample_lines(model, count=100, length=30, seed=9, prime=prime, novel=novel, unique=unique))
    assert [(record.prime + record.text, record.seed) for record in drawn] == wanted[:100]
    assert drawn[-1].seed > 9 + 105, "some were left out"


def test_a_record_is_drawn_again_alone_by_its_seed(engine):
    model = random_model(engine=engine)
    for record in sample_lines(model, count=40, seed=2, length=50, novel=True, unique=True):
        (again,) = sample_lines(model, count=1, seed=record.seed, length=50, novel=True, unique=True)
        assert (again.text, again.seed) == (record.text, record.seed)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"novel": True}, "stands in the text it was made from;"),
        ({"unique": True}, "was drawn before;"),
        ({"novel": True, "unique": True}, "stands in the text it was made from or was drawn before;"),
    ],
)
def test_a_model_that_has_no_more_to_say_says_so(options, why, monkeypatch):
    monkeypatch.setattr(listing, "TRIES", 50)
    greedy = SamplingConfig(temp=0)
    (first,) = lines(random_model(), 1, config=greedy)
    learned = random_model(learned=[first] if "novel" in options else LEARNED)
    drawn = sample_lines(learned, count=2, config=greedy, **options)
    if "novel" not in options:
        assert next(drawn).text == first
    with pytest.raises(SamplingError, match=f"no more to say: each of 50 records {why} try a higher --temp"):
        next(drawn)


def test_what_is_found_in_the_last_try_counts(monkeypatch):
    model, bold = random_model(), SamplingConfig(temp=0.6)
    wanted = {"count": 60, "length": 30, "config": bold, "novel": True, "unique": True}
    drawn = list(sample_lines(model, **wanted))
    most = max(later.seed - earlier.seed for earlier, later in itertools.pairwise(drawn))  # left out in between, and 1
    assert most > 2
    monkeypatch.setattr(listing, "TRIES", most)
    assert list(sample_lines(model, **wanted)) == drawn
    monkeypatch.setattr(listing, "TRIES", most - 1)
    with pytest.raises(SamplingError):
        list(sample_lines(model, **wanted))


def test_the_seed_and_the_length_are_checked():
    for options in ({"seed": -1}, {"seed": 2**63}, {"length": -1}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            sample_lines(random_model(), count=1, **options)


def test_a_model_of_running_text_has_no_records():
    with pytest.raises(ConfigError, match="of running text"):
        sample_lines(random_model(learned=None), count=1)


def test_a_model_that_does_not_know_its_lines_can_not_tell_what_is_novel(monkeypatch):
    monkeypatch.setattr("charrnn.dataset.line_set.MAX_LINES", 3)
    assert lines(random_model(), 3, unique=True)
    with pytest.raises(ConfigError, match="too many lines"):
        sample_lines(random_model(), count=1, novel=True)


# Bytes


def test_of_bytes_a_prime_and_a_text_may_share_a_character(engine):
    model = random_model(None, engine, learned=["é"])
    model.params["b_out"][:] = -1e9
    model.params["b_out"][[10, 0xA9]] = [0, 1]
    half = "é".encode()[:1].decode("utf-8", "surrogateescape")
    plain = [record.text for record in sample_lines(model, count=60, prime=half, length=9)]
    assert "\udca9" in plain
    novel = [record.text for record in sample_lines(model, count=30, prime=half, length=9, novel=True)]
    assert "\udca9" not in novel
    assert novel == [text for text in plain if text != "\udca9"][:30]
