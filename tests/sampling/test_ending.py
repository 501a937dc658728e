"""The ends of texts: before and after a text, with a sentence, not before a least length; and the state at each end."""

import itertools
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import SamplingConfig
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, SamplingError
from charrnn.sampling.ending import Ending, missing
from charrnn.sampling.filters import LOOKBACK
from charrnn.sampling.generate import TextGenerator, continuations, generate, samples
from charrnn.sampling.growing_text import GrowingText
from charrnn.sampling.lines import sample_lines
from charrnn.sampling.match import Expression, Match
from charrnn.sampling.request import SamplingRequest
from charrnn.sampling.sentences import SentenceEnds
from charrnn.scoring.text import score
from support.random_models import random_model

PROSE = '\n abc.?"A'
ANY = Vocabulary(None)


def text_of(model, **options):
    return "".join(generate(model, **options))


def ended(text, vocabulary=None, **fields):
    """What is written of a text that comes one character at a time, and whether it ended before its last one."""
    ending = Ending(SamplingRequest(**fields), vocabulary or Vocabulary(sorted({*text, "x"})))
    written = ""
    for n, c in enumerate(text, 1):
        written += ending.add(c, n)
        if ending.ended:
            break
    return written + ending.rest(""), ending


# Sentences


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One. Two", "One."),
        ("One. Two. ", "One. Two."),
        ("One! two", "One!"),
        ("Is it? it is", "Is it?"),
        ("etc. and so on", ""),
        ("One. It is e.g. a cat", "One."),
        ("3.14 is pi", ""),
        ("So… maybe", ""),
        ("So… Maybe", "So…"),
        ('"Stop!" he said', '"Stop!"'),
        ('"Stop." He said', '"Stop."'),
        ('"Stop." he said', ""),
        ("(One.) Two", "(One.)"),
        ("„Halt.“ Er ging", "„Halt.“"),
        ("«Стой!» сказал", "«Стой!»"),
        ("What?! No", "What?!"),
        ("No... Yes", "No..."),
        ("One.\n\nTwo", "One."),
        ("One.Two", ""),
        ("彼は来た。彼女", "彼は来た。"),
        ("「来た。」彼女", "「来た。」"),
        ("他来了！她", "他来了！"),
        ("वह आया। वह", "वह आया।"),
        ("Done.", "Done."),
        ("Done?", "Done?"),
        ('He said "Done."', 'He said "Done."'),
        ("Nothing ends here", ""),
        ("", ""),
    ],
)
def test_a_text_is_cut_after_its_last_sentence(text, wanted):
    ends = SentenceEnds()
    assert "".join(map(ends.add, text)) + ends.end() == wanted
    assert ended(text, end="sentence")[0] == wanted


@given(st.text(st.sampled_from('ab A.!?…"\n)。')), st.integers(0, 30))
def test_what_is_written_with_sentences_is_a_beginning_that_never_shrinks(text, n):
    ends = SentenceEnds()
    early = "".join(map(ends.add, text[:n]))
    more = "".join(map(ends.add, text[n:]))
    whole = early + more + ends.end()
    assert text.startswith(whole)
    assert not whole or re.search(r'[.!?…。]["\n)]*\Z', whole)
    assert whole.startswith(early)


def test_only_what_may_be_cut_is_withheld():
    ends = SentenceEnds()
    given_out = [ends.add(c) for c in 'One! Two. Three. x "Y." z']
    assert [(n, piece) for n, piece in enumerate(given_out) if piece] == [(4, "One!"), (10, " Two.")]


def test_a_character_takes_no_more_where_no_sentence_has_ended_for_long():
    ends, taken = SentenceEnds(), []
    for _ in range(20_000):
        ends.add("a")
    tracemalloc.start()
    for _ in range(20):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        ends.add("a")
        taken.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    assert min(taken) < 2000


def test_a_text_ends_with_its_last_sentence(engine):
    model = random_model(characters=PROSE, engine=engine, scale=0.3)
    whole = text_of(model, length=300, seed=4)
    ends = SentenceEnds()
    wanted = "".join(map(ends.add, whole)) + ends.end()
    assert 0 < len(wanted) < 300
    assert text_of(model, length=300, seed=4, end="sentence") == wanted
    (sample,) = samples(model, count=1, length=300, seed=4, end="sentence")
    assert (sample.text, sample.chars) == (wanted, len(wanted))
    assert sample.logprob == pytest.approx(-score(model, wanted).nats, rel=1e-5)
    pieces = [*TextGenerator(model, length=300, seed=4, end="sentence").pieces()]
    assert len(pieces) > 1  # it streams


