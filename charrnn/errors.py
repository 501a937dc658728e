"""What can go wrong, in words for the person who has to mend it: each text is one line, fit to be shown."""


class CharRNNError(Exception):
    """The root of every error raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1


class ConfigError(CharRNNError):
    """A setting outside its range, or settings that contradict each other: wrong usage."""

    exit_code = 2


class CorpusError(CharRNNError):
    """A text that can't be found, read, decoded or learned from."""


class VocabularyError(CharRNNError):
    """A character that the model has never seen."""


class CheckpointError(CharRNNError):
    """A checkpoint that is missing, damaged, from another program, or in the way."""


class SamplingError(CharRNNError):
    """A text that can't go on, or can't end, as it was asked to."""


class EngineError(CharRNNError):
    """An engine that is not installed."""


class DivergenceError(CharRNNError):
    """A training whose loss or gradients are no numbers any more."""
