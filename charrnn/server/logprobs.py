"""Log-probabilities: a text is read again for those of its characters and of the likeliest in their places."""

from typing import Any

import numpy as np

from charrnn.dataset.batch import CHARS_PER_READ
from charrnn.layers.softmax import log_softmax
from charrnn.model.model import Model
from charrnn.model.ngrams import contexts_of, history_after
from charrnn.types import Ids


class LogprobReader:
    """Reads one text from its beginning, part by part."""

    def __init__(self, model: Model, k: int):
        """`k` is the number of the likeliest characters that are told."""
        self.model, self.k = model, k
        self.state, self.history = model.zero_text_state(1)
        self.context = model.start

    def skip(self, ids: Ids) -> None:
        """Reads a part [N] without telling anything of it."""
        read = np.concatenate(([self.context], ids)).astype(ids.dtype)
        self.state = self.model.read(read[:-1], self.state)
        self.history = history_after(read[:-1, None], self.history)
        self.context = int(read[-1])

    def read(self, ids: Ids, offset: int) -> dict[str, Any]:
        """What is told of a part [N], as the original has it; `offset` is the place of its first character."""
        token_logprobs: list[float] = []
        top: list[dict[str, float]] = []
        for start in range(0, len(ids), CHARS_PER_READ):
            part = ids[start : start + CHARS_PER_READ]
            logp = self._read(part)
            token_logprobs += logp[np.arange(len(part)), part].tolist()
            if self.k:
                for row, v in zip(logp, part, strict=True):
                    best = [*np.argsort(-row, kind="stable")[: self.k].tolist(), int(v)]
                    top.append({self.token(w): float(row[w]) for w in best})
        return {
            "tokens": [self.token(v) for v in ids],
            "token_logprobs": token_logprobs,
            "top_logprobs": top if self.k else None,
            "text_offset": self._offsets(ids, offset),
        }

    def token(self, v: int) -> str:
        """A character as it is written; of a byte that is none, its number."""
        if not self.model.vocabulary.is_bytes:
            return self.model.vocabulary.characters[v]
        return chr(v) if v < 0x80 else f"bytes:\\x{int(v):02x}"

    def _offsets(self, ids: Ids, offset: int) -> list[int]:
        """The places of characters in the text; all bytes of a character have its place."""
        if not self.model.vocabulary.is_bytes:
            return [*range(offset, offset + len(ids))]
        begins = np.array([v & 0xC0 != 0x80 for v in ids.tolist()], int)
        return (offset - 1 + np.maximum(np.cumsum(begins), 1)).tolist() if len(ids) else []

    def _read(self, ids: Ids) -> Any:
        """The log-probabilities [N, V] in place of each of the characters [N]."""
        model, read = self.model, np.concatenate(([self.context], ids)).astype(ids.dtype)
        inputs = read[:-1, None]
        logits, self.state = model.forward(inputs, self.state)
        y = logits[:, 0]
        if model.ngrams is not None:
            y = model.ngrams.mixed_distribution(y, contexts_of(inputs, self.history).reshape(len(ids), -1))
            self.history = history_after(inputs, self.history)
        self.context = int(read[-1])
        return log_softmax(y.astype(np.float64))
