"""The streams: a continuous text in batches that lose nothing and are as even as possible."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.dataset.streams import RESET_EVERY, Streams

LENGTHS = st.one_of(st.integers(2, 40), st.integers(2, 400))


@given(LENGTHS, st.integers(1, 12), st.integers(1, 25))
@example(2, 1, 1)
@example(2, 50, 50)
@example(3, 2, 1)
def test_the_batches_of_an_epoch_tile_every_stream(N, B, T):
    ids = np.arange(N, dtype=np.uint16)  # each id is its own position
    streams = Streams(ids, B, T)
    rows, length = streams.batch_size, streams.stream_length
    assert length >= 1
    for offset in range(streams.n_orders):
        batches = [streams.ids_of_batch(offset, k) for k in range(streams.steps_per_epoch)]
        for inputs, targets in batches:
            np.testing.assert_array_equal(targets, inputs + 1)
        read_in_order = np.concatenate([inputs for inputs, _ in batches])
        wanted = offset + length * np.arange(rows) + np.arange(length)[:, None]
        np.testing.assert_array_equal(read_in_order, wanted)


@given(LENGTHS, st.integers(1, 12), st.integers(1, 25))
def test_batches_are_even_and_no_longer_than_allowed(N, B, T):
    streams = Streams(np.zeros(N, np.uint8), B, T)
    lengths = [len(streams.ids_of_batch(0, k)[0]) for k in range(streams.steps_per_epoch)]
    assert min(lengths) >= 1
    assert max(lengths) <= T
    assert max(lengths) - min(lengths) <= 1
    assert len(lengths) == -(-streams.stream_length // T)  # as few as possible


@given(LENGTHS, st.integers(1, 12), st.integers(1, 25))
def test_nearly_all_of_the_text_is_read_in_every_epoch(N, B, T):
    streams = Streams(np.zeros(N, np.uint8), B, T)
    unread = N - 1 - streams.batch_size * streams.stream_length
    assert 0 <= unread < streams.n_orders + streams.batch_size
    assert 1 <= streams.n_orders <= min(T, (N - 1) // 10 + 1)


@pytest.mark.parametrize(
    ("N", "B", "T", "rows"),
    [(10_000, 50, 50, 50), (2501, 50, 50, 50), (2500, 50, 50, 49), (101, 50, 50, 2), (100, 50, 50, 1), (2, 50, 50, 1)],
)
def test_short_texts_have_fewer_streams(N, B, T, rows):
    assert Streams(np.zeros(N, np.uint8), B, T).batch_size == rows


def test_batches_are_views_of_the_text():
    ids = np.arange(200, dtype=np.uint8)
    for array in Streams(ids, 4, 10).ids_of_batch(3, 2):
        assert np.shares_memory(array, ids)


def test_epochs_begin_at_several_offsets_in_a_long_text():
    assert Streams(np.zeros(10_000, np.uint8), 5, 30).n_orders == 30
    assert Streams(np.zeros(101, np.uint8), 5, 30).n_orders == 11
    assert Streams(np.zeros(2, np.uint8), 5, 30).n_orders == 1


def test_all_targets_of_a_batch_count_alike():
    streams = Streams(np.arange(2000, dtype=np.uint16), 4, 10)
    for k in range(streams.steps_per_epoch):
        batch = streams.epoch(3)(k)
        for found, wanted in zip(batch[:2], streams.ids_of_batch(3, k), strict=True):
            np.testing.assert_array_equal(found, wanted)
        assert (batch.mask, batch.weight, batch.chars) == (None, 1.0, batch.inputs.size)


def test_all_streams_are_reset_at_first_and_then_each_at_a_time_of_its_own():
    streams = Streams(np.zeros(30_000, np.uint8), 3, 10)
    resets = [range(3)[streams.epoch(0)(k).reset] for k in range(RESET_EVERY + 3)]
    assert [list(rows) for rows in resets[:4]] == [[0, 1, 2], [1], [2], []]
    assert not any(resets[3:RESET_EVERY])
    assert [list(rows) for rows in resets[RESET_EVERY:]] == [[0], [1], [2]]


def test_an_excerpt_is_the_end_of_the_text():
    streams = Streams(np.arange(100, dtype=np.uint8), 4, 10)
    assert streams.excerpt(3).tolist() == [97, 98, 99]
    assert len(streams.excerpt(1000)) == streams.size == 100
