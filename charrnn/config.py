"""The settings of a model, a training run and a sample: validated when they are made, never changed afterwards."""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from charrnn.errors import ConfigError

FORMS = ("language_model", "classifier", "tagger", "translator")
"""What a network predicts: the next character; a label of a text, a tag for each of its characters, or another text."""
WRITERS = ("language_model", "translator")
"""The forms whose outputs are characters."""
CELLS = ("lstm", "gru", "rnn")
NONLINEARITIES = ("tanh", "relu")
"""What an rnn applies to its units; gru and lstm have tanh."""
NORMALIZATIONS = ("nfc", "nfd", "nfkc", "none")
"""The normal forms of Unicode (UAX #15) in which a text can be read; `none` leaves it as it is."""
OPTIMIZERS = ("adam", "adamw", "rmsprop", "adagrad", "sgd")
SCHEDULES = ("constant", "step", "linear", "cosine")
ANNEALED = ("linear", "cosine")
"""The schedules whose learning rate ends at zero."""
LAYOUTS = ("stream", "lines", "pairs", "translations", "labels", "tags")
"""How a text becomes batches: as continuous text with the state carried; line by line, each a text of its own; or line
by line, each a source, a tab and a target, of which only the target counts: a text that goes on after the source, a
text beside the source, the source's label, or its tags."""
LINE_LAYOUTS = ("lines", "pairs", "translations")
"""The layouts in which a model writes lines, each a text of its own."""
PAIR_LAYOUTS = ("pairs", "translations", "labels", "tags")
"""The layouts in which each line is a source, a tab and a target."""
REWRITING_LAYOUTS = ("pairs", "translations")
"""The layouts in which a model writes a target for a source."""
UNIT_OF_LAYOUT = {"labels": "label", "tags": "tag"}
"""What the losses of a layout are means over; of any other layout it is the character."""
FORM_OF_LAYOUT = {"translations": "translator", "labels": "classifier", "tags": "tagger"}
"""The form of network that a layout needs; the others need a language model."""
CLIPPINGS = ("norm", "value")
PRECISIONS = ("float32", "bfloat16")
"""The formats in which matrices are multiplied."""
WEIGHT_PRECISIONS = (*PRECISIONS, "int8")
"""The formats of the weights with which a trained model draws."""

LOGIT_ADJUSTMENT, MAX_LOGIT_ADJUSTMENT = 0.25, 10.0
"""How much `classify` favours rare labels: in cross-validation this gained more macro F1 than it cost accuracy."""

MAX_LM_WEIGHT = 1e3
MAX_NGRAM = 12
"""The most characters of an n-gram."""
MAX_SEED = 2**63 - 1
MIN_UNTOLD = 2**31
"""The least whole number that is no bound to tell to those who gave too small a value."""
OMIT_DEFAULT = {"omit_default": True}
"""The metadata of a field that is saved only if it is not the default: other files stay as they were without it."""
MAX_OUTPUTS = 65536
"""The most labels or tags."""
MAX_THREADS = 4096

LEARNING_RATES = {"adam": 5e-3, "adamw": 5e-3, "rmsprop": 2e-3, "adagrad": 1e-1, "sgd": 1e-1}
"""The default learning rates; rmsprop's is that of char-rnn, adagrad's that of min-char-rnn."""


class Config:
    """The base of all settings: they are validated when they are made, and hold only values that JSON has."""

    def __post_init__(self) -> None:
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            if type(value) is int and each.type in (float, float | None):  # JSON and the shell write 1 for 1.0
                between(each.name, value, -(2**53), 2**53)
                object.__setattr__(self, each.name, float(value))
            elif isinstance(value, bool) != (each.type is bool) or not isinstance(value, each.type):  # type: ignore[arg-type]
                raise ConfigError(f"{each.name} can't be {value!r}", each.name)
        self.check()

    def check(self) -> None:
        """Raises `ConfigError` for a value out of range."""

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Makes the settings from JSON data; raises `ConfigError` for unknown, missing or invalid ones."""
        if not isinstance(values, dict) or not set(values) <= {f.name for f in fields(cls)}:  # type: ignore[arg-type]
            raise ConfigError(f"unknown settings of {_with_article(cls.__name__)}")
        try:
            return cls(**values)
        except TypeError:
            raise ConfigError(f"{_with_article(cls.__name__)} lacks settings") from None

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON data, without those of `OMIT_DEFAULT` that have their default."""
        optional = {f.name: f.default for f in fields(self) if "omit_default" in f.metadata}  # type: ignore[arg-type]
        values = asdict(self)  # type: ignore[call-overload]
        return {name: v for name, v in values.items() if name not in optional or v != optional[name]}


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises `ConfigError` if the value is not one of the choices."""
    if value not in choices:
        raise ConfigError(f"{name} can't be {value!r}: choose one of {', '.join(choices)}", name)


def between(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raises `ConfigError` if the value is out of bounds or NaN."""
    if not low <= value <= high:  # false for NaN
        no_limit = high == math.inf or (isinstance(high, int) and high >= MIN_UNTOLD and value < low)
        bounds = f"at least {_number(low)}" if no_limit else f"from {_number(low)} to {_number(high)}"
        raise ConfigError(f"{name} must be {bounds}, not {_number(value)}", name.partition(",")[0])


