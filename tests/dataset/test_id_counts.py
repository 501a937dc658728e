"""The counts of ids: of parts of a text, in blocks that are never larger than memory allows."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.dataset import id_counts
from charrnn.dataset.id_counts import count_ids, ids_of_parts

LENGTHS = st.lists(st.integers(0, 20), min_size=1, max_size=12)


@given(LENGTHS, st.integers(1, 9), st.integers(1, 5))
@example([100, 0, 0, 3], 7, 2)
@example([7, 0, 7, 0], 7, 9)
def test_parts_are_read_in_order_in_blocks_that_no_long_part_exceeds(lengths, block, lines):
    ids = np.arange(sum(lengths) + 2 * len(lengths), dtype=np.uint16)
    begins = np.cumsum([0, *(n + 2 for n in lengths[:-1])]).astype(np.uint32)
    wanted = [i for begin, n in zip(begins.tolist(), lengths, strict=True) for i in range(begin, begin + n)]
    before = id_counts.COUNT_BLOCK, id_counts.LINES_AT_ONCE
    id_counts.COUNT_BLOCK, id_counts.LINES_AT_ONCE = block, lines
    try:
        found = [*ids_of_parts(ids, begins, np.array(lengths, np.uint32))]
        counts = count_ids(ids % 5, begins, np.array(lengths, np.uint32), 5)
    finally:
        id_counts.COUNT_BLOCK, id_counts.LINES_AT_ONCE = before
    assert [int(i) for part in found for i in part] == wanted
    assert all(0 < len(part) <= block for part in found)
    assert counts.tolist() == [sum(i % 5 == v for i in wanted) for v in range(5)]
