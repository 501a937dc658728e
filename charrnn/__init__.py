"""charrnn: a character-level recurrent network that learns from a text and writes new text in its manner.

    import charrnn

    run = charrnn.train(Path("corpus.txt").read_text(), epochs=5, seed=1, checkpoint="model.safetensors")
    for progress in run:
        print(progress.step, progress.loss)
    print("".join(charrnn.generate(run.best, length=200, seed=1)))
    print(charrnn.score(run.best, "To be, or not to be").bpc)
    for score in charrnn.score_lines(run.best, ["To be,", "or not to be"]):
        print(score.perplexity)

    model = charrnn.load("model.safetensors").model

These names are defined in the modules of the package, and imported when they are first used. `watch` is the loop over a
run with a progress bar, and notebooks show runs, checkpoints and models with the curve of their losses and a sample.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charrnn.checkpoint.model_file import Checkpoint, load, save
    from charrnn.checkpoint.saved_training import SavedTraining, resume, train
    from charrnn.cli.train.training_bar import watch
    from charrnn.config import ModelConfig, SamplingConfig, TrainingConfig
    from charrnn.dataset.corpus import Corpus
    from charrnn.dataset.corpus import read as read_corpus
    from charrnn.dataset.files import Source
    from charrnn.dataset.record_form import RecordForm
    from charrnn.errors import (
        CharRNNError,
        CheckpointError,
        ConfigError,
        CorpusError,
        DivergenceError,
        EngineError,
        LockedError,
        SamplingError,
        VocabularyError,
    )
    from charrnn.model.model import Model
    from charrnn.sampling.generate import Sample, TextGenerator, generate, samples
    from charrnn.sampling.lines import sample_lines
    from charrnn.sampling.request import SamplingRequest
    from charrnn.sampling.translate import Translation, translate
    from charrnn.scoring.adaptation import Adaptation
    from charrnn.scoring.adapted_model import adapt
    from charrnn.scoring.classify import Classification, classify
    from charrnn.scoring.learner import AdaptationConfig
    from charrnn.scoring.lines import score_lines
    from charrnn.scoring.score import Score, surprisal
    from charrnn.scoring.tag import Span, Tagging, tag
    from charrnn.scoring.text import score
    from charrnn.training.options import TrainOptions
    from charrnn.training.progress import Progress
    from charrnn.training.state import Evaluation
    from charrnn.training.trainer import Trainer

_MODULES = {
    "__version__": "version",
    "Adaptation": "scoring.adaptation",
    "AdaptationConfig": "scoring.learner",
    "CharRNNError": "errors",
    "Checkpoint": "checkpoint.model_file",
    "CheckpointError": "errors",
    "Classification": "scoring.classify",
    "ConfigError": "errors",
    "Corpus": "dataset.corpus",
    "CorpusError": "errors",
    "DivergenceError": "errors",
    "EngineError": "errors",
    "Evaluation": "training.state",
    "LockedError": "errors",
    "Model": "model.model",
    "ModelConfig": "config",
    "Progress": "training.progress",
    "RecordForm": "dataset.record_form",
    "Sample": "sampling.generate",
    "SamplingConfig": "config",
    "SamplingError": "errors",
    "SamplingRequest": "sampling.request",
    "SavedTraining": "checkpoint.saved_training",
    "Score": "scoring.score",
    "Source": "dataset.files",
    "Span": "scoring.tag",
    "Tagging": "scoring.tag",
    "TextGenerator": "sampling.generate",
    "TrainOptions": "training.options",
    "Trainer": "training.trainer",
    "TrainingConfig": "config",
    "Translation": "sampling.translate",
    "VocabularyError": "errors",
    "adapt": "scoring.adapted_model",
    "classify": "scoring.classify",
    "generate": "sampling.generate",
    "load": "checkpoint.model_file",
    "read_corpus": "dataset.corpus",
    "resume": "checkpoint.saved_training",
    "sample_lines": "sampling.lines",
    "samples": "sampling.generate",
    "save": "checkpoint.model_file",
    "score": "scoring.text",
    "score_lines": "scoring.lines",
    "surprisal": "scoring.score",
    "tag": "scoring.tag",
    "train": "checkpoint.saved_training",
    "translate": "sampling.translate",
    "watch": "cli.train.training_bar",
}
_RENAMED = {"__version__": "VERSION", "read_corpus": "read"}
"""Public names, and those in their modules."""

__all__ = [
    "Adaptation",
    "AdaptationConfig",
    "CharRNNError",
    "Checkpoint",
    "CheckpointError",
    "Classification",
    "ConfigError",
    "Corpus",
    "CorpusError",
    "DivergenceError",
    "EngineError",
    "Evaluation",
    "LockedError",
    "Model",
    "ModelConfig",
    "Progress",
    "RecordForm",
    "Sample",
    "SamplingConfig",
    "SamplingError",
    "SamplingRequest",
    "SavedTraining",
    "Score",
    "Source",
    "Span",
    "Tagging",
    "TextGenerator",
    "TrainOptions",
    "Trainer",
    "TrainingConfig",
    "Translation",
    "VocabularyError",
    "adapt",
    "classify",
    "generate",
    "load",
    "read_corpus",
    "resume",
    "sample_lines",
    "samples",
    "save",
    "score",
    "score_lines",
    "surprisal",
    "tag",
    "train",
    "translate",
    "watch",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
    import_module("charrnn.model.display").Displayed.make_html = _html
    return getattr(import_module(f"charrnn.{_MODULES[name]}"), _RENAMED.get(name, name))


def _html(shown: object) -> str:
    """What a notebook shows of an object; it is imported when it is first shown."""
    html: str = import_module("charrnn.inspection.notebook.html").html(shown)
    return html
