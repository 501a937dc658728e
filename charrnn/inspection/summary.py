"""The inspector: what there is to know of a checkpoint, as data."""

from dataclasses import asdict
from typing import Any

import numpy as np

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.checkpoint.pytorch_format import to_torch
from charrnn.dataset.line_set import LineSet
from charrnn.model import network


def summary(checkpoint: Checkpoint) -> dict[str, Any]:
    """A checkpoint as plain data: its metadata, its tensors with shape, norm and share of all values, its history.

    The tensors are those of the file, under PyTorch's names.
    """
    model = checkpoint.model
    tensors = to_torch(model.params, model.config, network.cell_of(model.config, model.engine))
    total = sum(tensor.size for tensor in tensors.values())
    return {
        "model": asdict(model.config),
        "parameters": model.size,
        "vocabulary": {"kind": "bytes" if model.vocabulary.is_bytes else "characters", "size": len(model.vocabulary)}
        | ({} if model.vocabulary.is_bytes else {"characters": list(model.vocabulary.characters)}),
        "records": _records(model.line_set),
        "tensors": [
            {
                "name": name,
                "shape": list(tensor.shape),
                "dtype": str(tensor.dtype),
                "norm": float(np.linalg.norm(tensor.astype(np.float64))),
                "share": tensor.size / total,
            }
            for name, tensor in tensors.items()
        ],
        "step": checkpoint.step,
        "training": asdict(checkpoint.training) if checkpoint.training else None,
        "corpus": asdict(checkpoint.corpus) if checkpoint.corpus else None,
        "history": [asdict(row) for row in checkpoint.history],
        "version": checkpoint.version,
    }


def _records(known: LineSet | None) -> dict[str, int | None] | None:
    """What a model of records knows of the lines it was made from; None for a model of running text."""
    if known is None:
        return None
    return {"longest": known.longest, "known": None if known.digests is None else len(known.digests)}