def test_a_text_in_bytes_ends_with_its_last_sentence():
    model = random_model(characters=None, scale=0.05)
    text = text_of(model, length=2000, seed=4, end="sentence")
    assert re.search(r"[.!?…。]\W*\Z", text)
    (sample,) = samples(model, count=1, length=2000, seed=4, end="sentence")
    assert sample.text == text
    assert sample.chars == len(text.encode("utf-8", "surrogateescape"))
    assert sample.logprob == pytest.approx(-score(model, text.encode("utf-8", "surrogateescape")).nats, rel=1e-5)


def test_a_text_in_which_no_sentence_ends_is_empty(engine):
    assert text_of(random_model(engine=engine), length=100, end="sentence") == ""
    (sample,) = samples(random_model(engine=engine), count=1, length=100, end="sentence")
    assert (sample.text, sample.chars, sample.logprob, sample.bpc) == ("", 0, 0, 0)


# After a text


@pytest.mark.parametrize(
    ("text", "fields", "wanted"),
    [
        ("one two", {"stop_after": ["e"]}, "one"),
        ("one two", {"stop_after": ["o t", "x"]}, "one two"),
        ("one two", {"stop_after": ["e t", "x"]}, "one t"),
        ("aab aab", {"stop_after": ["ab", "b"]}, "aab"),
        ("one two", {"stop_after": [""]}, "one two"),
        ("one two", {"stop_after": ["w"], "stops": ["t"]}, "one "),
        ("one two", {"stop_after": ["t"], "stops": ["two"]}, "one t"),
        ("abc", {"stop_after": ["bc"], "stops": ["abc"]}, ""),
        ("a.b.c.d", {"stop_after": ["."], "min_length": 3}, "a.b."),
        ("a.b.c.d", {"stop_after": ["."], "min_length": 4}, "a.b."),
        ("a.b.c.d", {"stop_after": ["."], "min_length": 5}, "a.b.c."),
        ("A. B. C", {"end": "sentence", "min_length": 3}, "A. B."),
        ("A. B. C", {"end": "sentence", "min_length": 6}, ""),
        ("A. B x C. D", {"end": "sentence", "stops": ["x"]}, "A."),
        ("A. B.x C. D", {"end": "sentence", "stops": ["x"]}, "A. B."),
    ],
    ids=str,
)
def test_a_text_ends_where_it_should(text, fields, wanted):
    assert ended(text, **fields)[0] == ended(text, ANY, **fields)[0] == wanted


STOPS = st.lists(st.text("ab", min_size=1, max_size=3), max_size=3)


@given(st.text("abc", max_size=30), STOPS, STOPS, st.integers(0, 20))
def test_a_text_ends_as_if_nothing_had_to_be_withheld(text, stops, after, least):
    wanted = text
    for n in range(1, len(text) + 1):
        if found := [stop for stop in stops if text[:n].endswith(stop)]:
            wanted = text[: n - max(map(len, found))]
            break
        if n >= least and text[:n].endswith(tuple(after)):
            wanted = text[:n]
            break
    written, ending = ended(text, ANY, stops=stops, stop_after=after, min_length=least)
    assert written == wanted
    assert ending.kept == len(wanted)


@given(
    st.text("ab. Aé", max_size=40),
    st.lists(st.integers(1, 9), min_size=1),
    st.sampled_from([{"end": "sentence"}, {"stop_after": ["b.", "é"]}, {"stop_after": ["aa"], "min_length": 9}, {}]),
    st.lists(st.text("ab.é", min_size=1, max_size=3), max_size=2),
    st.booleans(),
)
def test_a_text_is_the_same_in_whatever_parts_it_comes(text, sizes, fields, stops, is_bytes):
    vocabulary = ANY if is_bytes else Vocabulary("ab. Aé")
    ids, request = vocabulary.encode(text + "\udcc3 a." * is_bytes), SamplingRequest(stops=stops, length=60, **fields)
    alone, together = (GrowingText(vocabulary, request, np.full(LOOKBACK, len(vocabulary), np.int64)) for _ in range(2))
    logps = -np.arange(len(ids)) / 8
    one_by_one = "".join([alone.add(ids[n : n + 1], logps[n : n + 1]) for n in range(len(ids))])
    in_parts, n = "", 0
    for size in itertools.islice(itertools.cycle(sizes), len(ids)):
        in_parts += together.add(ids[n : n + size], logps[n : n + size])
        n += size
    assert in_parts == one_by_one
    assert together.rest() == alone.rest()
    assert (together.ended, together.chars, together.logprob) == (alone.ended, alone.chars, alone.logprob)


