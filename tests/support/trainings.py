"""Trainings for tests: started with small settings, run to the end, saved to files, resumed from a file."""

from pathlib import Path
from typing import Any

import numpy as np

from charrnn.checkpoint.file_pair import save_pair
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.checkpoint.paths import resume_path
from charrnn.checkpoint.training_file import load_state, save_state
from charrnn.dataset import corpus as corpora
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import bundled_corpus
from charrnn.training import start
from charrnn.training.trainer import Trainer
from charrnn.types import Array, Params
from support.processes import TEXT

VERSE = "the cat sat on the mat; the rat sat on the cat.\nwho sat on the rat? nobody, said the mat.\n" * 12


def place_names(first: int = 0, stop: int | None = None) -> str:
    """Some lines of the place names that come with the package, each with its newline."""
    path = Path(bundled_corpus()).with_name("names.txt")
    return "".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[first:stop])


def spelled_backwards(names: str) -> str:
    """Pairs: each name backwards, a tab, and the name."""
    return "".join(f"{name[::-1]}\t{name}\n" for name in names.splitlines())


def with_length(names: str) -> str:
    """Texts and labels: each name, and whether it is long."""
    return "".join(f"{name}\t{'long' if len(name) > 9 else 'short'}\n" for name in names.splitlines())


def with_vowels(names: str) -> str:
    """Texts and tags: each name, and which of its characters are vowels."""
    return "".join(
        f"{name}\t{''.join('v' if c in 'aeiouAEIOU' else '.' for c in name)}\n" for name in names.splitlines()
    )


TEXTS = {
    "stream": TEXT,
    "lines": place_names(3000, 3200),
    "pairs": spelled_backwards(place_names(3000, 3150)),
    "translations": spelled_backwards(place_names(3000, 3200)),
    "labels": with_length(place_names(1000, 2500)),
    "tags": with_vowels(place_names(3000, 3200)),
}
"""A short text for each layout."""
FIXED = {"schedule": "constant", "seed": 1, "engine": "numpy", "threads": 1}
SMALL: dict[str, dict[str, Any]] = {
    "stream": {"hidden_size": 16, "layers": 1, "batch_size": 8, "seq_length": 16, **FIXED},
    # most names are longer than a batch
    "lines": {"layout": "lines", "hidden_size": 12, "layers": 2, "batch_size": 10, "seq_length": 9, "dropout": 0.3}
    | FIXED,
    # so short that in some batches no target counts
    "pairs": {"layout": "pairs", "attention": False, "hidden_size": 12, "layers": 1, "batch_size": 10, "seq_length": 5}
    | FIXED,
    "translations": {"layout": "translations", "hidden_size": 10, "layers": 2, "batch_size": 10, "dropout": 0.3}
    | FIXED,
    "labels": {"layout": "labels", "hidden_size": 12, "layers": 2, "batch_size": 50, "dropout": 0.3} | FIXED,
    "tags": {"layout": "tags", "hidden_size": 12, "layers": 1, "batch_size": 10, "dropout": 0.3} | FIXED,
}
"""Options of a small training in each layout."""


def start_on(text: str | bytes | Corpus, **options: Any) -> Trainer:
    """A training on a text, before its first step. The options have the defaults of `charrnn.train`."""
    return start.start(text if isinstance(text, Corpus) else corpora.from_text(text), **options)


def start_in(layout: str, text: str | bytes | None = None, /, **options: Any) -> Trainer:
    """A small training in a layout, on the text of `TEXTS` if none is given, before its first step."""
    return start_on(TEXTS[layout] if text is None else text, **SMALL[layout] | options)


def start_short(text: str | bytes, **options: Any) -> Trainer:
    """A short training of a small network, with one thread of the NumPy engine, before its first step."""
    defaults = {"hidden_size": 8, "layers": 2, "steps": 40, "batch_size": 4, "seq_length": 16, "lr": 0.02, "seed": 1}
    return start_on(text, **defaults | {"engine": "numpy", "threads": 1, "eval_every": 10} | options)


def run(trainer: Trainer) -> Trainer:
    """The same training, at its end."""
    for _ in trainer:
        pass
    return trainer


def run_of(text: str | bytes, **options: Any) -> Trainer:
    """`start_short`, at its end."""
    return run(start_short(text, **options))


def save(trainer: Trainer, path: Path) -> None:
    """Writes the model and, beside it, the state of a training."""
    save_pair(path, Checkpoint.from_trainer(trainer), trainer.state)


def saved_bytes(trainer: Trainer, folder: Path) -> tuple[bytes, bytes]:
    """The bytes of the two files of a training: its model's and its state's."""
    path = folder / "saved.safetensors"
    save(trainer, path)
    return path.read_bytes(), resume_path(path).read_bytes()


def flat(params: Params) -> Array:
    """All values of some arrays, in the order of their names."""
    return np.concatenate([params[name].ravel() for name in sorted(params)])


def resumed(trainer: Trainer, text: str | bytes, folder: Path, **options: Any) -> Trainer:
    """Another training that continues from a file with the state of this one."""
    path = folder / "state.safetensors"
    save_state(path, trainer.state)
    return start.resume(corpora.from_text(text), load_state(path), **options)
