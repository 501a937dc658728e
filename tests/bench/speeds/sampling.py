"""Sampling: characters drawn per second, of one stream and of many side by side."""

from collections.abc import Iterator

from charrnn.engine import available_cores
from speeds import charrnn_runs, pytorch_runs
from speeds.options import Options
from speeds.race import Competitor, race, ratio
from speeds.section import Section, quantity, times
from speeds.shape import SHAPES

STREAMS = (1, 64)
NETWORKS = ("2x128", "1x512")
"""The shapes of the LSTMs."""
CHARRNN = (
    ("numba", "numba", "float32"),
    ("bfloat16", "numba", "bfloat16"),
    ("int8", "numba", "int8"),
    ("numpy", "numpy", "float32"),
)
"""charrnn's competitors, their engines and the precisions of their weights."""
PYTORCH = (("PyTorch", "float32"), ("PyTorch int8", "int8"))
NAMES = [*(name for name, *_ in CHARRNN), *(name for name, _ in PYTORCH)]
RATIOS = (("numba", "PyTorch"), ("bfloat16", "PyTorch"), ("int8", "PyTorch"), ("int8", "PyTorch int8"))


def measure(options: Options) -> Iterator[Section]:
    """Measures both networks, with one stream and with many."""
    header = ["", *NAMES, *("/".join(pair) for pair in RATIOS), "PyTorch took"]
    section = Section("Sampling at temperature 0.8: characters per second", header)
    threads = sorted({1, available_cores()})
    for streams in STREAMS:
        for shape in (SHAPES[name] for name in NETWORKS):
            title = f"lstm {shape.layers}×{shape.hidden_size}, {streams} stream{'s' * (streams > 1)}"
            sides = {"shape": shape, "streams": streams}
            outcomes = race(
                [
                    *(
                        Competitor(name, charrnn_runs.sampler, {"engine": engine, "precision": precision, **sides})
                        for name, engine, precision in CHARRNN
                    ),
                    *(
                        Competitor(name, pytorch_runs.sampler, {"threads": threads, "precision": precision, **sides})
                        for name, precision in PYTORCH
                    ),
                ],
                options.rounds,
                options.seconds,
                options.teller(f"sampling, {title}"),
            )
            cells = [
                *(quantity(outcomes[name].median) for name in NAMES),
                *(times(ratio(outcomes[a], outcomes[b])) for a, b in RATIOS),
                "; ".join(f"{name}: {outcomes[name].remark}" for name, _ in PYTORCH if outcomes[name].rates),
            ]
            section.add(title, cells, outcomes)
            options.tell(f"sampling, {title}: {section.last()}")
    section.remarks.append(
        "PyTorch is a loop under `torch.inference_mode` that feeds each character back, with softmax and "
        "`torch.multinomial`; in int8 it is PyTorch's dynamic quantisation. `charrnn.generate` draws one stream, "
        "`charrnn.sampling.decoder` draws many."
    )
    yield section