def check_threads(threads: int | None) -> None:
    """Raises `ConfigError` for a number of threads that is out of bounds; None stands for a default."""
    if threads is not None:
        between("threads", threads, 1, MAX_THREADS)


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value) if abs(value) < 10**20 else "such a large number"


@dataclass(frozen=True)
class ModelConfig(Config):
    """The shape of a network."""

    vocab_size: int
    cell: str = "lstm"
    hidden_size: int = 128
    layers: int = 2
    dropout: float = 0.0
    """The probability that training drops a unit on its way to the next layer or to the decoder."""
    locked_dropout: bool = False
    """Drops the same units for a whole batch, instead of new ones at each time step."""
    drop_connect: float = 0.0
    """The probability that a training step drops a recurrent weight."""
    form: str = "language_model"
    """What the network predicts: one of `FORMS`."""
    outputs: int = 0
    """The labels of a classifier or the tags of a tagger; 0 for `WRITERS`, whose outputs are their vocabulary."""
    nonlinearity: str = "tanh"
    """One of `NONLINEARITIES`; `relu` is for the cell `rnn` only."""
    lm_weight: float = field(default=0.0, metadata=OMIT_DEFAULT)
    """The weight of the auxiliary loss of a classifier or a tagger, that of a language model; 0: there is none."""

    @property
    def directions(self) -> int:
        """How many ways each layer reads the text: 1, or 2 where the whole text is known before anything is said."""
        return 1 if self.form == "language_model" else 2

    @property
    def cell_name(self) -> str:
        """The name of the cell in an engine: `rnn_relu` for an rnn with ReLU."""
        return self.cell if self.nonlinearity == "tanh" else f"{self.cell}_{self.nonlinearity}"

    def check(self) -> None:
        one_of("form", self.form, FORMS)
        between("outputs", self.outputs, 0, MAX_OUTPUTS)
        if (self.outputs == 0) != (self.form in WRITERS):
            wanted = "at least 1 for" if self.outputs == 0 else "0 for"
            raise ConfigError(f"outputs must be {wanted} a {self.form.replace('_', ' ')}, not {self.outputs}")
        one_of("cell", self.cell, CELLS)
        between("vocab_size", self.vocab_size, 1, 0x110000)
        between("hidden_size", self.hidden_size, 1, 65536)
        between("layers", self.layers, 1, 64)
        between("dropout", self.dropout, 0, 0.99)
        between("drop_connect", self.drop_connect, 0, 0.99)
        one_of("nonlinearity", self.nonlinearity, NONLINEARITIES)
        between("lm_weight", self.lm_weight, 0, MAX_LM_WEIGHT)
        if self.lm_weight and self.form not in ("classifier", "tagger"):
            raise ConfigError(f"lm_weight is only for a classifier or a tagger, not a {self.form.replace('_', ' ')}")
        if self.nonlinearity == "relu" and self.cell != "rnn":
            raise ConfigError(f"nonlinearity relu is only for cell rnn, not {self.cell}", "nonlinearity", "cell")


