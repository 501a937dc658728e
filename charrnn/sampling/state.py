"""The continuation: what a text needs to be taken up again exactly where it stopped, in a file of its own."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.checkpoint import tensor_file
from charrnn.checkpoint.tensor_file import TensorFile
from charrnn.errors import CheckpointError
from charrnn.model.model import Model
from charrnn.sampling import filters
from charrnn.types import Array


@dataclass(frozen=True)
class GenerationState:
    """The state of one text between two characters."""

    state: Array
    """[L, S, 1, H], before the last character."""
    context: int
    """The last character."""
    recent: filters.Recent
    """[LOOKBACK]: the last characters, V where there were none."""
    rng: np.random.Generator
    """What the next characters follow from."""

    def save(self, path: Path, model: Model) -> None:
        """Writes a file. Raises `CheckpointError` where it can't be written."""
        metadata = {"continuation": _digest(model), "context": self.context, "rng": self.rng.bit_generator.state}
        recent = self.recent.astype(np.float64)  # the file holds floating-point numbers, which these fit into
        tensor_file.write(path, {"state": self.state, "recent": recent}, metadata)

    @classmethod
    def load(cls, path: Path, model: Model) -> "GenerationState":
        """Reads a file. Raises `CheckpointError` where it is missing, damaged, or of a text by another model."""
        file = TensorFile(path)
        if not file.has("continuation"):
            raise CheckpointError(f"{path} is no state of a text: those are written by charrnn sample --state-out")
        if file.json("continuation") != _digest(model):
            raise CheckpointError(f"{path} is the state of a text by another model: name the one that began it")
        V, zero = len(model.vocabulary), model.zero_state(1)
        tensors = file.tensors({"state": zero.shape, "recent": (filters.LOOKBACK,)}, np.float64)
        context, recent = file.json("context"), tensors["recent"]
        if type(context) is not int or not 0 <= context < V:
            raise file.damaged("context")
        if not ((recent >= 0) & (recent <= V) & (recent % 1 == 0)).all():
            raise file.damaged("recent")
        return cls(tensors["state"].astype(zero.dtype), context, recent.astype(np.int64), file.generator("rng"))


def _digest(model: Model) -> str:
    """What tells a model from others: the SHA-256 of its vocabulary and its weights."""
    sha256 = hashlib.sha256("".join(model.vocabulary.characters).encode("utf-8", "surrogatepass"))
    for name, p in model.params.items():
        sha256.update(name.encode())
        sha256.update(np.ascontiguousarray(p).data)
    return sha256.hexdigest()
