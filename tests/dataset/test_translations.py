"""The `translations` layout: every pair is read once in an epoch, its source beside its target."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import charrnn
from charrnn.config import TrainingConfig
from charrnn.dataset.corpus import from_text
from charrnn.dataset.split import split_corpus
from charrnn.dataset.translations import TranslationBatches

SOURCES = st.text("abc", min_size=1, max_size=9)
TARGETS = st.text("xyz", max_size=9)


def batches_of(text, **options):
    """The corpus, and its pairs as batches; none of them is held out."""
    corpus = from_text(text)
    return corpus, split_corpus(corpus, TrainingConfig(1, layout="translations", val_fraction=0, **options)).training


def pairs_in(batch, corpus):
    """The pairs of a batch as they are read: source, first input, target as predicted, and whether the inputs agree."""
    decode, found = corpus.vocabulary.decode, []
    for row in range(batch.inputs.shape[1]):
        n = int(batch.mask[:, row].sum())
        assert batch.mask[:n, row].all()
        if n:
            source = decode(batch.sources[: batch.lengths[row], row])
            inputs, targets = decode(batch.inputs[:n, row]), decode(batch.targets[:n, row])
            assert inputs == ("\t" + targets)[:n]
            found.append((source, targets))
    return found


@given(st.lists(st.tuples(SOURCES, TARGETS), min_size=2, max_size=40), st.integers(1, 7), st.booleans())
def test_an_epoch_has_every_pair_once(pairs, batch_size, final_newline):
    text = "\n".join("\t".join(pair) for pair in pairs) + "\n" * final_newline
    corpus, data = batches_of(text + "\n" if "\n" not in text else text, batch_size=batch_size, seq_length=20)
    found, chars, read, weight = [], 0, 0, 0.0
    batch_of = data.epoch(5)
    for batch in map(batch_of, range(data.steps_per_epoch)):
        found += pairs_in(batch, corpus)
        chars, read, weight = chars + batch.chars, read + batch.chars_read, weight + batch.weight
        assert batch.steps == len(batch.inputs) + len(batch.sources)
    assert sorted(found) == sorted((source, target + "\n") for source, target in pairs)
    assert chars == data.size == sum(len(target) + 1 for _, target in pairs)
    assert read == data.chars_read == chars + sum(len(source) for source, _ in pairs)
    assert weight == pytest.approx(data.steps_per_epoch)


def test_a_source_and_a_target_are_cut_at_the_sequence_length():
    corpus, data = batches_of("abcdefgh\tuvwxyz\nab\tuv\n", batch_size=2, seq_length=4)
    (batch,) = map(data.epoch(0), range(data.steps_per_epoch))
    assert sorted(pairs_in(batch, corpus)) == [("ab", "uv\n"), ("abcd", "uvwx")]
    assert data.size == batch.chars == 7
    assert data.chars_read == batch.chars_read == 13


def test_a_row_without_a_pair_counts_nothing_and_a_shard_has_its_own_rows():
    corpus, data = batches_of("a\tx\nbb\tyy\nccc\tzzz\n", batch_size=2, seq_length=9)
    batches = [*map(data.epoch(3), range(data.steps_per_epoch))]
    assert sum(batch.inputs.shape[1] for batch in batches) == 4
    for batch in batches:
        assert sorted(pairs_in(batch, corpus)) == sorted(
            pair for rows in (slice(0, 1), slice(1, 2)) for pair in pairs_in(batch.shard(rows), corpus)
        )


def test_each_epoch_has_an_order_of_its_own():
    text = "".join(f"{'ab'[n % 2] * (n % 7 + 1)}\t{n}\n" for n in range(200))
    corpus, data = batches_of(text, batch_size=8, seq_length=20)
    first, again, other = (
        [pair for batch in map(data.epoch(order), range(data.steps_per_epoch)) for pair in pairs_in(batch, corpus)]
        for order in (1, 1, 2)
    )
    assert first == again != other
    assert sorted(first) == sorted(other)


@pytest.mark.parametrize("related", [True, False])
def test_padding_is_less_than_a_tenth_of_what_is_read(related):
    rng = np.random.default_rng(0)
    pairs = []
    for n in rng.integers(1, 41, 8000):
        m = max(1, n + rng.integers(-3, 4)) if related else rng.integers(1, 41)
        pairs.append("a" * n + "\t" + "x" * m + "\n")
    _, data = batches_of("".join(pairs), batch_size=64, seq_length=50)
    assert isinstance(data, TranslationBatches)
    places, text = 0, 0
    for batch in map(data.epoch(1), range(data.steps_per_epoch)):
        places += batch.inputs.size + batch.sources.size
        text += batch.chars_read
    assert text > 0.9 * places


@pytest.mark.parametrize("skipped", ["☃☀☁☂★☆ a long bad line without a tab", "☃"])
def test_no_character_of_a_line_that_is_skipped_is_read(skipped):
    text = "".join(f"{'ab'[n % 2] * (n % 3 + 1)}\t{'ba'[n % 2]}\n{skipped}\n" for n in range(40))
    run = charrnn.train(
        text, layout="pairs", attention=True, skip_bad=True, steps=4, hidden_size=4, seed=1, batch_size=7
    )
    assert [progress.step for progress in run][-1] == 4
    assert "".join(run.best.vocabulary.characters) == "\t\nab"