def test_a_text_ends_after_a_stop_text_and_has_it(engine):
    model = random_model(engine=engine)
    whole = text_of(model, length=400, seed=2)
    for stops in (["b"], ["ab", "é "], [whole[99:103]], ["\n", whole[70:72]]):
        wanted = whole[: min(whole.index(stop) + len(stop) for stop in stops if stop in whole)]
        assert text_of(model, length=400, seed=2, stop_after=stops) == wanted
        (sample,) = samples(model, count=1, length=400, seed=2, stop_after=stops)
        assert (sample.text, sample.chars) == (wanted, len(wanted))
        assert sample.logprob == pytest.approx(-score(model, wanted).nats, rel=1e-5)


def test_a_text_without_end_may_end_only_at_a_text_that_can_come():
    model = random_model()
    assert [*samples(model, count=2, length=-1, stop_after=["e"])]
    for stops in (["z"], ["ez"], [""], ["\ud800"]):
        for name in ("stops", "stop_after"):
            with pytest.raises(ConfigError, match="need an end"):
                samples(model, count=2, length=-1, **{name: stops})
            with pytest.raises(ConfigError, match="need an end"):
                continuations(model, [["a"]], length=-1, **{name: stops})
    for options, config in (
        ({"stops": ["b"]}, {"ban": "b"}),
        ({"stops": ["ab"]}, {"allow": "a"}),
        ({"stop_after": ["b"]}, {"allow": "a"}),
    ):
        with pytest.raises(ConfigError, match="need an end"):
            samples(model, count=2, length=-1, config=SamplingConfig(**config), **options)
    assert [*samples(model, count=2, length=-1, config=SamplingConfig(allow="ac"), stops=["b"])]


@pytest.mark.parametrize(
    ("text", "characters", "wanted"),
    [("abz", "ab", "z"), ("zzy", "ab", "zy"), ("é☃", None, ""), ("a\ud800\udcff", None, "\ud800"), ("", "a", "")],
)
def test_the_characters_that_a_model_never_writes(text, characters, wanted):
    assert missing(text, Vocabulary(characters)) == wanted


# A least length


@pytest.mark.parametrize("stops", [["b"], ["ab", "c"], ["é", "a😀", " "], ["z", "b"]], ids=str)
def test_before_the_least_length_no_stop_text_comes(engine, stops):
    model, lengths = random_model(engine=engine), set()
    for sample in samples(model, count=20, length=60, seed=1, stops=stops, min_length=25):
        assert 25 <= len(sample.text) <= 60
        assert not any(stop in sample.text for stop in stops)
        assert sample.text == text_of(model, length=60, seed=sample.seed, stops=stops, min_length=25)
        lengths.add(len(sample.text))
    assert len(lengths) > 3  # afterwards stop texts end them


def test_the_least_length_of_bytes_is_in_bytes():
    model = random_model(characters=None)
    for sample in samples(model, count=10, length=600, seed=1, stops=["a", "é"], min_length=100):
        assert len(sample.text.encode("utf-8", "surrogateescape")) >= 100
        assert "a" not in sample.text


def test_without_a_stop_text_the_least_length_changes_nothing():
    model = random_model()
    assert text_of(model, length=50, seed=1, min_length=50) == text_of(model, length=50, seed=1)
    with pytest.raises(ConfigError, match="min_length must be at most the length, 1000"):
        text_of(model, min_length=1001)


def test_a_match_that_is_too_short_is_an_error():
    model, match = random_model(), lambda recent: [Match(Expression("[ab]{3}", random_model().vocabulary))]
    assert len(text_of(model, length=20, constraints=match, min_length=3)) == 3
    with pytest.raises(SamplingError, match="the texts that match have at most 3 characters"):
        text_of(model, length=20, constraints=match, min_length=4)


