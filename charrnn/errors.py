"""The errors. Each message is one line that says what happened, then what to do."""


def counted(n: int, units: str) -> str:
    """A number of things for a message: 1 step, 2,000 steps; `units` is the plural, which ends in s."""
    return f"{n:,} {units.removesuffix('s') if n == 1 else units}"


class CharRNNError(Exception):
    """The base of every error that is raised on purpose; `exit_code` is the exit code of the command line."""

    exit_code = 1


class ConfigError(CharRNNError):
    """A setting out of range, or settings that contradict each other: wrong usage."""

    exit_code = 2


class MissingLibraryError(ConfigError, ImportError):
    """An option whose optional library is not installed, or a module that needs one."""


class CorpusError(CharRNNError):
    """A text that can't be found, read, decoded or learned from."""


class VocabularyError(CharRNNError):
    """A character that is not in the model's vocabulary."""


class CheckpointError(CharRNNError):
    """A checkpoint that is missing, damaged, written by another program, or in the way."""


class LockedError(CheckpointError):
    """A path that another run is writing."""


class SamplingError(CharRNNError):
    """A text that can't be continued, or ended, as requested."""


class EngineError(CharRNNError):
    """An engine that is not installed or can't be used."""


class DivergenceError(CharRNNError):
    """Training whose loss, gradients or weights are NaN or infinite, or a model whose predictions are."""
