"""The block digest: identifies a file whose blocks are read by several processes, which SHA-256 alone does not allow.

It is the SHA-256 of the SHA-256s of all blocks, and so does not depend on how many processes there are.
"""

import hashlib
from collections.abc import Iterable
from typing import Protocol

BLOCK = 1 << 20
"""The bytes of a block; the last one may be shorter."""
PREFIX = "blocks:"
"""How a block digest begins, so that it is not taken for a SHA-256."""


class Digest(Protocol):
    """What `hashlib.sha256()` and `BlockDigest` have in common."""

    def update(self, part: bytes, /) -> None:
        """Adds the next bytes."""

    def hexdigest(self) -> str:
        """The digest of all bytes so far."""


class BlockDigest:
    """The block digest of bytes that come in parts of any length."""

    def __init__(self) -> None:
        self.digests: list[bytes] = []
        self.block = hashlib.sha256()
        self.left = BLOCK

    def update(self, part: bytes) -> None:
        """Adds the next bytes."""
        while part:
            self.block.update(part[: self.left])
            self.left, part = self.left - len(part[: self.left]), part[self.left :]
            if not self.left:
                self.digests.append(self.block.digest())
                self.block, self.left = hashlib.sha256(), BLOCK

    def hexdigest(self) -> str:
        """The digest of all bytes so far."""
        return of_blocks((*self.digests, *([self.block.digest()] if self.left < BLOCK else [])))


def of_blocks(digests: Iterable[bytes]) -> str:
    """The block digest of a file, from the SHA-256 of each of its blocks."""
    return PREFIX + hashlib.sha256(b"".join(digests)).hexdigest()


def of_kind(digest: str) -> Digest:
    """An empty digest of the kind that another one is of."""
    return BlockDigest() if digest.startswith(PREFIX) else hashlib.sha256()
