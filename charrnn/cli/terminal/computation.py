"""The options that say how a command computes: its engine, and the precision of products or of the model's weights."""

from typing import Annotated

from charrnn.cli.terminal.help import RUN, option
from charrnn.config import PRECISIONS, WEIGHT_PRECISIONS

EngineOption = Annotated[
    str, option(RUN, "Engine: auto, numpy or numba.", show_default=True, values=("auto", "numpy", "numba"))
]
PrecisionOption = Annotated[
    str,
    option(
        RUN,
        "Weights in float32, bfloat16 or int8: the narrower, the faster texts are drawn, with nearly the same "
        "probabilities.",
        show_default=True,
        values=WEIGHT_PRECISIONS,
    ),
]
TrainPrecisionOption = Annotated[
    str | None,
    option(
        RUN,
        "Matrix products in float32, in bfloat16 (faster where the processor has it) or auto. [auto with a time, else "
        "float32]",
        values=("auto", *PRECISIONS),
    ),
]
ScorePrecisionOption = Annotated[
    str,
    option(
        RUN,
        "Weights in float32, bfloat16 or int8, to see what `sample --precision` loses: scoring gets no faster.",
        show_default=True,
        values=WEIGHT_PRECISIONS,
    ),
]
