"""The option `--precision` of `charrnn train`: its values and its help."""

from charrnn.config import PRECISIONS

PRECISION_NAMES = ("auto", *PRECISIONS)
PRECISION = "Matrix products in float32, in bfloat16 (faster where the processor has it) or auto. [float32]"
