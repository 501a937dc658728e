"""The writing: pieces by a person and a model, of which the last can be written again, replaced, and taken back."""

import numpy as np
import pytest

from charrnn.errors import SamplingError, VocabularyError
from charrnn.sampling.generate import TextGenerator, generate
from charrnn.sampling.request import SamplingRequest
from charrnn.sampling.sentences import first_sentence, needs_space
from charrnn.sampling.writing import Writing
from support.random_models import random_model


def text_of(model, **options):
    return "".join(generate(model, **options))


def write(writing, *, again=False, one_sentence=False, **fields):
    return "".join(writing.write(SamplingRequest(**fields), one_sentence, again))


# Sentences


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a b. C d.", "a b."),
        (" a b. C", " a b."),
        ('a!" He', 'a!"'),
        ("a. b. C", "a. b."),  # an abbreviation
        ("a b", "a b"),
        ("a b.", "a b."),
        ("a b. ", "a b."),
        ("一。二", "一。"),
        (". A", "."),
        ("", ""),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_text_ends_with_its_first_sentence(text, sentence, size):
    pieces = [text[n : n + size] for n in range(0, len(text), size)]
    assert "".join(first_sentence(pieces)) == sentence


def test_a_sentence_within_the_least_length_does_not_count():
    assert "".join(first_sentence(["A b. C d. E f."], 5)) == "A b. C d."
    assert "".join(first_sentence(["A b. C d. "], 50)) == "A b. C d. "


def test_what_is_certain_is_not_withheld():
    assert [*first_sentence("Ab cd. Ef")] == [*"Ab cd."]
    assert [*first_sentence(["Ab c", "d. ", "Ef"])] == ["Ab c", "d."]


@pytest.mark.parametrize(
    ("text", "more", "needed"),
    [
        ("It was.", "He", True),
        ("It was!”", "He", True),
        ("It was.", "“He", True),
        ("It was.", '"He', True),
        ("It was.", '" said', False),
        ("It was.", " He", False),
        ("It was.", ".", False),
        ("It was. ", "He", False),
        ("It w", "as", False),
        ("そう。", "He", False),
        ("", "He", False),
        ("It was.", "", False),
    ],
)
def test_a_space_is_needed_between_sentences(text, more, needed):
    assert needs_space(text, more) == needed


# Pieces


def test_each_piece_is_what_its_seed_gives_after_the_text(engine):
    model, writing = random_model(engine=engine), Writing(random_model(engine=engine))
    text = ""
    for seed, (typed, n) in enumerate([("abc", 30), ("", 5), ("de", 70), ("", 0), ("", 20)]):
        writing.add(typed)
        text += typed
        assert write(writing, seed=seed, length=n) == text_of(model, prime=text, seed=seed, length=n)
        text = writing.text
    assert [piece.seed for piece in writing.pieces] == [None, 0, 1, None, 2, 3, 4]


def test_a_piece_is_written_again_from_the_same_state(engine):
    writing = Writing(random_model(engine=engine))
    writing.add("abc")
    write(writing, seed=1, length=20)
    writing.add("de")
    second = write(writing, seed=2, length=20)
    before = writing.last.before
    other = write(writing, seed=3, length=20, again=True)
    assert write(writing, seed=2, length=20, again=True) == second != other
    assert len(writing.pieces) == 4
    np.testing.assert_array_equal(writing.last.before.state, before.state)
    writing.back()
    assert write(writing, seed=2, length=20) == second


def test_what_is_broken_off_is_kept_and_can_be_had_whole():
    writing = Writing(random_model())
    pieces = writing.write(SamplingRequest(seed=5, length=200))
    begun = next(pieces)
    pieces.close()
    assert writing.text == begun
    assert 0 < len(begun) < 200
    after = write(writing, seed=6, length=20)
    assert after == text_of(random_model(), prime=begun, seed=6, length=20)
    writing.back()
    assert write(writing, seed=5, length=200, again=True) == text_of(random_model(), seed=5, length=200)


def test_pieces_and_replacements_are_taken_back_one_by_one():
    writing = Writing(random_model())
    writing.add("abc")
    model_s = write(writing, seed=1, length=9)
    writing.replace("dad")
    assert writing.text == "abcdad"
    writing.replace("bed", whole=True)
    assert writing.text == "bed"
    last = write(writing, seed=2, length=9)
    assert last == text_of(random_model(), prime="bed", seed=2, length=9)
    assert [writing.back().text for _ in range(2)] == [last, "bed"]
    assert writing.text == "abcdad"
    assert write(writing, seed=2, length=9) == text_of(random_model(), prime="abcdad", seed=2, length=9)
    assert [writing.back().text for _ in range(4)][1:] == ["dad", model_s, "abc"]
    with pytest.raises(SamplingError, match="no text yet"):
        writing.back()


def test_only_a_piece_of_the_model_is_written_again():
    writing = Writing(random_model())
    with pytest.raises(SamplingError, match="no text yet"):
        write(writing, again=True)
    writing.add("abc")
    with pytest.raises(SamplingError, match="not the model's"):
        write(writing, again=True)
    writing.add("ж")
    with pytest.raises(VocabularyError, match="never seen"):
        write(writing, length=9)
    assert writing.text == "abcж"


def test_the_stop_text_belongs_to_what_follows_it():
    model = random_model()
    whole = text_of(model, seed=1, length=300)
    stop = whole[20:22]
    first = whole[: whole.index(stop)]
    writing = Writing(model)
    assert write(writing, seed=1, length=300, stops=["zz", stop]) == first
    assert writing.last.stopped_before == stop
    writing.add("")
    assert write(writing, seed=2, length=20) == text_of(model, prime=first + stop, seed=2, length=20)
    assert writing.last.stopped_before == ""


def test_a_piece_can_be_one_sentence():
    model = random_model(characters="\n ab.")
    whole = text_of(model, seed=1, length=200)
    sentence = "".join(first_sentence([whole]))
    assert len(sentence) < 200
    writing = Writing(model)
    assert write(writing, seed=1, length=200, one_sentence=True) == sentence
    assert write(writing, seed=2, length=20) == text_of(model, prime=sentence, seed=2, length=20)


def test_a_stop_text_after_the_sentence_does_not_count():
    model = random_model(characters="\n ab.")
    whole = text_of(model, seed=1, length=200)
    sentence = "".join(first_sentence([whole]))
    later = whole[len(sentence) + 1 : len(sentence) + 7]
    assert whole.index(later) > len(sentence)
    writing = Writing(model)
    assert write(writing, seed=1, length=200, stops=[later], one_sentence=True) == sentence
    writing.add("")
    assert writing.text == sentence
    inside = sentence[-4:-1]
    writing = Writing(model)
    assert write(writing, seed=1, length=200, stops=[inside], one_sentence=True) == sentence[: sentence.index(inside)]
    assert writing.last.stopped_before == inside


def test_the_state_is_that_of_the_next_piece():
    model, writing = random_model(), Writing(random_model())
    writing.add("abc")
    write(writing, seed=1, length=20)
    state = writing.state(SamplingRequest(seed=2))
    assert write(writing, seed=2, length=20) == "".join(TextGenerator(model, length=20, after=state))


def test_bytes_of_a_character_can_be_in_two_pieces():
    model = random_model(characters=None)
    writing = Writing(model)
    writing.add("é")
    parts = [write(writing, seed=seed, length=1) for seed in range(8)]
    raw = b"".join(part.encode("utf-8", "surrogateescape") for part in parts)
    assert writing.text.encode("utf-8", "surrogateescape") == "é".encode() + raw
    assert len(raw) == 8
