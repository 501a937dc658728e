"""Results of published models on the standard test parts, in bits per character, as precise as the papers give them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """What a paper says of a model."""

    model: str
    paper: str
    parameters: int
    """In millions."""
    static: str
    """Bits per character of fixed weights."""
    adaptive: str = ""
    """The same with dynamic evaluation: the weights follow the text that is read."""


AWD = "Merity et al. 2018, An Analysis of Neural Language Modeling at Multiple Scales"
DYNAMIC = "Krause et al. 2018, Dynamic Evaluation of Neural Sequence Models"
DEEP = "Al-Rfou et al. 2019, Character-Level Language Modeling with Deeper Self-Attention"
XL = "Dai et al. 2019, Transformer-XL: Attentive Language Models beyond a Fixed-Length Context"
MOGRIFIER = "Melis et al. 2020, Mogrifier LSTM"
CIRCLING = "Melis 2022, Circling Back to Recurrent Models of Language"

RESULTS = {
    "ptb": (
        Result("AWD-LSTM, 3 layers", AWD, 14, "1.175"),
        Result("Mogrifier LSTM", MOGRIFIER, 24, "1.120", "1.083"),
        Result("Mogrifier RLSTM", CIRCLING, 24, "1.096", "1.061"),
    ),
    "text8": (
        Result("multiplicative LSTM", DYNAMIC, 45, "1.27", "1.19"),
        Result("transformer, 64 layers", DEEP, 235, "1.13"),
        Result("Mogrifier RLSTM", CIRCLING, 96, "1.096", "1.044"),
        Result("Transformer-XL, 24 layers", XL, 277, "1.08"),
    ),
    "enwik8": (
        Result("multiplicative LSTM", DYNAMIC, 46, "1.24", "1.08"),
        Result("AWD-LSTM, 3 layers", AWD, 47, "1.232"),
        Result("Mogrifier LSTM", MOGRIFIER, 96, "1.122", "0.988"),
        Result("transformer, 64 layers", DEEP, 235, "1.06"),
        Result("Mogrifier RLSTM", CIRCLING, 96, "1.042", "0.935"),
        Result("Transformer-XL, 24 layers", XL, 277, "0.99"),
    ),
}
"""The results on each benchmark, the highest static figure first."""
