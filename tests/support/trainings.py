"""Trainings as tests handle them: run to their end, kept as files, taken up again."""

from pathlib import Path
from typing import Any

from charrnn.checkpoint import model_file, training_file
from charrnn.dataset.corpus import from_text
from charrnn.training.trainer import Trainer, resume


def run(training: Trainer) -> Trainer:
    for _ in training:
        pass
    return training


def files(training: Trainer, folder: Path) -> tuple[bytes, bytes]:
    """The bytes of the two files that the command line would write of a training."""
    s, model, state = training.state, folder / "m.safetensors", folder / "m.resume.safetensors"
    made = model_file.Checkpoint(training.best, training.best_step, s.training, s.corpus, training.history)
    model_file.save(model, made)
    training_file.save_state(state, s)
    return model.read_bytes(), state.read_bytes()


def taken_up(training: Trainer, text: str, folder: Path, **options: Any) -> Trainer:
    """Another training that goes on from the file of this one's snapshot."""
    training_file.save_state(folder / "s.safetensors", training.state)
    return resume(from_text(text), training_file.load_state(folder / "s.safetensors"), **options)
