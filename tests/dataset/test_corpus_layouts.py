"""The corpus as a network reads it in a layout: which characters it knows, and that the others change nothing."""

import numpy as np
import pytest

from charrnn.dataset import corpus as corpora
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import VocabularyError

LABELLED = "abc\tX\nbad\tY\ncab\tX\n"
TAGGED = "abc\tX.X\nbad\t.YY\n"
PAIRS = "abc\txyz\nbad line Q\nd\ty\n"


def texts(corpus):
    """The whole text, by the ids and all characters."""
    return corpus.alphabet.decode(corpus.ids)


@pytest.mark.parametrize(
    ("text", "layout", "skip_bad", "characters", "unread"),
    [
        (LABELLED, "labels", False, "\t\nabcd", "XY"),
        (TAGGED, "tags", False, "\t\nabcd", ".XY"),
        (TAGGED + "ZZ\tX\n", "tags", True, "\t\nabcd", ".XYZ"),
        (PAIRS, "pairs", True, "\t\nabcdxyz", " Qeiln"),
        (PAIRS, "pairs", False, "\t\n Qabcdeilnxyz", ""),
        (PAIRS, "labels", True, "\t\nabcd", " Qeilnxyz"),
        (LABELLED, "lines", False, "\t\nXYabcd", ""),
        (LABELLED, "stream", False, "\t\nXYabcd", ""),
    ],
)
def test_the_vocabulary_has_the_characters_that_are_read(text, layout, skip_bad, characters, unread):
    corpus = corpora.from_text(text).read_as(layout, skip_bad)
    assert "".join(corpus.vocabulary.characters) == characters
    assert "".join(corpus.unread) == unread
    assert texts(corpus) == text
    assert corpus.read_as(layout, skip_bad) is corpus


def test_labels_and_tags_are_the_same_whether_or_not_their_characters_are_read():
    before = corpora.from_text(LABELLED)
    after = before.read_as("labels", False)
    assert before.labelled.labels == after.labelled.labels
    np.testing.assert_array_equal(before.labelled.ids, after.labelled.ids)
    before = corpora.from_text(TAGGED)
    after = before.read_as("tags", False)
    assert before.tagged.labels == after.tagged.labels
    for corpus in (before, after):
        tags = corpus.tagged.tag_of[corpus.alphabet.encode("X.XYY")]
        assert "".join(corpus.tagged.labels.names[k] for k in tags) == "X.XYY"


def test_a_given_vocabulary_keeps_its_ids_and_must_have_what_is_read():
    wide = Vocabulary("\n\tdcbaXYé")
    corpus = corpora.from_text(LABELLED).read_as("labels", False, wide)
    assert corpus.vocabulary is wide
    assert corpus.unread == ()
    assert texts(corpus) == LABELLED
    narrow = corpora.from_text(LABELLED).read_as("labels", False, Vocabulary("\n\tdcba"))
    assert narrow.unread == ("X", "Y")
    assert texts(narrow) == LABELLED
    with pytest.raises(VocabularyError, match="never seen 'd'"):
        corpora.from_text(LABELLED).read_as("labels", False, Vocabulary("\n\tcbaXY"))


def test_bytes_are_always_all_known():
    corpus = corpora.from_text(LABELLED.encode())
    assert corpus.read_as("labels", False) is corpus


def test_the_excerpt_of_lines_keeps_characters_beyond_the_first_256():
    text = "".join(f"{chr(c)}{chr(c + 1)}\n" for c in range(0x400, 0x600))
    corpus = corpora.from_text(text)
    assert corpus.vocabulary.decode(corpus.lines.excerpt(len(text))) == text
