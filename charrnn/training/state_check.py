"""The check of a training state: whether it fits the corpus that a run is about to read."""

from charrnn.dataset.lines import LineBatches
from charrnn.dataset.split import TrainingData, ValidationData
from charrnn.errors import CheckpointError, ConfigError, CorpusError
from charrnn.training.state import TrainingState


def check_fits(
    state: TrainingState, data: TrainingData, validation: ValidationData, learns_once: bool, corpus_name: str
) -> None:
    """Raises an error if the state does not fit the corpus, or lacks the validation data that it needs.

    `learns_once` says that lines that occur several times are learned once.
    """
    if (data.size, validation.size) != (state.corpus.training_chars, state.corpus.validation_chars):
        if learns_once and data.size < state.corpus.training_chars:
            raise CorpusError("this run learned repeated lines each time, as is no longer done: start a new run")
        raise CorpusError(f"the corpus {corpus_name} is split differently than when this run began")
    is_valid = state.counters.is_valid_for(data.steps_per_epoch, data.n_orders)
    if not is_valid or state.rnn_state.shape[2] != data.batch_size:
        if isinstance(data, LineBatches) and data.rows.n_cut:
            raise CorpusError("this run read its longest lines whole, as is no longer done: start a new run")
        raise CheckpointError("the run to resume is damaged: its counters do not fit its corpus")
    for name, option in (("patience", "--patience"), ("ema_decay", "--ema-decay")):
        if getattr(state.training_config, name) and not validation.size:
            raise ConfigError(f"{option} needs a validation loss, but nothing is held out to validate on")
