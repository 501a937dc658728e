"""Scores and labels of texts, for programs: what `charrnn score` and `charrnn classify` print as JSON."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from charrnn.dataset.vocabulary import POLICIES
from charrnn.model.model import Model
from charrnn.scoring.classify import classifier_of, classify
from charrnn.scoring.score import UNKNOWN_POLICIES, check_scores, stream_surprisal
from charrnn.scoring.text import as_pieces, score
from charrnn.server import fields
from charrnn.server.errors import took_too_long
from charrnn.server.exchange import Disconnected, Exchange
from charrnn.server.service import Service

MAX_TEXTS = 1000
"""The most texts of a request."""
PIECE = 4096
"""The characters that are scored between two looks at the time."""
DEFAULT_TOP = 5


class Patience:
    """Ends work in another thread: when nobody waits for it any more, or it takes too long."""

    def __init__(self, seconds: float):
        self.seconds, self.until, self.is_over = seconds, time.monotonic() + seconds, threading.Event()

    def check(self) -> None:
        """Raises `Disconnected` or `ApiError` if the work should end."""
        if self.is_over.is_set():
            raise Disconnected
        if time.monotonic() > self.until:
            raise took_too_long(self.seconds)

    def pieces(self, text: str) -> Iterator[str]:
        """The text in pieces, before each of which it is checked."""
        for start in range(0, len(text), PIECE):
            self.check()
            yield text[start : start + PIECE]


async def score_texts(service: Service, exchange: Exchange) -> None:
    """Answers with the score of each text: how well the model predicts it."""
    asked = await _read(
        service,
        exchange,
        {
            "model": (fields.text, None),
            "text": (fields.texts(MAX_TEXTS), None),
            "unknown": (fields.choice(UNKNOWN_POLICIES), "error"),
            "surprisal": (fields.flag, False),
        },
    )

    def answer(model: Model, text: str, patience: Patience) -> dict[str, Any]:
        patience.check()
        found: dict[str, Any] = score(model, patience.pieces(text), unknown=asked["unknown"]).as_dict()
        if asked["surprisal"]:
            pieces = as_pieces(model, patience.pieces(text), "score")
            parts = [*stream_surprisal(model, pieces, unknown=asked["unknown"])]
            nats = np.concatenate(parts, dtype=np.float64).tolist()
            found["surprisal"] = [None if math.isnan(x) else x for x in nats]
        return found

    await _answer_texts(service, exchange, asked, check_scores, answer)


async def classify_texts(service: Service, exchange: Exchange) -> None:
    """Answers with the label of each text."""
    asked = await _read(
        service,
        exchange,
        {
            "model": (fields.text, None),
            "text": (fields.texts(MAX_TEXTS), None),
            "unknown": (fields.choice(POLICIES), "skip"),
            "top": (fields.whole(1, 65536), DEFAULT_TOP),
        },
    )

    def answer(model: Model, text: str, patience: Patience) -> dict[str, Any]:
        patience.check()
        (found,) = classify(model, [text], unknown=asked["unknown"], threads=1)
        return {"label": found.label, "probability": found.probability, "labels": dict(found.top(asked["top"]))}

    await _answer_texts(service, exchange, asked, classifier_of, answer)


async def _read(service: Service, exchange: Exchange, known: dict[str, tuple[fields.Check, Any]]) -> dict[str, Any]:
    """The fields of a request, of those that are known. Raises `ApiError` for a body that is not so."""
    body = await exchange.json_body(service.options.max_body, service.options.timeout)
    return fields.check_fields(fields.read_object(body), known)


async def _answer_texts(
    service: Service,
    exchange: Exchange,
    asked: dict[str, Any],
    check: Callable[[Model], object],
    answer: Callable[[Model, str, Patience], dict[str, Any]],
) -> None:
    """Answers for each text, in another thread, until the client leaves. Raises errors about models and texts."""
    if asked["text"] is None:
        raise fields.missing("text")
    served = service.models.named(asked["model"])
    model = (await service.models.get(asked["model"])).model
    check(model)
    patience, texts = Patience(service.options.timeout), asked["text"]

    def all_of_them() -> list[dict[str, Any]]:
        return [{"index": index} | answer(model, text, patience) for index, text in enumerate(texts)]

    data = await exchange.while_connected(service.score(all_of_them), patience.is_over.set)
    exchange.about = f"{served.name} {sum(map(len, texts)):,} characters"
    await exchange.answer_json({"object": "list", "model": served.name, "data": data})
