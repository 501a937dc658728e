"""Adaptation: characters per second of texts from which a model learns as it reads them, and without learning."""

from collections.abc import Iterator

from charrnn.engine import available_cores
from speeds import charrnn_runs
from speeds.options import Options
from speeds.race import Competitor, race, ratio
from speeds.section import Section, quantity, times
from speeds.shape import SHAPES

NETWORKS = ("2x128", "1x512")
"""The shapes of the LSTMs."""
STATIC, ADAPTED, APART = "without learning", "--adapt", "--adapt --per-line --forget"
"""The ways to read."""


def measure(options: Options) -> Iterator[Section]:
    """Measures both networks."""
    cores = available_cores()
    one, apart = f"{APART}, 1 thread", f"{APART}, {cores} threads"
    header = ["", STATIC, ADAPTED, one, apart, f"{ADAPTED}/{STATIC}", f"{cores} threads/1"]
    section = Section("Learning while reading: characters per second", header)
    for shape in (SHAPES[name] for name in NETWORKS):
        title = f"lstm {shape.layers}×{shape.hidden_size}"
        outcomes = race(
            [
                Competitor(STATIC, charrnn_runs.reader, {"shape": shape, "learns": False}),
                Competitor(ADAPTED, charrnn_runs.reader, {"shape": shape, "learns": True}),
                Competitor(one, charrnn_runs.forgetful_reader, {"shape": shape, "threads": 1}),
                Competitor(apart, charrnn_runs.forgetful_reader, {"shape": shape, "threads": cores}),
            ],
            options.rounds,
            options.seconds,
            options.teller(f"adaptation, {title}"),
        )
        ratios = ratio(outcomes[ADAPTED], outcomes[STATIC]), ratio(outcomes[apart], outcomes[one])
        cells = [*(quantity(each.median) for each in outcomes.values()), *map(times, ratios)]
        section.add(title, cells, outcomes)
        options.tell(f"adaptation, {title}: {section.last()}")
    section.remarks.append(
        f"One text at the default settings of `--adapt`, and lines of {charrnn_runs.LONG_LINE} characters. The model's "
        "gradients have been measured before."
    )
    yield section
