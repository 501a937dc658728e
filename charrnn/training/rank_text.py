"""The text of a rank: the parts of a shared file with its rows of the batches and of the validation data."""

import os

from charrnn.dataset.files import Source
from charrnn.dataset.shared_file import SharedCorpus, can_be_shared, index_file
from charrnn.dataset.split import ValidationStream
from charrnn.dataset.streams import Streams
from charrnn.distributed.ranks import Ranks
from charrnn.training.baselines import MAX_CHARS
from charrnn.training.options import TrainOptions
from charrnn.training.rank_shards import RankShards
from charrnn.training.rank_validation import RankValidation
from charrnn.training.trainer import Trainer

WHOLE = ("min_count", "ngrams", "val_spread")
"""Options for which a rank needs the whole text."""


def read_index(ranks: Ranks, source: Source, options: TrainOptions) -> SharedCorpus | None:
    """The corpus of a file that the ranks share, with its index only; None if each rank has to have all of the text.

    The leader calls it; the followers, which serve it, then have the index too.
    """
    given = {**options}
    if given.get("layout", "stream") != "stream" or any(map(given.get, WHOLE)) or not can_be_shared(source):
        return None
    (path,) = source.paths
    with ranks.busy():
        ranks.tell("index", os.path.abspath(path))
        index = index_file(ranks, os.path.abspath(path))
    return None if index is None else SharedCorpus.from_index(index, source.name, ranks.size)


def read_text(trainer: Trainer, corpus: SharedCorpus, shards: RankShards, is_leader: bool) -> None:
    """Reads what a rank needs of the text.

    The leader also reads all of the validation data, and the end of what is learned: it describes the run at its end.
    """
    training, validation, read = trainer.training_data, trainer.validation_data, trainer.read_validation
    assert isinstance(training, Streams)
    assert isinstance(validation, ValidationStream)
    assert isinstance(read, RankValidation)
    border = training.size
    ranges = [training.range_of(shards.own)]
    if is_leader:
        ranges.append((border - MAX_CHARS, border + validation.size))
    elif read.batch_size:
        start, stop = validation.range_of(read.rows)
        ranges.append((border + start, border + stop))
    corpus.read_ranges(ranges)
