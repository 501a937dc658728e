"""The batch: a mask says which targets count, and a shard is some of its rows."""

import numpy as np
import pytest

from charrnn.dataset.batch import NO_ROWS, Batch

LENGTHS = np.array([3, 2, 0, 1])
INPUTS = np.arange(12, dtype=np.uint8).reshape(3, 4)
TARGETS = INPUTS + 1
MASK = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 0, 1]], bool)


def test_without_a_mask_all_targets_count():
    batch = Batch(INPUTS, TARGETS)
    assert (batch.chars, batch.mask, batch.weight) == (12, None, 1.0)
    assert list(range(4)[batch.reset]) == []


def test_with_a_mask_only_the_selected_targets_count():
    assert Batch(INPUTS, TARGETS, mask=MASK).chars == 6
    assert Batch(INPUTS, TARGETS, mask=np.zeros_like(MASK)).chars == 0


@pytest.mark.parametrize("rows", [slice(0, 1), slice(1, 3), slice(2, 2), slice(None)], ids=str)
@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
def test_a_shard_has_the_columns_of_its_rows(rows, mask):
    batch = Batch(INPUTS, TARGETS, slice(None), mask, 0.75, LENGTHS)
    shard = batch.shard(rows)
    np.testing.assert_array_equal(shard.lengths, LENGTHS[rows])
    np.testing.assert_array_equal(shard.inputs, INPUTS[:, rows])
    np.testing.assert_array_equal(shard.targets, TARGETS[:, rows])
    assert shard.weight == 0.75
    if mask is None:
        assert shard.mask is None
        assert shard.chars == 3 * len(range(4)[rows])
    else:
        np.testing.assert_array_equal(shard.mask, MASK[:, rows])
        assert shard.chars == int(MASK[:, rows].sum())


def test_a_shard_resets_no_rows_since_the_batch_has_done_it():
    assert Batch(INPUTS, TARGETS, slice(None)).shard(slice(0, 2)).reset == NO_ROWS


def test_a_shard_is_a_view():
    shard = Batch(INPUTS, TARGETS, mask=MASK, lengths=LENGTHS).shard(slice(1, 3))
    wholes = (INPUTS, TARGETS, MASK, LENGTHS)
    for part, whole in zip((shard.inputs, shard.targets, shard.mask, shard.lengths), wholes, strict=True):
        assert np.shares_memory(part, whole)


def test_the_shards_of_a_batch_have_all_its_characters():
    batch = Batch(INPUTS, TARGETS, mask=MASK)
    assert batch.lengths is batch.shard(slice(0, 1)).lengths is None
    assert sum(batch.shard(rows).chars for rows in (slice(0, 1), slice(1, 3), slice(3, 4))) == batch.chars


def test_a_batch_for_a_classifier_counts_its_rows():
    labels, mask = np.array([[1, 0, 2, 1]], np.uint8), np.array([[True, True, False, True]])
    batch = Batch(INPUTS, labels, mask=mask, lengths=LENGTHS)
    assert (batch.chars, batch._replace(mask=None).chars) == (3, 4)
    shard = batch.shard(slice(2, 4))
    np.testing.assert_array_equal(shard.targets, [[2, 1]])
    np.testing.assert_array_equal(shard.mask, [[False, True]])
    np.testing.assert_array_equal(shard.lengths, [0, 1])
