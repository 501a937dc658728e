"""charrnn in the races: the whole program as users call it, not a part of it."""

from itertools import islice

import charrnn
from charrnn.config import SamplingConfig
from charrnn.model.model import Model
from charrnn.sampling import decoder
from speeds import texts
from speeds.race import Step, warm_up
from speeds.shape import Shape

ENDLESS = 1 << 40
"""The steps of a run that neither ends nor evaluates."""
WARM_UP_STEPS = 1, 4
"""The fewest and the most steps before the first timed one; numba compiles in the first."""
CHARS_PER_CALL = 64
"""Characters to draw between two readings of the clock."""
TEMPERATURE = SamplingConfig(temp=0.8)
LINES_PER_CALL, LINE_LENGTH = 2048, 80
"""The lines that are scored between two readings of the clock."""
CHARS_PER_READ = 20_000
"""The characters that are read, and learned from, between two readings of the clock."""
LONG_LINE = 400
"""The characters of a line that teaches something."""


def run(engine: str, shape: Shape, threads: int, precision: str = "float32") -> "charrnn.Trainer":
    """A run on a random text that neither ends nor evaluates."""
    return charrnn.train(
        texts.training_text(shape.batch_size, shape.seq_length),
        cell=shape.cell,
        hidden_size=shape.hidden_size,
        layers=shape.layers,
        batch_size=shape.batch_size,
        seq_length=shape.seq_length,
        steps=ENDLESS,
        eval_every=ENDLESS,
        val_fraction=0.0,
        schedule="constant",
        seed=1,
        engine=engine,
        precision=precision,
        threads=threads,
    )


def training(engine: str, shape: Shape, threads: int, precision: str = "float32") -> tuple[Step, str]:
    """A training step: from the ids to the new weights, as in `charrnn train`."""
    steps = iter(run(engine, shape, threads, precision))

    def step() -> float:
        return next(steps).chars

    warm_up(step, *WARM_UP_STEPS)
    return step, ""


def sampler(
    engine: str, shape: Shape, streams: int, threads: int | None = None, precision: str = "float32"
) -> tuple[Step, str]:
    """Draws some characters: as text by `generate` for one stream, as ids for several."""
    model = untrained(engine, shape).with_precision(precision)
    step = one_stream(model, threads) if streams == 1 else many_streams(model, streams, threads)
    warm_up(step, *WARM_UP_STEPS)
    return step, ""


def untrained(engine: str, shape: Shape) -> Model:
    """A model with initial weights, which is as fast as a trained one."""
    return run(engine, shape, threads=1).latest


def one_stream(model: Model, threads: int | None) -> Step:
    pieces = charrnn.generate(model, length=-1, seed=1, config=TEMPERATURE, threads=threads)
    return lambda: sum(len(piece) for piece in islice(pieces, CHARS_PER_CALL))


def many_streams(model: Model, streams: int, threads: int | None) -> Step:
    drawn = decoder.start(model, [""] * streams, range(streams), TEMPERATURE, threads=threads)
    temps = [TEMPERATURE.temp] * CHARS_PER_CALL
    return lambda: drawn.draw(temps)[0].size


def scorer(engine: str, shape: Shape, threads: int) -> tuple[Step, str]:
    """Scores lines of a text, each a text of its own, as `charrnn score --per-line` does."""
    model = untrained(engine, shape)
    text = texts.words(LINES_PER_CALL * LINE_LENGTH)
    given = [text[n : n + LINE_LENGTH] for n in range(0, len(text), LINE_LENGTH)]

    def step() -> float:
        return sum(found.chars for found in charrnn.score_lines(model, given, threads=threads))

    warm_up(step, *WARM_UP_STEPS)
    return step, ""


def reader(shape: Shape, learns: bool) -> tuple[Step, str]:
    """Reads one text, as `charrnn score` does, with `--adapt` if it learns."""
    model, text = untrained("numba", shape), texts.words(CHARS_PER_READ)
    adaptation = charrnn.Adaptation(model) if learns else None

    def step() -> float:
        return charrnn.score(model, text, adaptation=adaptation).chars

    warm_up(step, *WARM_UP_STEPS)
    return step, ""


def forgetful_reader(shape: Shape, threads: int) -> tuple[Step, str]:
    """Reads lines, each from the trained weights, as `charrnn score --adapt --per-line --forget` does."""
    model, text = untrained("numba", shape), texts.words(CHARS_PER_READ)
    given = [text[n : n + LONG_LINE] for n in range(0, len(text), LONG_LINE)]
    adaptation = charrnn.Adaptation(model)

    def step() -> float:
        found = charrnn.score_lines(model, given, adaptation=adaptation, forgets=True, threads=threads)
        return sum(each.chars for each in found)

    warm_up(step, *WARM_UP_STEPS)
    return step, ""
