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


def measure(options: Options) -> Iterator[Section]:
    """Measures both networks, with one stream and with many."""
    header = ["", "numba", "numpy", "PyTorch", "numba/PyTorch", "numpy/PyTorch", "PyTorch took"]
    section = Section("Sampling at temperature 0.8: characters per second", header)
    threads = sorted({1, available_cores()})
    for streams in STREAMS:
        for shape in (SHAPES[name] for name in NETWORKS):
            title = f"lstm {shape.layers}×{shape.hidden_size}, {streams} stream{'s' * (streams > 1)}"
            sides = {"shape": shape, "streams": streams}
            outcomes = race(
                [
                    Competitor("numba", charrnn_runs.sampler, {"engine": "numba", **sides}),
                    Competitor("numpy", charrnn_runs.sampler, {"engine": "numpy", **sides}),
                    Competitor("PyTorch", pytorch_runs.sampler, {"threads": threads, **sides}),
                ],
                options.rounds,
                options.seconds,
                options.teller(f"sampling, {title}"),
            )
            numba, numpy, pytorch = outcomes.values()
            cells = [
                *(quantity(outcome.median) for outcome in (numba, numpy, pytorch)),
                times(ratio(numba, pytorch)),
                times(ratio(numpy, pytorch)),
                pytorch.remark if pytorch.rates else "",
            ]
            section.add(title, cells, outcomes)
            options.tell(f"sampling, {title}: {section.last()}")
    section.remarks.append(
        "PyTorch is a loop under `torch.inference_mode` that feeds each character back, with softmax and "
        "`torch.multinomial`. `charrnn.generate` draws one stream, `charrnn.sampling.decoder` draws many."
    )
    yield section
