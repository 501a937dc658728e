"""The inspector: what there is to know of a checkpoint and of what it has learned, as plain data, one view a function.

What the views return goes to JSON as it is: dictionaries, lists, numbers and text.
"""

from charrnn.inspection.context import context
from charrnn.inspection.features import NAMED, Feature, following
from charrnn.inspection.neurons import activations, neurons
from charrnn.inspection.summary import summary
from charrnn.inspection.surprisal import surprisal
from charrnn.inspection.weights import neighbours, weights

__all__ = [
    "NAMED",
    "Feature",
    "activations",
    "following",
    "neighbours",
    "neurons",
    "remembrance",
    "summary",
    "surprise",
    "weights",
]
