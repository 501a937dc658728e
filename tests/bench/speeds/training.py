"""Training: characters per second, of charrnn and PyTorch, and as a share of the machine's roofline."""

from collections import Counter
from collections.abc import Iterator, Sequence

from charrnn.engine import available_cores
from speeds import charrnn_runs, pytorch_runs, roofline
from speeds.options import Options
from speeds.race import Competitor, Outcome, Outcomes, mean, race, ratio
from speeds.section import Section, percent, quantity, times
from speeds.shape import MIN_CHAR, MIN_CHAR_SHAPE, SHAPES, Shape

RATIOS = (("numba", "eager"), ("numpy", "eager"), ("numba", "compile"), ("numba", "bf16"))
HEADER = ["numba", "numpy", "eager", "compile", "bf16", *("/".join(pair) for pair in RATIOS), "numba/roofline"]


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
        found.append((outcomes, roofline.highest(outcomes), shape.flops))
        names = ("numba", "numpy", "eager", "compile", "bf16")
        cells = [quantity(outcomes[name].median) for name in names]
        section.add(shape.title, cells + ratios([found[-1]]), outcomes)
        options.tell(f"training, {shape.title}: {section.last()}")
        variants.update(f"{name}: {outcomes[name].remark}" for name in names[2:] if outcomes[name].rates)
    if len(found) > 1:
        section.rows.append(["geometric mean", *[""] * 5, *ratios(found)])
    section.remarks += [
        "The same step on both sides: the next batch of the text, forward, backward, clipping by norm, Adam.",
        f"PyTorch's fastest way to write it, from a short race before: {'; '.join(counted(variants))}.",
        *roofline_remarks([highest for _, highest, _ in found]),
    ]
    return section


def competitors(shape: Shape, threads: Sequence[int], adams: Sequence[str]) -> list[Competitor]:
    """The engines, PyTorch's modes, and the roofline."""
    return [
        *(
            Competitor(engine, charrnn_runs.training, {"engine": engine, "shape": shape, "threads": max(threads)})
            for engine in ("numba", "numpy")
        ),
        *(
            Competitor(mode, pytorch_runs.training, {"mode": mode, "shape": shape, "threads": threads, "adams": adams})
            for mode in ("eager", "compile", "bf16")
        ),
        *roofline.competitors(),
    ]


def ratios(found: Sequence[tuple[Outcomes, Outcome, int]]) -> list[str]:
    """The last columns of a row: means over one or more shapes, given their outcomes, rooflines and operations."""
    shares = [ratio(outcomes["numba"], highest) for outcomes, highest, _ in found]
    useful = [None if share is None else share * flops for share, (_, _, flops) in zip(shares, found, strict=True)]
    return [
        *(times(mean(ratio(outcomes[a], outcomes[b]) for outcomes, _, _ in found)) for a, b in RATIOS),
        percent(mean(useful)),
    ]


def counted(variants: Counter[str]) -> list[str]:
    """The names that were counted, each with its count if that is more than one."""
    return [f"{name} ({n})" if n > 1 else name for name, n in sorted(variants.items())]


def roofline_remarks(rooflines: Sequence[Outcome]) -> list[str]:
    """The roofline and its range, which shows how steady all figures are."""
    rates = sorted(rate for highest in rooflines for rate in highest.rates)
    if not rates:
        return []
    products = " or ".join(counted(Counter(highest.remark for highest in rooflines)))
    return [
        f"The roofline is the fastest product of two {roofline.SIZE} × {roofline.SIZE} matrices: {products}. It made "
        f"{quantity(rates[0])} to {quantity(rates[-1])} flop/s, with a median of {quantity(rates[len(rates) // 2])}; "
        "useful operations are 6 for each weight that a character is multiplied with; look-ups do not count."
    ]
