"""The epoch of a step: the one that the step lies in, counted from 1."""

from charrnn.config import TrainingConfig
from charrnn.dataset.split import stream_training
from charrnn.training.state import CorpusInfo, Evaluation


def epoch_of(step: int, steps_per_epoch: int) -> int:
    """The epoch that a step lies in; 0 before the first step."""
    return -(-step // steps_per_epoch)


def steps_per_epoch(corpus: CorpusInfo | None, config: TrainingConfig | None, history: list[Evaluation]) -> int:
    """The batches of an epoch of a run of which only the model is known.

    Of texts that are cut into batches of their own, and of blocks that are held out, it is not known: it is then the
    greatest number with which every evaluation has as many completed epochs as it says.
    """
    if corpus is not None and config is not None:
        if config.layout == "stream":
            steps = stream_training(corpus.training_chars, 0, config).steps_per_epoch
        else:
            steps = max(1, -(-corpus.training_lines // config.batch_size))
        if all(row.step // steps == row.epoch for row in history):
            return steps
    longest = max((row.step for row in history), default=0) + 1  # not one epoch was completed
    return max(1, min((row.step // row.epoch for row in history if row.epoch), default=longest))