def test_a_text_that_ends_after_a_text_matches_even_so():
    model, match = random_model(), lambda recent: [Match(Expression("[ab]*e", random_model().vocabulary))]
    assert re.fullmatch("[ab]*e", text_of(model, length=90, constraints=match, stop_after=["e"]))
    with pytest.raises(SamplingError, match="no text can match: `allow` or `ban` excludes 'e'"):
        text_of(model, length=90, constraints=match, stop_after=["a", "b"], config=SamplingConfig(ban="e"))
    with pytest.raises(ConfigError, match="both with a match and with a sentence"):
        text_of(model, length=90, constraints=match, end="sentence")


def test_lines_have_a_least_length_and_end_with_a_sentence():
    model = random_model(characters=PROSE, layout="lines", scale=0.3)
    for line in sample_lines(model, count=20, length=40, seed=1, min_length=20):
        assert 20 <= len(line.text) <= 40
        assert "\n" not in line.text
    with pytest.raises(ConfigError, match="min_length must be at most the length, 40"):
        sample_lines(model, count=1, length=40, min_length=41)
    written = [line.text for line in sample_lines(model, count=20, length=40, seed=1, end="sentence")]
    assert all(not text or text[-1] in '.?"' for text in written)
    assert all(len(text) <= 40 for text in written)
    assert any(written)


# Empty samples


def test_empty_samples_are_skipped_and_the_next_seeds_replace_them():
    model = random_model()
    options = {"length": 20, "seed": 1, "stops": ["a", "b", "c"]}
    every = [*samples(model, count=200, **options)]
    wanted = [sample for sample in every if sample.text.strip()]
    assert 60 < len(wanted) < 190
    found = [*samples(model, count=60, skip_empty=True, **options)]
    assert [(s.text, s.seed, s.chars) for s in found] == [(s.text, s.seed, s.chars) for s in wanted[:60]]
    with pytest.raises(SamplingError, match="no more texts: each of the last 1,000 is empty"):
        list(samples(model, count=1, length=0, skip_empty=True))
    assert list(samples(model, count=0, skip_empty=True)) == []
    with pytest.raises(ConfigError, match="need an end"):
        samples(model, count=1, length=-1, skip_empty=True)


def test_empty_lines_are_skipped():
    model = random_model(layout="lines")
    every = [*sample_lines(model, count=200, length=20, seed=1)]
    wanted = [line for line in every if line.text.strip()]
    assert 40 < len(wanted) < 200
    found = [*sample_lines(model, count=40, length=20, seed=1, skip_empty=True)]
    assert [(line.text, line.seed) for line in found] == [(line.text, line.seed) for line in wanted[:40]]


# The state at an end


ENDS = [
    {"stops": ["b"]},
    {"stops": ["ab", "?a"]},
    {"stop_after": ["c"]},
    {"stop_after": ["a.", "A"], "min_length": 70},
    {"end": "sentence"},
    {"end": "sentence", "min_length": 40},
]


class Anything:
    """A constraint that allows every character."""

    def allowed(self, left=-1):
        return np.ones(len(PROSE), bool)

    def add(self, v):
        pass


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("options", ENDS, ids=str)
def test_a_text_continues_exactly_after_its_end(engine, options, constrained):
    model, config = random_model("gru", PROSE, engine=engine, scale=0.3), SamplingConfig(temp=0.9, loop_penalty=0.5)
    whole = text_of(model, length=400, seed=5, prime="cab", config=config)
    if constrained:  # it is drawn one character at a time
        options = options | {"constraints": lambda recent: [Anything()]}
    first = TextGenerator(model, length=200, seed=5, prime="cab", config=config, **options)
    text = "".join(first.pieces())
    assert text
    assert len(text) < 200
    rest = "".join(TextGenerator(model, length=150, config=config, after=first.state).pieces())
    assert whole.startswith(text + rest)


def test_after_each_sentence_the_next_one_follows(engine):
    model, state, parts = random_model("gru", PROSE, engine=engine, scale=0.3), None, []
    for _ in range(5):
        text = TextGenerator(model, length=200, seed=5, stop_after=["."], after=state)
        parts.append("".join(text))
        state = text.state
    whole = text_of(model, length=1000, seed=5)
    assert parts == [sentence + "." for sentence in whole.split(".")[:5]]


def test_a_text_that_is_read_in_part_continues_after_what_was_read(engine):
    model = random_model(engine=engine)
    text = TextGenerator(model, length=-1, seed=5, stops=["😀😀😀😀😀😀"])
    read = "".join(itertools.islice(text.pieces(), 3))
    rest = "".join(TextGenerator(model, length=80, after=text.state).pieces())
    assert text_of(model, length=400, seed=5).startswith(read + rest)
