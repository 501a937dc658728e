"""The listing: whole records, one for a seed, without those that are not wanted."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from charrnn.config import MAX_SEED, SamplingConfig, between
from charrnn.errors import ConfigError, SamplingError
from charrnn.model.model import Model
from charrnn.sampling.constraints import ConstraintFactory
from charrnn.sampling.generate import MAX_BATCH, Sample, continuations

MAX_SKIPPED = 1000
"""Records that are left out in a row before it is said that there are no others."""


def sample_lines(
    model: Model,
    *,
    count: int,
    prime: str = "",
    length: int | None = None,
    seed: int = 0,
    config: SamplingConfig | None = None,
    novel: bool = False,
    unique: bool = False,
    stops: Sequence[str] = (),
    constraints: ConstraintFactory | None = None,
) -> Iterator[Sample]:
    """Draws `count` records, each up to its line end, or cut at `length` characters: at twice the longest one learned.

    The prime is the beginning of each; a line end after it is dropped. `novel` leaves out those that stand in the text
    that the model was made from, and empty ones; `unique` leaves out those that were drawn before. The first record is
    that of the given seed, and each other one, also one drawn in the place of one left out, is that of the next. So
    with its own seed a record is drawn again alone. `stops` may end a record earlier, and `constraints` say what it is
    like, as in `sampling.generate`.

    The text of a record is without its line end, its likelihood is with it. Raises `ConfigError` where the model is
    none of records, where it can't tell what is novel, or where the prime has several lines; `VocabularyError` where
    the prime has characters that are not known; and `SamplingError` where `MAX_SKIPPED` records in a row were left out.
    """
    if model.line_set is None:
        raise ConfigError("this is a model of running text, not of records: those come from `charrnn train --lines`")
    if novel and model.line_set.digests is None:
        raise ConfigError("this model can't tell what is novel: it was made from too many lines to know them all")
    length = model.line_set.default_length if length is None else length
    between("seed", seed, 0, MAX_SEED)
    between("length", length, 0)
    prime = prime.removesuffix("\n")
    if "\n" in prime:
        raise ConfigError("a record is one line, and this prime has several: give the beginning of one")

    def up_to(length: int, seeds: range) -> Iterator[Sample]:
        return continuations(
            model,
            [[prime] * len(seeds)],
            length=length,
            seed=seeds.start,
            config=config,
            stops=[*stops, "\n"],
            constraints=constraints,
        )

    def drawn(seeds: range) -> Iterator[Sample]:
        for record in up_to(length + 1, seeds):  # the character more may be the line end
            if len(model.vocabulary.encode(record.text)) <= length:
                yield record
            else:
                yield from up_to(length, range(record.seed, record.seed + 1))

    return _wanted(model, drawn, count, seed, novel, unique)


def _wanted(
    model: Model, drawn: Callable[[range], Iterator[Sample]], count: int, seed: int, novel: bool, unique: bool
) -> Iterator[Sample]:
    """The records that are not left out, in the order of their seeds."""
    assert model.line_set is not None
    drawn_before: set[str] = set()
    left, in_vain = count, 0
    while left:
        seeds = range(seed, seed + min(MAX_BATCH, left + in_vain))
        seed = seeds.stop
        for record in drawn(seeds):
            line = _line(record, model)
            if (novel and (not line or line in model.line_set)) or line in drawn_before:
                in_vain += 1
                if in_vain == MAX_SKIPPED:
                    raise SamplingError(_exhausted_message(novel, unique))
                continue
            if unique:
                drawn_before.add(line)
            yield record
            left, in_vain = left - 1, 0
            if not left:
                break


def _exhausted_message(novel: bool, unique: bool) -> str:
    why = " or ".join(["stands in the text it was made from"] * novel + ["was drawn before"] * unique)
    return f"the model has no more to say: each of {MAX_SKIPPED:,} records {why}; try a higher --temp, or ask for fewer"


def _line(record: Sample, model: Model) -> str:
    """The whole line that a record is; of bytes its prime and its text may share a character."""
    encode = model.vocabulary.encode
    return model.vocabulary.decode(np.concatenate((encode(record.prime), encode(record.text))))
