"""The tags of words, and their score, which is that of the CoNLL shared tasks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset.conll import FIRST_LETTER, Sentence, as_iob2, character_tags
from charrnn.dataset.label_set import LabelSet
from charrnn.scoring.span_score import SpanScore
from charrnn.scoring.tag import Span, Tagging, outside_tag, tag_letters
from charrnn.scoring.word_tags import known_tags, word_spans, word_tags

NAMES = {".": "O", "P": "I-PER", "L": "I-LOC", "N": "NN"}


def tagging(text, tags, names=NAMES):
    return Tagging(text, tags, ".", np.ones(len(text)), names=names)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("PPPPPPP.LL", ["B-PER", "I-PER", "B-LOC"]),
        ("PPPP.PP.LL", ["B-PER", "B-PER", "B-LOC"]),  # the blank keeps them apart
        ("PPPPLLL.LL", ["B-PER", "B-LOC", "B-LOC"]),
        ("P.PPPLL...", ["B-PER", "B-LOC", "O"]),  # most characters of a word, and the first of as many
        ("..PP.PL.NN", ["O", "B-PER", "NN"]),
        ("NNNN.NN.NN", ["NN", "NN", "NN"]),
    ],
)
def test_a_word_has_the_tag_of_most_of_its_characters(tags, expected):
    assert word_tags(tagging("John Sm in", tags), ["John", "Sm", "in"]) == expected


def test_tags_that_are_letters_are_types():
    assert word_tags(tagging("ab c de", "NNNN.#.", {}), ["ab", "c", "de"]) == ["B-N", "I-N", "B-#"]


WORDS = st.text("ab", min_size=1, max_size=3)
TAGS = st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B", "NN", "S-A", "E-B"])
SENTENCES = st.lists(st.tuples(WORDS, TAGS), min_size=1, max_size=8)


@given(SENTENCES)
def test_the_tags_of_characters_say_all_about_those_of_words(pairs):
    words, tags = [word for word, _ in pairs], [tag for _, tag in pairs]
    names = LabelSet(("I-A", "I-B", "NN", "O"), (1, 1, 1, 9), of_words=True)
    letters = dict(zip(names.names, tag_letters(names), strict=True))
    runs = "".join(letters[tag] * n for tag, n in character_tags(Sentence(words, tags)))
    found = Tagging(" ".join(words), runs, ".", np.ones(len(runs)), names={v: k for k, v in letters.items()})
    assert word_tags(found, words) == as_iob2(tags)


def test_a_letter_stands_for_each_tag():
    names = LabelSet(("I-LOC", "I-PER", "I-PLACE", "O", "P"), (1, 1, 1, 2, 1), of_words=True)
    assert tag_letters(names) == ["L", "P", "A", ".", "p"] or tag_letters(names)[:4] == ["L", "P", "A", "."]
    assert len({*tag_letters(names)}) == 5
    assert outside_tag(names) == "O"
    many = LabelSet(tuple(sorted(f"T{k:03}" for k in range(1000))), (1,) * 1000, of_words=True)
    assert len({*tag_letters(many)}) == 1000
    assert tag_letters(LabelSet((".", "N"), (9, 1))) == [".", "N"]
    assert outside_tag(LabelSet(("N", "O"), (9, 1))) == "O"
    short = LabelSet(("N", "O", "V"), (9, 1, 2), of_words=True)
    assert tag_letters(short) == ["N", ".", "V"]
    assert outside_tag(short) == "O"


def test_the_tags_that_words_can_get():
    assert known_tags(LabelSet(("I-A", "NN", "O"), (1, 1, 1), of_words=True)) == {"I-A", "NN", "O"}
    assert known_tags(LabelSet((".", "N"), (9, 1))) == {"O", "I-.", "I-N"}


# The score


def conlleval(tags):
    """The chunks of a sentence by the conditions of `conlleval`, the script of the shared tasks."""
    chunks, start, before, before_kind = set(), None, "O", ""
    for n, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        ends = (before, prefix) in {("B", "B"), ("B", "O"), ("I", "B"), ("I", "O")} or (
            before != "O" and before_kind != kind
        )
        starts = (before, prefix) in {("B", "B"), ("I", "B"), ("O", "B"), ("O", "I")} or (
            prefix != "O" and before_kind != kind
        )
        if ends and start is not None:
            chunks.add((start, n, before_kind))
            start = None
        if starts:
            start = n
        before, before_kind = prefix, kind
    return chunks


@given(st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]), max_size=9))
def test_the_entities_are_the_chunks_of_conlleval(tags):
    assert {tuple(span) for span in word_spans(tags)} == conlleval(tags)


def test_the_score_is_that_of_conlleval():
    """Counted by hand: 12 words, of which 9 have their tag; 5 entities, 5 found, 3 right."""
    score = SpanScore()
    score.add_words(["B-PER", "I-PER", "O", "O", "B-LOC", "O"], ["I-PER", "I-PER", "O", "O", "I-LOC", "I-LOC"])
    score.add_words(["B-PER", "B-PER", "O", "B-ORG", "O", "O"], ["I-PER", "B-PER", "O", "O", "B-LOC", "O"])
    assert (score.texts, score.chars, score.right_chars) == (2, 12, 9)
    assert (score.expected.total(), score.found.total(), score.right.total()) == (5, 5, 3)
    assert (score.precision(), score.recall(), score.f1()) == pytest.approx((3 / 5, 3 / 5, 3 / 5))
    assert (score.precision("PER"), score.recall("PER"), score.f1("PER")) == (1, 1, 1)
    assert (score.precision("LOC"), score.recall("LOC"), score.f1("ORG")) == (0, 0, 0)
    assert score.labels == ["LOC", "ORG", "PER"]


def test_plain_tags_are_counted_word_by_word():
    assert word_spans(["NN", "NN", "O"]) == [Span(0, 1, "NN"), Span(1, 2, "NN")]


def test_spans_of_characters_have_the_types_as_labels():
    assert tagging("John Sm in", "PPPPPPP.LL").spans == [Span(0, 7, "PER"), Span(8, 10, "LOC")]
    assert chr(FIRST_LETTER) == "\ue000"
