"""The jobs of `charrnn warm-up`: small runs of the real commands, which compile what these need."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import NamedTuple, cast

from charrnn.config import PRECISIONS, WEIGHT_PRECISIONS
from charrnn.dataset.corpus import from_text
from charrnn.engine import compile_time
from charrnn.engine.precision import bfloat16_is_faster
from charrnn.sampling.generate import generate
from charrnn.scoring.adapted_model import adapt
from charrnn.scoring.classify import classify
from charrnn.scoring.tag import tag
from charrnn.scoring.text import score
from charrnn.training.options import TrainOptions
from charrnn.training.start import start
from charrnn.training.trainer import Trainer

TEXTS = {
    "stream": "ab" * 100 + "\n",
    "translations": "".join(f"{'a' * n}b\t{'b' * n}a\n" for n in range(1, 30)),
    "labels": "".join(f"{'a' * n}b\t{n % 2}\n" for n in range(1, 30)),
    "tags": "".join(f"{'a' * n}b\t{'x' * n}y\n" for n in range(1, 30)),
}
"""A short text for each layout; of all lengths, so that shorter ones are padded."""


class Job(NamedTuple):
    """What one command needs for one cell."""

    command: str
    cell: str
    run: Callable[[], None]


def jobs(commands: list[str], cells: list[str]) -> Iterator[Job]:
    """The jobs of some commands, each for some cells."""
    for command in commands:
        for cell in cells[: 1 if command == "sample" else None]:  # it draws with one kernel for all cells
            yield Job(command, cell, partial(RUNS[command], cell))


def kernels(commands: list[str], cells: list[str]) -> set[str]:
    """The kernels that the jobs call."""
    found: set[str] = set()
    for cell in cells:
        for precision in precisions() if "train" in commands else ():
            for form in ("language_model", "translator"):
                found |= compile_time.training(cell, form, samples=True, precision=precision)
        if {"score", "classify", "tag"} & {*commands}:
            found |= compile_time.scoring(cell)
        if "adapt" in commands:
            found |= compile_time.adapting(cell)
    for precision in WEIGHT_PRECISIONS if "sample" in commands else ():
        found |= compile_time.sampling(precision)
    return found


def precisions() -> tuple[str, ...]:
    """The precisions in which the numba engine trains on this machine unless another one is given."""
    return PRECISIONS if bfloat16_is_faster() else ("float32",)


def _trainer(layout: str, cell: str, precision: str = "float32") -> Trainer:
    """A run of two steps."""
    small = {"hidden_size": 8, "layers": 2, "batch_size": 8, "steps": 2, "seed": 0, "threads": 1, "engine": "numba"}
    return start(
        from_text(TEXTS[layout]),
        **cast(TrainOptions, {**small, "layout": layout, "cell": cell, "precision": precision}),
    )


def _train(cell: str) -> None:
    for layout, precision in product(TEXTS, precisions()):
        for _ in _trainer(layout, cell, precision):
            pass
    _sample(cell, ("float32",))


def _sample(cell: str, weights: tuple[str, ...] = WEIGHT_PRECISIONS) -> None:
    model = _trainer("stream", cell).latest
    for precision in weights:
        "".join(generate(model.with_precision(precision), length=2, seed=0))


def _score(cell: str) -> None:
    score(_trainer("stream", cell).latest, TEXTS["stream"])


def _adapt(cell: str) -> None:
    adapt(_trainer("stream", cell).latest, TEXTS["stream"])


def _classify(cell: str) -> None:
    list(classify(_trainer("labels", cell).latest, ["ab", "abb"]))


def _tag(cell: str) -> None:
    list(tag(_trainer("tags", cell).latest, ["ab", "abb"]))


RUNS = {"train": _train, "sample": _sample, "score": _score, "classify": _classify, "tag": _tag, "adapt": _adapt}
"""What each command runs. `translate` is not among them, since it draws with NumPy."""
