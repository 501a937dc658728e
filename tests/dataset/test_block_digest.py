"""The block digest: that of the bytes, however they come."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset import block_digest
from charrnn.dataset.block_digest import BlockDigest


@given(st.binary(max_size=50), st.lists(st.integers(0, 50), max_size=4))
def test_the_digest_does_not_depend_on_the_parts(raw: bytes, cuts: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_digest, "BLOCK", 7)
        digest = BlockDigest()
        for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(raw)], strict=True):
            digest.update(raw[start:stop])
        blocks = [hashlib.sha256(raw[n : n + 7]).digest() for n in range(0, len(raw), 7)]
        assert digest.hexdigest() == "blocks:" + hashlib.sha256(b"".join(blocks)).hexdigest()


def test_a_digest_is_of_the_kind_of_another_one() -> None:
    for digest in (BlockDigest().hexdigest(), hashlib.sha256().hexdigest()):
        assert block_digest.of_kind(digest).hexdigest() == digest
