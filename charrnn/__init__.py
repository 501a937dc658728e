"""charrnn: a character-level recurrent network that learns from a text and writes new text in its manner.

    import charrnn

    run = charrnn.train(Path("corpus.txt").read_text(), epochs=5, seed=1)
    for progress in run:
        print(progress.step, progress.loss)
    print("".join(charrnn.generate(run.best, length=200, seed=1)))
    print(charrnn.score(run.best, "To be, or not to be").bpc)
    for score in charrnn.score_lines(run.best, ["To be,", "or not to be"]):
        print(score.perplexity)

    model = charrnn.load("checkpoints/corpus.safetensors").model

What stands here is handed on from the modules that define it, and imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charrnn.checkpoint.model_file import Checkpoint, load, save
    from charrnn.checkpoint.training_file import load_state, save_state
    from charrnn.config import SamplingConfig
    from charrnn.sampling.generate import generate, samples
    from charrnn.sampling.lines import sample_lines
    from charrnn.scoring.lines import score_lines
    from charrnn.scoring.score import Score, score, surprisal
    from charrnn.training.trainer import resume, train

_HOMES = {
    "Checkpoint": "checkpoint",
    "SamplingConfig": "config",
    "Score": "scoring",
    "draw_records": "listing",
    "generate": "sampling",
    "load": "checkpoint",
    "load_snapshot": "checkpoint",
    "resume": "training",
    "samples": "sampling",
    "save": "checkpoint",
    "save_snapshot": "checkpoint",
    "score": "scoring",
    "score_lines": "scoring",
    "surprises": "scoring",
    "train": "training",
}

__all__ = [
    "Checkpoint",
    "SamplingConfig",
    "Score",
    "draw_records",
    "generate",
    "load",
    "load_snapshot",
    "resume",
    "samples",
    "save",
    "save_snapshot",
    "score",
    "score_lines",
    "surprises",
    "train",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
    return getattr(import_module(f"charrnn.{_HOMES[name]}"), name)
