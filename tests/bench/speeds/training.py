"""Training: characters per second, of charrnn and PyTorch, and as a share of the machine's roofline."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from charrnn.engine import available_cores
from speeds import charrnn_runs, pytorch_runs, roofline
from speeds.options import Options
from speeds.race import Competitor, Outcomes, mean, race, ratio
from speeds.section import Section, percent, quantity, times
from speeds.shape import MIN_CHAR, MIN_CHAR_SHAPE, SHAPES, Shape

NAMES = ("bfloat16", "numba", "numpy", "eager", "compile", "autocast")
"""charrnn with numba in bfloat16 and in float32, and with NumPy; then PyTorch, at last with products in bfloat16."""
RATIOS = (
    ("bfloat16", "numba"),
    ("bfloat16", "eager"),
    ("bfloat16", "autocast"),
    ("numba", "eager"),
    ("numba", "compile"),
    ("numpy", "eager"),
)
PRECISIONS = {"bfloat16": "bfloat16", "numba": "float32"}
"""The precisions of the competitors that are compared with the roofline."""
HEADER = [*NAMES, *("/".join(pair) for pair in RATIOS), *(f"{name}/roofline" for name in PRECISIONS)]


def measure(options: Options) -> Iterator[Section]:
    """Measures the networks of the table, then min-char-rnn's."""
    cores = available_cores()
    shapes = [SHAPES[name].with_cell(cell) for cell in options.cells for name in options.shapes if name in SHAPES]
    if shapes:
        yield table(
            Section(f"Training, {cores} threads: characters per second", ["network", *HEADER]),
            shapes,
            [cores],
            ["Adam"],
            options,
        )
    if MIN_CHAR in options.shapes:
        yield table(
            Section("Training in min-char-rnn's setting: characters per second", ["network", *HEADER]),
            [MIN_CHAR_SHAPE],
            sorted({1, cores}),
            ["Adam", "fused Adam"],
            options,
        )


def table(
    section: Section, shapes: Sequence[Shape], threads: Sequence[int], adams: Sequence[str], options: Options
) -> Section:
    """A race for each shape; PyTorch has the best of these numbers of threads and of these Adams."""
    found, variants = [], Counter[str]()
    for shape in shapes:
        outcomes = race(
            competitors(shape, threads, adams),
            options.rounds,
            options.seconds,
            options.teller(f"training, {shape.title}"),
        )
        found.append((outcomes, shape.flops))
        cells = [quantity(outcomes[name].median) for name in NAMES]
        section.add(shape.title, cells + ratios([found[-1]]), outcomes)
        options.tell(f"training, {shape.title}: {section.last()}")
        variants.update(f"{name}: {outcomes[name].remark}" for name in NAMES[3:] if outcomes[name].rates)
    if len(found) > 1:
        section.rows.append(["geometric mean", *[""] * len(NAMES), *ratios(found)])
    section.remarks += [
        "The same step on both sides: the next batch of the text, forward, backward, clipping by norm, Adam.",
        f"PyTorch's fastest way to write it, from a short race before: {'; '.join(counted(variants))}.",
        *(roofline_remark([outcomes for outcomes, _ in found], precision) for precision in PRECISIONS.values()),
        "Useful operations are 6 for each weight that a character is multiplied with; look-ups do not count.",
    ]
    return section


def competitors(shape: Shape, threads: Sequence[int], adams: Sequence[str]) -> list[Competitor]:
    """The engines, PyTorch's modes, and the roofline."""
    return [
        *(
            Competitor(engine, charrnn_runs.training, {"engine": engine, "shape": shape, "threads": max(threads)})
            for engine in ("numba", "numpy")
        ),
        Competitor(
            "bfloat16",
            charrnn_runs.training,
            {"engine": "numba", "shape": shape, "threads": max(threads), "precision": "bfloat16"},
        ),
        *(
            Competitor(mode, pytorch_runs.training, {"mode": mode, "shape": shape, "threads": threads, "adams": adams})
            for mode in ("eager", "compile", "autocast")
        ),
        *roofline.competitors(),
    ]


def ratios(found: Sequence[tuple[Outcomes, int]]) -> list[str]:
    """The last columns of a row: means over one or more shapes, given their outcomes and operations."""
    return [
        *(times(mean(ratio(outcomes[a], outcomes[b]) for outcomes, _ in found)) for a, b in RATIOS),
        *(percent(mean(map(partial(share, name, precision), found))) for name, precision in PRECISIONS.items()),
    ]


def share(name: str, precision: str, found: tuple[Outcomes, int]) -> float | None:
    """The useful operations of a competitor, as a share of the roofline of its precision."""
    outcomes, flops = found
    of_roofline = ratio(outcomes[name], roofline.highest(outcomes, precision))
    return None if of_roofline is None else of_roofline * flops


def counted(variants: Counter[str]) -> list[str]:
    """The names that were counted, each with its count if that is more than one."""
    return [f"{name} ({n})" if n > 1 else name for name, n in sorted(variants.items())]


def roofline_remark(found: Sequence[Outcomes], precision: str) -> str:
    """The roofline of a precision and its range, which shows how steady all figures are."""
    rooflines = [roofline.highest(outcomes, precision) for outcomes in found]
    rates = sorted(rate for highest in rooflines for rate in highest.rates)
    if not rates:
        return f"There is no roofline of {precision}."
    products = " or ".join(counted(Counter(highest.remark for highest in rooflines)))
    return (
        f"The roofline of {precision} is the fastest product of two {roofline.SIZE} × {roofline.SIZE} matrices: "
        f"{products}. It made {quantity(rates[0])} to {quantity(rates[-1])} flop/s, with a median of "
        f"{quantity(rates[len(rates) // 2])}."
    )
