"""The option `--precision` of `charrnn train`: its values and its help."""

from charrnn.config import PRECISIONS

PRECISION_NAMES = ("auto", *PRECISIONS)
PRECISION = "Format of matrix products: float32; bfloat16, which many new processors have; or auto. [float32]"
