"""The spread split: blocks from all over a text are held out, and no stream runs across them."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.dataset.batch import CHARS_PER_READ
from charrnn.dataset.spread import SegmentStreams, ValidationBlocks, place_blocks, split_blocks
from charrnn.dataset.streams import RESET_EVERY
from charrnn.types import Ids

N_AND_HELD_OUT = st.integers(200, 6000).flatmap(lambda N: st.tuples(st.just(N), st.integers(100, N * 9 // 10)))


def positions(N: int) -> Ids:
    """A text in which each id is its own position."""
    return np.arange(N, dtype=np.uint16)


def split(N: int, held_out: int, seed: int = 1, B: int = 4, T: int = 10) -> tuple[SegmentStreams, ValidationBlocks]:
    return split_blocks(positions(N), held_out, seed, B, T)


@given(N_AND_HELD_OUT, st.integers(0, 99))
@example((112, 100), 0)
@example((200_000, 20_000), 3)
@example((10**6, 10**5), 3)
def test_blocks_lie_apart_one_in_each_part_of_the_text(sizes: tuple[int, int], seed: int) -> None:
    N, held_out = sizes
    starts, size = place_blocks(N, held_out, seed)
    K = len(starts)
    assert held_out - K < K * size <= held_out
    again, same = place_blocks(N, K * size, seed)  # as from a file, which has only what is held out in the end
    assert ([*again], same) == ([*starts], size)
    for k, start in enumerate(starts.tolist()):
        assert N * k // K <= start
        assert start + size <= N * (k + 1) // K


@pytest.mark.parametrize(
    ("held_out", "K", "size"),
    [(100, 1, 100), (350, 3, 116), (1000, 5, 200), (9999, 5, 1999), (27_231, 13, 2094), (10**6, 64, 15_625)],
)
def test_blocks_are_long_and_there_are_many_if_the_text_is_long_enough(held_out: int, K: int, size: int) -> None:
    starts, found = place_blocks(10 * held_out, held_out, 1)
    assert (len(starts), found) == (K, size)


def test_the_seed_chooses_the_blocks() -> None:
    assert [*place_blocks(10_000, 1000, 1)[0]] != [*place_blocks(10_000, 1000, 2)[0]]


# What is learned


@given(N_AND_HELD_OUT, st.integers(0, 9), st.integers(1, 12), st.integers(1, 40), st.integers(0, 39))
@example((445, 400), 1, 1, 1, 0)  # the last block ends the text
def test_training_reads_what_lies_between_the_blocks_and_nothing_else(
    sizes: tuple[int, int], seed: int, B: int, T: int, order: int
) -> None:
    N, held_out = sizes
    streams, validation = split(N, held_out, seed, B, T)
    assert streams.size + validation.size == N
    batches = [streams.epoch(order % streams.n_orders)(k) for k in range(streams.steps_per_epoch)]
    held_out_ids = {int(i) for block in validation.blocks() for i in block}
    read: list[int] = []
    before = np.full(streams.batch_size, -1)
    for k, batch in enumerate(batches):
        assert batch.inputs.shape == batch.targets.shape == (len(batch.targets), streams.batch_size)
        assert len(batch.targets) <= T
        mask = np.ones(batch.targets.shape, bool) if batch.mask is None else batch.mask
        assert batch.mask is None or not mask.all()
        np.testing.assert_array_equal(batch.targets[mask], batch.inputs[mask] + 1)
        assert batch.weight * streams.chars_per_step == pytest.approx(np.count_nonzero(mask))
        is_reset = np.zeros(streams.batch_size, bool)
        is_reset[batch.reset] = True
        assert k or is_reset.all()
        for row in range(streams.batch_size):
            inputs = batch.inputs[mask[:, row], row]
            read += batch.targets[mask[:, row], row].tolist()
            if not is_reset[row] and len(inputs):
                assert inputs[0] == before[row], "the state is that after the character before"
            assert not held_out_ids & {*inputs.tolist()}
            # padding spoils the state, which must then be reset before anything more is read
            before[row] = batch.targets[-1, row] if mask[:, row].all() else -1
    assert len(set(read)) == len(read), "each target is read once"
    assert not held_out_ids & {*read}
    unread = streams.size - len(read)
    assert unread <= sum(min(T, (n - 1) // 10 + 1) for n in streams.lengths.tolist())


def test_every_epoch_has_the_same_number_of_characters_at_another_offset() -> None:
    streams, _ = split(6000, 600)
    assert streams.n_orders == 10
    firsts = [int(streams.epoch(order)(0).inputs[0, 0]) for order in range(10)]
    assert firsts == [*range(10)]
    sizes = {sum(streams.epoch(o)(k).chars for k in range(streams.steps_per_epoch)) for o in range(10)}
    assert sizes == {round(streams.chars_per_step * streams.steps_per_epoch)}


def test_each_stream_is_also_reset_at_times_of_its_own() -> None:
    streams = SegmentStreams(positions(60_000), np.array([0]), np.array([60_000]), 3, 10)
    resets = [np.arange(3)[streams.epoch(0)(k).reset].tolist() for k in range(RESET_EVERY + 3)]
    assert resets[:4] == [[0, 1, 2], [1], [2], []]
    assert resets[RESET_EVERY:] == [[0], [1], [2]]


def test_excerpts_and_blocks_are_the_segments_one_after_the_other() -> None:
    streams, validation = split(6000, 600)
    learned = np.concatenate([*streams.blocks()])
    held_out = np.concatenate([*validation.blocks()])
    for n in (1, 70, 120, 121, 600, 700, 5000, 10_000):
        np.testing.assert_array_equal(streams.excerpt(n), learned[-n:])
        np.testing.assert_array_equal(validation.excerpt(n), held_out[:n])
    np.testing.assert_array_equal(np.sort(np.concatenate((learned, held_out))), positions(6000))


def test_an_excerpt_copies_no_more_than_it_has() -> None:
    streams, validation = split_blocks(np.broadcast_to(np.uint8(0), 10**8), 10**7, 1, 4, 10)
    tracemalloc.start()
    try:
        assert (len(streams.excerpt(1000)), len(validation.excerpt(1000))) == (1000, 1000)
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()


# What is validated on


@pytest.mark.parametrize(("N", "held_out"), [(500, 100), (6000, 600), (60_000, 20_000)])
def test_validation_reads_each_character_of_the_blocks_once_with_the_state_carried(N: int, held_out: int) -> None:
    _, validation = split(N, held_out)
    batches = [*validation.batches(7)]
    assert [batch.reset for batch in batches] == [slice(None), *[slice(0, 0)] * (len(batches) - 1)]
    assert all(batch.inputs.size <= max(CHARS_PER_READ, validation.batch_size) for batch in batches)
    inputs, targets = (np.concatenate([batch[part] for batch in batches]) for part in (0, 1))
    for row, block in enumerate(validation.blocks()):
        np.testing.assert_array_equal(targets[:, row], block)
        np.testing.assert_array_equal(inputs[:, row], [7, *block[:-1]])
