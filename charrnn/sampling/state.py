"""The generation state: all that a text needs to continue exactly where it stopped, in a file of its own."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.checkpoint import tensor_file
from charrnn.checkpoint.tensor_file import TensorFile
from charrnn.errors import CheckpointError
from charrnn.model.model import Model
from charrnn.sampling import filters
from charrnn.types import Array

MODEL_KEY = "generation"
"""The metadata key of such a file; its value identifies the model."""
MODEL_KEY_FORMAT_1 = "continuation"
"""The same key in a file of format 1."""


@dataclass(frozen=True)
class GenerationState:
    """The state of one text between two characters."""

    state: Array
    """The RNN state [L, S, 1, H] before the last character."""
    context: int
    """The last character."""
    recent: filters.Recent
    """[LOOKBACK]: the last characters, padded with V at the front."""
    rng: np.random.Generator
    """Draws the next characters."""

    def save(self, path: Path, model: Model) -> None:
        """Writes a file. Raises `CheckpointError` if it can't be written."""
        metadata = {MODEL_KEY: _model_digest(model), "context": self.context, "rng": self.rng.bit_generator.state}
        recent = self.recent.astype(np.float64)  # the file holds floating-point numbers, which are exact for these
        tensor_file.write(path, {"state": self.state, "recent": recent}, metadata)

    @classmethod
    def load(cls, path: Path, model: Model) -> "GenerationState":
        """Reads a file. Raises `CheckpointError` if it is missing or damaged, or if another model wrote the text."""
        file = TensorFile(path)
        key = MODEL_KEY_FORMAT_1 if file.format == 1 else MODEL_KEY
        if not file.has(key):
            raise CheckpointError(f"{path} is not the state of a text: `charrnn sample --state-out` writes those")
        if file.json(key) != _model_digest(model):
            raise CheckpointError(f"{path} is the state of a text by another model: name the model that began it")
        V, zero = len(model.vocabulary), model.zero_state(1)
        tensors = file.tensors({"state": zero.shape, "recent": (filters.LOOKBACK,)}, np.float64)
        context, recent = file.json("context"), tensors["recent"]
        if type(context) is not int or not 0 <= context < V:
            raise file.damaged("context")
        if not ((recent >= 0) & (recent <= V) & (recent % 1 == 0)).all():
            raise file.damaged("recent")
        return cls(tensors["state"].astype(zero.dtype), context, recent.astype(np.int64), file.generator("rng"))


def _model_digest(model: Model) -> str:
    """Identifies a model: the SHA-256 of its vocabulary, its weights and its n-grams."""
    sha256 = hashlib.sha256("".join(model.vocabulary.characters).encode("utf-8", "surrogatepass"))
    for name, p in model.params.items():
        sha256.update(name.encode())
        sha256.update(np.ascontiguousarray(p).data)
    if model.ngrams is not None:
        sha256.update(json.dumps(model.ngrams.about()).encode())
        for array in (model.ngrams.child_keys, model.ngrams.follower_keys, model.ngrams.counts):
            sha256.update(np.ascontiguousarray(array).data)
    return sha256.hexdigest()
