"""The summary: what a checkpoint is, without running its model."""

from dataclasses import asdict
from typing import Any

import numpy as np

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.checkpoint.pytorch_format import to_torch
from charrnn.dataset.line_set import LineSet
from charrnn.inspection.history import history


def summary(checkpoint: Checkpoint) -> dict[str, Any]:
    """A checkpoint as plain data: its metadata, the shape, norm and share of each tensor, and its history.

    The tensors are those of the file, under PyTorch's names and with the types that they have there.
    """
    model = checkpoint.model
    tensors = to_torch(model.params, model.network)
    total = sum(tensor.size for tensor in tensors.values())
    return {
        "model": model.config.to_dict(),
        "parameters": model.n_params,
        "vocabulary": {"kind": f"{model.vocabulary.unit}s", "size": len(model.vocabulary)}
        | ({} if model.vocabulary.is_bytes else {"characters": list(model.vocabulary.characters)}),
        "text_form": asdict(model.text_form),
        "layout": model.layout,
        **({"record_form": model.record_form.to_json()} if model.reads_records else {}),
        "line_set": _line_set(model.line_set),
        "labels": None if model.labels is None else model.labels.to_json(),
        "tensors": [
            {
                "name": name,
                "shape": list(tensor.shape),
                "dtype": checkpoint.stored_types.get(name, str(tensor.dtype)),
                "norm": float(np.linalg.norm(tensor.astype(np.float64))),
                "share": tensor.size / total,
            }
            for name, tensor in tensors.items()
        ],
        "step": checkpoint.step,
        "training": checkpoint.training.to_dict() if checkpoint.training else None,
        **({} if model.ngrams is None else {"ngrams": model.ngrams.about()}),
        **({"adapted": [text.to_dict() for text in checkpoint.adapted]} if checkpoint.adapted else {}),
        "corpus": checkpoint.corpus.to_dict() if checkpoint.corpus else None,
        "history": history(checkpoint),
        "version": checkpoint.version,
    }


def _line_set(line_set: LineSet | None) -> dict[str, int | None] | None:
    """The length of the longest line, and the number of different lines; None if their set is too large to keep."""
    if line_set is None:
        return None
    usual = {} if line_set.usual is None else {"usual": line_set.usual}
    return {"longest": line_set.longest, "lines": None if line_set.digests is None else len(line_set.digests)} | usual