@dataclass(frozen=True)
class TrainingConfig(Config):
    """How a network is trained: together with the model's configuration and the corpus, it determines the weights."""

    steps: int
    batch_size: int = 50
    seq_length: int = 50
    optimizer: str = "adam"
    lr: float = LEARNING_RATES["adam"]
    momentum: float = 0.9
    """For sgd only."""
    weight_decay: float = 0.0
    """Decoupled from the gradient in adamw (Loshchilov & Hutter, 2019), added to it in the others."""
    schedule: str = "step"
    warmup: int = 0
    """Steps over which the learning rate rises from zero, in any schedule."""
    hold: int = 0
    """For the linear and cosine schedules: the steps between the warm-up and the cooldown."""
    cooldown: int = 0
    """For the linear and cosine schedules: the steps over which the rate falls to zero; 0: all remaining steps."""
    lr_decay: float = 0.97
    """For the step schedule: the factor for each epoch."""
    lr_decay_after: int = 10
    """For the step schedule: the epochs before the first decay."""
    clip: float = 5.0
    """The largest norm (or value) of the gradient; 0: no clipping."""
    clip_by: str = "norm"
    ema_decay: float = 0.0
    """The decay of the exponential moving average of the weights; 0: no average is kept."""
    patience: int = 0
    """Training stops after this many evaluations without a better model; 0: never."""
    layout: str = "stream"
    """How the text becomes batches: one of `LAYOUTS`."""
    skip_bad: bool = False
    """For pairs: leaves out the lines that are none, instead of an error."""
    val_fraction: float = 0.1
    val_spread: bool = field(default=False, metadata=OMIT_DEFAULT)
    """For a continuous text: holds out blocks from all over it, which the seed chooses, instead of its end."""
    min_count: int = field(default=0, metadata=OMIT_DEFAULT)
    """For continuous text and lines: characters that occur less often are replaced or left out."""
    ngrams: int = field(default=0, metadata=OMIT_DEFAULT)
    """For continuous text and lines: the longest n-grams whose counts are mixed into the predictions; 0: none."""
    eval_every: int = 0
    """Steps between evaluations; 0: one epoch, but at least 50 and at most 1,000 steps."""
    seed: int = 0
    engine: str = "numpy"
    precision: str = field(default="float32", metadata=OMIT_DEFAULT)
    """The format in which matrices are multiplied, one of `PRECISIONS`; everything else is float32."""
    threads: int = 1
    exchange: str = field(default="float32", metadata=OMIT_DEFAULT)
    """The format, one of `PRECISIONS`, of the gradients that the ranks of a distributed run exchange."""
    sync_every: int = field(default=0, metadata=OMIT_DEFAULT)
    """The steps that these ranks take alone between two averages of their weights; 0: they sum gradients at each."""
    sync_grows: bool = field(default=False, metadata=OMIT_DEFAULT)
    """Whether these steps become more as long as the averages take more than a tenth of the time."""
    outer_lr: float = field(default=1.0, metadata=OMIT_DEFAULT)
    """How far the weights go from those after the last average towards the mean: 1 is up to the mean."""
    outer_momentum: float = field(default=0.0, metadata=OMIT_DEFAULT)
    """The momentum of these steps towards the mean."""

    @property
    def decoupled_decay(self) -> float:
        """The weight decay that has nothing to do with the gradient."""
        return self.weight_decay if self.optimizer == "adamw" else 0.0

    def check(self) -> None:
        for name in ("steps", "warmup", "hold", "cooldown", "lr_decay_after", "eval_every", "patience", "min_count"):
            between(name, getattr(self, name), 0, 2**53)
        for name, low, high in (
            *(("lr", 0, 1e6), ("weight_decay", 0, 1e3), ("lr_decay", 1e-6, 1), ("clip", 0, 1e9)),
            *(("ema_decay", 0, 0.999999), ("val_fraction", 0, 0.9), ("ngrams", 0, MAX_NGRAM), ("seed", 0, MAX_SEED)),
            *(("batch_size", 1, 1 << 20), ("seq_length", 1, 1 << 20), ("momentum", 0, 0.9999)),
            *(("sync_every", 0, 1 << 20), ("outer_lr", 0, 1e3), ("outer_momentum", 0, 0.9999)),
        ):
            between(name, getattr(self, name), low, high)
        names = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "clip_by": CLIPPINGS, "layout": LAYOUTS}
        names |= {"engine": ("numpy", "numba"), "precision": PRECISIONS, "exchange": PRECISIONS}
        for name, choices in names.items():
            one_of(name, getattr(self, name), choices)
        check_threads(self.threads)
        if self.ngrams == 1:
            raise ConfigError("ngrams must be 0 or from 2 on: single characters have no context", "ngrams")
        if self.sync_grows and not self.sync_every:
            raise ConfigError("sync_grows is only for ranks that average their weights: give sync_every", "sync_every")


@dataclass(frozen=True)
class SamplingConfig(Config):
    """How characters are drawn from the network's predictions."""

    temp: float = 1.0
    """Divides the log-probabilities; below 1: more conservative, above 1: more varied, 0: always the likeliest."""
    top_k: int = 0
    """Only the k likeliest characters; 0: all."""
    top_p: float = 1.0
    """Only the likeliest characters whose probabilities add up to p (Holtzman et al., 2020)."""
    min_p: float = 0.0
    """Only characters at least min_p times as probable as the likeliest one (Nguyen et al., 2024)."""
    typical: float = 1.0
    """Only the characters whose surprisal is nearest to the entropy, up to probability p (Meister et al., 2023)."""
    loop_penalty: float = 0.0
    """Nats that a character loses for each character by which it would lengthen a repetition."""
    allow: str = ""
    """Only these characters, ranges and classes, such as `a-zA-Z .` (see `parse_charset`); empty: all."""
    ban: str = ""
    """None of these characters, ranges and classes."""
    to_temp: float | None = None
    """The temperature at the end of the text, if it changes along the text; None: it stays at `temp`."""

    def temps(self, first: int, stop: int, length: int) -> list[float]:
        """The temperatures of the characters from `first` to `stop` of a text of this length."""
        if self.to_temp is None:
            return [self.temp] * (stop - first)
        parts = (n / max(1, length - 1) for n in range(first, stop))
        return [self.temp * (1 - part) + self.to_temp * part for part in parts]  # which is exact at both ends

    def check(self) -> None:
        between("temp", self.temp, 0, 1e6)
        between("to_temp", self.to_temp or 0.0, 0, 1e6)
        between("loop_penalty", self.loop_penalty, 0, 1e6)
        between("top_k", self.top_k, 0, 0x110000)
        for name in ("typical", "top_p", "min_p"):
            between(name, getattr(self, name), 0, 1)
        for name in ("top_p", "typical"):
            if getattr(self, name) == 0:
                raise ConfigError(f"{name} must be above 0; for only the likeliest character use `temp=0`", name)
