"""An arithmetic coder driven by a model: its code for a text has at least as many bits as the surprisal of the text.

I. Witten, R. Neal, J. Cleary, "Arithmetic Coding for Data Compression", Communications of the ACM 30 (1987). A text is
a number in an interval, which each character narrows to its share. The decoder gets the same predictions from the same
model, so a decoded text proves the score: no score can be lower than the size of a code that can be decoded.
"""

from collections.abc import Iterator

import numpy as np

from charrnn.layers.softmax import log_softmax

WHOLE = 1 << 48
HALF, QUARTER = WHOLE >> 1, WHOLE >> 2
SHARES = 1 << 32


def predictions(model) -> Iterator[list[int]]:
    """The borders [V + 1] of the characters' shares of `SHARES`; send a character's id to get the borders after it."""
    context, state = model.vocabulary.start, model.zero_state(1)
    while True:
        logits, state = model.forward(np.array([[context]]), state)
        context = yield borders_of(np.exp(log_softmax(logits[0, 0].astype(np.float64))))


def borders_of(p) -> list[int]:
    """The borders [V + 1] of shares in proportion to probabilities [V]; each has at least one."""
    shares = np.floor(p * (SHARES - len(p))).astype(int) + 1
    return [0, *np.cumsum(shares).tolist()]


def encode(model, text, predicted=None) -> bytes:
    """The code of a text; `predicted` are the borders, as those of `predictions`, if others predict it."""
    low, high, pending, bits = 0, WHOLE, 0, []

    def put(bit):
        nonlocal pending
        bits.extend([bit] + [1 - bit] * pending)
        pending = 0

    predicted = predicted or predictions(model)
    borders = next(predicted)
    for v in model.vocabulary.encode(text).tolist():
        width = high - low
        low, high = low + width * borders[v] // borders[-1], low + width * borders[v + 1] // borders[-1]
        while True:
            if high <= HALF:
                put(0)
            elif low >= HALF:
                put(1)
                low, high = low - HALF, high - HALF
            elif low >= QUARTER and high <= HALF + QUARTER:
                pending += 1
                low, high = low - QUARTER, high - QUARTER
            else:
                break
            low, high = 2 * low, 2 * high
        borders = predicted.send(v)
    pending += 1
    put(int(low >= QUARTER))
    return np.packbits(bits).tobytes()


def decode(model, code: bytes, length: int, predicted=None):
    """The ids of a text of `length` characters, from its code; `predicted` as for `encode`."""
    bits = iter(np.unpackbits(np.frombuffer(code, np.uint8)).tolist())
    low, high, value = 0, WHOLE, 0
    for _ in range(48):
        value = 2 * value + next(bits, 0)
    predicted, ids = predicted or predictions(model), []
    borders = next(predicted)
    while len(ids) < length:
        width = high - low
        v = max(v for v in range(len(borders) - 1) if low + width * borders[v] // borders[-1] <= value)
        low, high = low + width * borders[v] // borders[-1], low + width * borders[v + 1] // borders[-1]
        while True:
            if high <= HALF:
                shift = 0
            elif low >= HALF:
                shift = HALF
            elif low >= QUARTER and high <= HALF + QUARTER:
                shift = QUARTER
            else:
                break
            low, high = 2 * (low - shift), 2 * (high - shift)
            value = 2 * (value - shift) + next(bits, 0)
        ids.append(v)
        borders = predicted.send(v)
    return ids
