"""The sampling of lines: each line is that of its seed, and only the wanted ones are drawn."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from charrnn.config import SamplingConfig
from charrnn.dataset.line_set import LineSet, line_digests
from charrnn.dataset.record_form import RecordForm
from charrnn.errors import ConfigError, SamplingError, VocabularyError
from charrnn.sampling import generate as generation
from charrnn.sampling import selection
from charrnn.sampling.decoder import BatchDecoder
from charrnn.sampling.generate import generate
from charrnn.sampling.lines import sample_lines
from charrnn.sampling.request import SamplingRequest
from charrnn.scoring.text import score
from support import random_models

LEARNED = ["a", "b", "ab", "ba", "aa", "c", "bé"]
"""Lines that are drawn often, because they are short."""


def random_model(characters="\nabcé", engine=None, learned=LEARNED, longest=6):
    """An untrained model of lines with a set of known lines; it ends a line at every fourth character."""
    line_set = LineSet.from_digests(longest, line_digests(learned))
    model = random_models.random_model(
        "gru", characters, engine, hidden_size=12, scale=0.7, layout="lines", line_set=line_set
    )
    model.params["b_out"][:] = 0
    model.params["b_out"][0] = np.log((len(model.vocabulary) - 1) / 3)
    return model


def lines(model, count, **options):
    return [sample.prime + sample.text for sample in sample_lines(model, count=count, **options)]


# Whole lines


def test_a_line_is_the_text_of_its_seed_up_to_the_newline(engine):
    model, config = random_model(engine=engine), SamplingConfig(temp=0.9)
    drawn = list(sample_lines(model, count=70, length=200, seed=5, config=config))  # more than one batch
    assert [sample.seed for sample in drawn] == list(range(5, 75))
    for sample in drawn:
        text = "".join(generate(model, length=200, seed=sample.seed, config=config))
        assert sample.text == text.partition("\n")[0]
        assert (sample.prime, sample.temp) == ("", 0.9)
    assert len({sample.text for sample in drawn}) > 20


def test_the_likelihood_of_a_line_includes_its_newline(engine):
    model = random_model(engine=engine)
    for sample in sample_lines(model, count=20, length=200, prime="ab"):
        both, alone = score(model, f"ab{sample.text}\n"), score(model, "ab")
        assert sample.chars == len(sample.text) + 1
        assert sample.logprob == pytest.approx(alone.nats - both.nats, rel=1e-4)


@pytest.mark.parametrize("length", [0, 1, 3, 63, 64, 65])
def test_a_line_is_cut_at_the_length_and_whole_if_it_has_exactly_that_length(engine, length):
    model, wholes = random_model(engine=engine), set()
    for sample in sample_lines(model, count=60, length=length):
        text = "".join(generate(model, length=length + 1, seed=sample.seed))
        assert sample.text == text.partition("\n")[0][:length]
        whole = "\n" in text
        assert sample.chars == len(sample.text) + whole
        nats = score(model, sample.text + "\n" * whole).nats if sample.chars else 0
        assert sample.logprob == pytest.approx(-nats, rel=1e-4)
        wholes.add(whole)
    assert wholes == {True, False}


class AtMost:
    """A constraint that N characters meet, and no more."""

    def __init__(self, N, V):
        self.left, self.V = N, V

    def allowed(self, left=-1):
        return np.full(self.V, self.left > 0)

    def add(self, v):
        self.left -= 1


def test_a_line_that_no_further_character_may_end_is_cut_as_well():
    model, failed = random_model(), []
    options = {"count": 20, "length": 5, "on_failure": lambda seed, error: failed.append((seed, str(error)))}
    wanted = list(sample_lines(model, **options))
    drawn = list(sample_lines(model, constraints=lambda recent: [AtMost(5, 5)], **options))
    assert [(line.seed, line.text) for line in drawn] == [(line.seed, line.text) for line in wanted]
    assert any(len(line.text) == 5 for line in drawn)
    assert not failed
    short = {line.seed: line.text for line in wanted if len(line.text) < 4}
    drawn = list(sample_lines(model, constraints=lambda recent: [AtMost(4, 5)], **options))
    assert {line.seed: line.text for line in drawn} == short
    assert failed == [(n, failed[0][1]) for n in range(20) if n not in short]
    assert "no character may come after 4 characters: loosen " in failed[0][1]


def test_the_default_length_is_twice_that_of_the_longest_training_line():
    never_ends = random_model(longest=7)
    never_ends.params["b_out"][0] = -1e9
    assert {len(line) for line in lines(never_ends, 5)} == {14}


def test_a_line_comes_as_soon_as_it_and_those_before_it_are_finished(engine, monkeypatch):
    model, drawn = random_model(engine=engine), []
    draw = BatchDecoder.draw

    def counted(self, temps, mask=None):
        drawn.append(len(temps))
        return draw(self, temps, mask)

    monkeypatch.setattr(BatchDecoder, "draw", counted)
    monkeypatch.setattr(generation, "DRAW_AHEAD", 2)
    upto = [sum(drawn) for _ in sample_lines(model, count=8, length=60)]
    longest = list(itertools.accumulate((len(line) + 1 for line in lines(model, 8, length=60)), max))
    assert upto == [2 * -(-n // 2) for n in longest]
    assert upto[0] < upto[-1]


def test_a_few_lines_that_are_much_longer_do_not_lengthen_the_samples():
    never_ends = random_model()
    never_ends.params["b_out"][0] = -1e9
    never_ends = replace(never_ends, line_set=LineSet.from_digests(300_000, line_digests(LEARNED), 9))
    assert {len(line) for line in lines(never_ends, 2)} == {18}


def test_a_model_of_records_writes_each_up_to_its_end(engine):
    model = random_model("\x1e\nabcé", engine)
    model = replace(model, record_form=RecordForm("blank"))
    drawn = lines(model, 40, length=200, prime="\n")
    assert all(text[0] == "\n" for text in drawn)
    assert any("\n" in text[1:] for text in drawn)
    assert not any("\x1e" in text for text in drawn)
    with pytest.raises(ConfigError, match="the prime has several records"):
        lines(model, 1, prime="a\x1eb")


def test_lines_are_drawn_only_as_they_are_needed():
    drawn = sample_lines(random_model(), count=10**9)
    assert len(list(itertools.islice(drawn, 200))) == 200


def test_a_count_of_0_gives_no_lines():
    assert lines(random_model(), 0) == []


# Primes


def test_a_prime_is_the_beginning_of_every_line(engine):
    model = random_model(engine=engine)
    for sample in sample_lines(model, count=10, length=100, prime="ab", seed=3):
        assert sample.prime == "ab"
        text = "".join(generate(model, prime="ab", length=101, seed=sample.seed))
        assert sample.text == text.partition("\n")[0][:100]


def test_a_newline_after_a_prime_is_dropped():
    assert lines(random_model(), 9, prime="ab\n") == lines(random_model(), 9, prime="ab")
    assert lines(random_model(), 9, prime="\n") == lines(random_model(), 9)


@pytest.mark.parametrize("prime", ["a\nb", "\na", "a\n\n"])
def test_a_prime_of_several_lines_is_an_error(prime):
    with pytest.raises(ConfigError, match="several"):
        sample_lines(random_model(), count=1, prime=prime)


def test_a_prime_with_unknown_characters_is_an_error():
    with pytest.raises(VocabularyError, match=r"U\+007A"):
        lines(random_model(), 1, prime="z")


# Skipped lines


@pytest.mark.parametrize("prime", ["", "b"])
@pytest.mark.parametrize(("novel", "unique"), [(True, False), (False, True), (True, True)])
def test_unwanted_lines_are_skipped_and_all_others_come_in_order(engine, novel, unique, prime):
    model, wanted, seen = random_model(engine=engine), [], set()
    for sample in sample_lines(model, count=400, length=30, seed=9, prime=prime):
        line = prime + sample.text
        if not (novel and (line in LEARNED or not line)) and not (unique and line in seen):
            wanted.append((line, sample.seed))
        seen.add(line)
    drawn = list(sample_lines(model, count=100, length=30, seed=9, prime=prime, novel=novel, unique=unique))
    assert [(sample.prime + sample.text, sample.seed) for sample in drawn] == wanted[:100]
    assert drawn[-1].seed > 9 + 105, "some were skipped"


def test_a_line_is_drawn_again_alone_with_its_seed(engine):
    model = random_model(engine=engine)
    for sample in sample_lines(model, count=40, seed=2, length=50, novel=True, unique=True):
        (again,) = sample_lines(model, count=1, seed=sample.seed, length=50, novel=True, unique=True)
        assert (again.text, again.seed) == (sample.text, sample.seed)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"novel": True}, "is in the training text;"),
        ({"unique": True}, "was drawn before;"),
        ({"novel": True, "unique": True}, "is in the training text or was drawn before;"),
    ],
)
def test_a_model_that_writes_no_more_new_lines_is_an_error(options, why, monkeypatch):
    monkeypatch.setattr(selection, "MAX_SKIPPED", 50)
    greedy = SamplingConfig(temp=0)
    (first,) = lines(random_model(), 1, config=greedy)
    learned = random_model(learned=[first] if "novel" in options else LEARNED)
    drawn = sample_lines(learned, count=2, config=greedy, **options)
    if "novel" not in options:
        assert next(drawn).text == first
    with pytest.raises(SamplingError, match=f"no more new lines: each of the last 50 {why} raise `temp`"):
        next(drawn)


def test_a_line_that_is_drawn_after_the_most_skipped_ones_counts(monkeypatch):
    model, config = random_model(), SamplingConfig(temp=0.6)
    wanted = {"count": 60, "length": 30, "config": config, "novel": True, "unique": True}
    drawn = list(sample_lines(model, **wanted))
    # The skipped lines between two others, and 1
    most = max(later.seed - earlier.seed for earlier, later in itertools.pairwise(drawn))
    assert most > 2
    monkeypatch.setattr(selection, "MAX_SKIPPED", most)
    assert list(sample_lines(model, **wanted)) == drawn
    monkeypatch.setattr(selection, "MAX_SKIPPED", most - 1)
    with pytest.raises(SamplingError):
        list(sample_lines(model, **wanted))


def test_the_seed_and_the_length_are_checked():
    for options in ({"seed": -1}, {"seed": 2**63}, {"length": -1}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            sample_lines(random_model(), count=1, **options)


def test_a_model_of_continuous_text_writes_no_lines():
    with pytest.raises(ConfigError, match="continuous text"):
        sample_lines(random_models.random_model(), count=1)


def test_a_request_is_passed_on_and_keyword_arguments_replace_its_fields(engine):
    model = random_model(engine=engine)
    request = SamplingRequest(prime="ab", seed=3, stops=["é"], config=SamplingConfig(temp=0.9))
    options = {"prime": "ab", "seed": 3, "stops": ["é"], "config": request.config}
    assert list(sample_lines(model, request, count=20)) == list(sample_lines(model, count=20, **options))
    assert lines(model, 20, request=request, length=1) == lines(model, 20, length=1, **options)


def test_a_negative_count_is_refused():
    with pytest.raises(ConfigError, match="count must be at least 0, not -1"):
        sample_lines(random_model(), count=-1)
    assert list(sample_lines(random_model(), count=0)) == []


def test_a_model_without_its_lines_can_not_tell_what_is_novel(monkeypatch):
    monkeypatch.setattr("charrnn.dataset.line_set.MAX_LINES", 3)
    assert lines(random_model(), 3, unique=True)
    with pytest.raises(ConfigError, match="too many lines"):
        sample_lines(random_model(), count=1, novel=True)


# Bytes


def test_a_prime_and_a_text_of_bytes_may_share_a_character(engine):
    model = random_model(None, engine, learned=["é"])
    model.params["b_out"][:] = -1e9
    model.params["b_out"][[10, 0xA9]] = [0, 1]
    half = "é".encode()[:1].decode("utf-8", "surrogateescape")
    plain = [sample.text for sample in sample_lines(model, count=60, prime=half, length=9)]
    assert "\udca9" in plain
    novel = [sample.text for sample in sample_lines(model, count=30, prime=half, length=9, novel=True)]
    assert "\udca9" not in novel
    assert novel == [text for text in plain if text != "\udca9"][:30]
