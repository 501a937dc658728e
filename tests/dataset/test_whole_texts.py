"""The layouts `labels` and `tags`: every text is read once in an epoch, with what is to be predicted of it."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import TrainingConfig
from charrnn.dataset.corpus import from_text
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.split import split_corpus
from charrnn.dataset.whole_texts import LabelBatches, TagBatches, distinct, texts_alone
from charrnn.errors import CorpusError

TEXTS = st.text(st.sampled_from("abcé"), min_size=1, max_size=9)
LABELLED = st.lists(st.tuples(TEXTS, st.sampled_from(["x", "yy", "a b"])), min_size=2, max_size=30)
TAGGED = st.lists(TEXTS, min_size=2, max_size=30)


def text_of(pairs):
    return "".join(f"{source}\t{target}\n" for source, target in pairs)


def rows(batches, vocabulary):
    """The text of each row that counts, and its targets."""
    for batch in batches:
        for row, n in enumerate(batch.lengths):
            yield vocabulary.decode(batch.inputs[:n, row]), batch.targets[:, row], batch.mask[:, row]


def labelled(pairs):
    return [*pairs, ("b", "x"), ("c", "yy")]


@given(LABELLED, st.integers(1, 7))
def test_each_text_has_its_label(pairs, B):
    pairs = labelled(pairs)
    corpus = from_text(text_of(pairs))
    found, labels, ids = corpus.labelled
    assert labels.names == tuple(sorted({label for _, label in pairs}))
    assert dict(labels.to_json()) == Counter(label for _, label in pairs)
    data = LabelBatches(texts_alone(found, ids), B, 50)
    for batches in (data.batches(0), map(data.epoch(3), range(data.steps_per_epoch))):
        batches = list(batches)
        got = [(text, labels.names[target[0]]) for text, target, mask in rows(batches, corpus.vocabulary) if mask[0]]
        assert Counter(got) == Counter(pairs)
        assert sum(batch.chars for batch in batches) == data.size == len(pairs)
        assert sum(batch.chars_read for batch in batches) == data.chars_read == sum(len(text) for text, _ in pairs)
        assert sum(batch.weight for batch in batches) == pytest.approx(data.steps_per_epoch)
        assert all(len(batch.inputs) == batch.lengths.max() for batch in batches)


@given(TAGGED, st.integers(1, 7))
def test_each_character_has_its_tag(texts, B):
    texts = [*texts, "ab", "é"]
    pairs = [(text, "".join("ab"[c in "ac"] for c in text)) for text in texts]
    corpus = from_text(text_of(pairs))
    found, tags, tag_of = corpus.tagged
    assert tags.names == ("a", "b")
    data = TagBatches(texts_alone(found), B, 50, tag_of)
    batches = [*map(data.epoch(3), range(data.steps_per_epoch))]
    got = [
        (text, "".join(tags.names[k] for k in target[mask]))
        for text, target, mask in rows(batches, corpus.vocabulary)
        if text
    ]
    assert Counter(got) == Counter(pairs)
    assert sum(batch.chars for batch in batches) == data.size == data.chars_read == sum(map(len, texts))
    assert sum(batch.weight for batch in batches) == pytest.approx(data.steps_per_epoch)


def test_a_long_text_is_cut():
    corpus = from_text("abcabc\tx\nb\tyy\n")
    found, _, ids = corpus.labelled
    data = LabelBatches(texts_alone(found, ids), 2, 4)
    (batch,) = data.batches(0)
    assert sorted(text for text, _, _ in rows([batch], corpus.vocabulary)) == ["abca", "b"]
    assert data.chars_read == 5
    found, _, tag_of = from_text("abcabc\tvcvcvc\nb\tc\n").tagged
    (batch,) = TagBatches(texts_alone(found), 2, 4, tag_of).batches(0)
    assert batch.mask.sum() == 5


def test_a_text_that_is_much_longer_than_the_others_is_one_row_too():
    corpus = from_text("".join(f"{c}\t{'xy'[n % 2]}\n" for n, c in enumerate("abcdefgh" * 9)) + f"{'a' * 99}\tx\n")
    found, _, ids = corpus.labelled
    data = LabelBatches(texts_alone(found, ids), 8, 4)
    assert (data.size, data.batch_size, data.steps_per_epoch) == (73, 8, 10)
    got = Counter(
        text
        for batch in map(data.epoch(3), range(data.steps_per_epoch))
        for text, _, mask in rows([batch], corpus.vocabulary)
        if mask[0]
    )
    assert got == Counter("abcdefgh" * 9) + Counter(["aaaa"])
    lines = "".join(f"{c}\t{'xy'[c in 'ab']}\n" for c in "abcdefgh" * 9) + f"{'a' * 99}\t{'y' * 99}\n"
    found, _, tag_of = from_text(lines).tagged
    batches = TagBatches(texts_alone(found), 8, 4, tag_of)
    assert sum(batches.epoch(3)(k).chars for k in range(batches.steps_per_epoch)) == 76


def test_nothing_is_held_out_if_only_one_label_would_be_left():
    text = "good\tX\n" * 30 + "b" * 150 + "\tY\n"
    found = split_corpus(from_text(text), TrainingConfig(1, layout="labels"))
    assert (found.training.size, found.validation.size) == (2, 0)
    assert sorted(found.training.lines.labels.tolist()) == [0, 1]
    np.testing.assert_allclose(found.prior_shift, np.log([30 / 31 / 0.5, 1 / 31 / 0.5]))


def test_texts_are_distinct_by_text_and_label():
    pairs = [(f"{n * n % 7}", f"label {n * n * n % 5}") for n in range(2000)]
    corpus = from_text(text_of(pairs))
    found, labels, ids = corpus.labelled
    data = LabelBatches(distinct(texts_alone(found, ids)), 4, 50)
    got = [
        (text, labels.names[target[0]]) for text, target, mask in rows(data.batches(0), corpus.vocabulary) if mask[0]
    ]
    assert sorted(got) == sorted(set(pairs))
    assert distinct(texts_alone(found, ids)).starts[0] == 0  # the first of equals


def test_bytes_have_no_tags():
    with pytest.raises(CorpusError, match="leave out `as_bytes`"):
        split_corpus(from_text(b"a\xff\txy\nb\tx\n"), TrainingConfig(1, layout="tags"))


@pytest.mark.parametrize(
    ("layout", "text", "message"),
    [
        ("labels", "a\tx\nb\tx\n", "only one label"),
        ("labels", "".join(f"a\t{n}\n" for n in range(1001)), "1,001 different labels, and 1,000 are the most"),
        ("labels", "a\tx\nb\nc\ty\n", "line 2 has no tab"),
        ("tags", "ab\tx.\nabc\txx\n", "line 2 has 2 tags for 3 characters"),
        ("tags", "ab\txx\nabc\txxx\n", "only one tag"),
        ("tags", "ab\tx.\n\tx\n", "line 2 has no text"),
    ],
)
def test_targets_that_are_no_labels_or_tags_are_told(layout, text, message):
    with pytest.raises(CorpusError, match=message):
        split_corpus(from_text(text), TrainingConfig(1, layout=layout))


def test_bad_lines_are_skipped_and_counted():
    found = split_corpus(from_text("ab\tx.\nabc\txx\nb\tx\n"), TrainingConfig(1, layout="tags", skip_bad=True))
    assert (found.n_skipped, found.training.n_lines) == (1, 2)


def test_the_tags_are_counted_however_many_lines_are_counted_at_once(monkeypatch):
    text = "ab\txy\nabc\txxy\nb\tx\ncc\tyy\n"
    whole = from_text(text).tagged.labels
    monkeypatch.setattr("charrnn.dataset.id_counts.LINES_AT_ONCE", 1)
    assert from_text(text).tagged.labels == whole == LabelSet(("x", "y"), (4, 4))


@pytest.mark.parametrize("n_labels", [7, 200])
def test_no_text_is_both_learned_and_held_out(n_labels):
    pairs = [(f"text {n % 150}", f"label {n % n_labels}") for n in range(600)]
    found = split_corpus(from_text(text_of(pairs)), TrainingConfig(1, layout="labels", val_fraction=0.3))
    sides = [set(part.lines.digests.tolist()) for part in (found.training, found.validation)]
    assert sides[0].isdisjoint(sides[1])
    assert len(sides[1]) > 30
    np.testing.assert_equal(found.training.n_lines + found.validation.n_lines, 600)
