"""The validation of a rank: its rows of the validation data, and losses that are summed over all ranks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from charrnn.dataset.batch import Batch
from charrnn.dataset.split import ValidationData
from charrnn.engine.threads import row_shards
from charrnn.types import Ids


@dataclass(frozen=True)
class RankValidation:
    """Some rows of validation data, which are read as all of it is."""

    data: ValidationData
    rows: slice

    @classmethod
    def of(cls, data: ValidationData, rank: int, size: int) -> "RankValidation":
        """The rows of a rank; the first ranks have one if there are fewer rows than ranks."""
        found = row_shards(data.batch_size, size) if data.batch_size >= size else []
        rows = found[rank] if found else slice(min(rank, data.batch_size), min(rank + 1, data.batch_size))
        return cls(data, rows)

    @property
    def size(self) -> int:
        """The number of characters that count, of all ranks."""
        return self.data.size

    @property
    def chars_read(self) -> int:
        """The number of characters that are read, by all ranks."""
        return self.data.chars_read

    @property
    def n_lines(self) -> int:
        """See `PartOfCorpus.n_lines`."""
        return self.data.n_lines

    @property
    def batch_size(self) -> int:
        """The rows of this rank."""
        return int(self.rows.stop) - int(self.rows.start)

    def excerpt(self, limit: int) -> Ids:
        """See `PartOfCorpus.excerpt`."""
        return self.data.excerpt(limit)

    def blocks(self) -> Iterator[Ids]:
        """See `PartOfCorpus.blocks`."""
        return self.data.blocks()

    def batches(self, start: int) -> Iterator[Batch]:
        """The rows of this rank in each batch; none if it has no rows."""
        if not self.batch_size:
            return
        for batch in self.data.batches(start):
            is_reset = np.zeros(batch.inputs.shape[1], bool)
            is_reset[batch.reset] = True
            yield batch.shard(self.rows)._replace(reset=np.flatnonzero(is_reset[self.rows]))
