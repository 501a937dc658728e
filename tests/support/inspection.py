"""What the tests of inspection share: texts, models with random weights, and `charrnn inspect` as a process."""

import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from charrnn import engine as engines
from charrnn.config import FORM_OF_LAYOUT, WRITERS
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.line_set import LineSet
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.inspection.views import View
from charrnn.model.forms import network_for
from charrnn.model.model import Model
from charrnn.model.network import Network
from support.cells import model_config
from support.processes import charrnn

LINES = "Ann\nBo, and\nCarl (9)\nDora\n"
STEPS = "aaaaaaaaaa\nbb\ncc\n"
VERSE = 'the cat sat.\nthe "rat" sat (on it)!\nNOBODY sat 12 times.\n' * 40
PAIRS = "the cat\tsat\nNOBODY sat\ton it\n" * 30


def random_model(
    cell: str = "lstm",
    layers: int = 1,
    H: int = 6,
    characters: str | None = LINES + VERSE + STEPS,
    layout: str = "stream",
    dtype: Any = np.float32,
    scale: float = 0.7,
) -> Model:
    """A model with random weights; without `characters`, a model of bytes."""
    vocabulary = Vocabulary(None if characters is None else sorted(set(characters)))
    network = Network(model_config(len(vocabulary), cell, H, layers), engines.load("numpy"))
    rng = np.random.default_rng(1)
    params = {name: rng.normal(0, scale, shape).astype(dtype) for name, shape in network.param_shapes.items()}
    if cell == "rnn_relu":  # whose state nothing else bounds
        params |= {name: p * dtype(0.3) for name, p in params.items() if name.startswith("W_hh")}
    line_set = LineSet(8, None) if layout == "lines" else None
    return Model(network.config, vocabulary, params, network.engine, layout, line_set)


def random_reader(form: str, cell: str = "gru", characters: str | None = LINES + VERSE, layers: int = 1) -> Model:
    """A model that reads whole texts, with random weights, in the layout of its form; with three labels or tags."""
    tab = "\t" * (form == "translator")
    vocabulary = Vocabulary(None if characters is None else sorted({*characters, *tab}))
    outputs = 0 if form in WRITERS else 3
    config = replace(model_config(len(vocabulary), cell, 6, layers), form=form, outputs=outputs)
    network, rng = network_for(config, engines.load("numpy")), np.random.default_rng(2)
    params = {name: rng.normal(0, 0.5, shape) for name, shape in network.param_shapes.items()}
    params["b_out"][0] -= 2  # so that a tagger finds spans
    layout = next(layout for layout, of in FORM_OF_LAYOUT.items() if of == form)
    labels = LabelSet((".", "N", "x"), (9, 6, 4)) if outputs else None
    return Model(config, vocabulary, params, network.engine, layout, labels=labels)


def model_for(view: View, cell: str = "lstm", **options: Any) -> Model:
    """A random model of a form that a view can show."""
    if "language_model" in view.forms:
        return random_model(cell, H=3, **options)
    return random_reader(view.forms[0], cell)


def text_for(model: Model) -> str:
    """A text for the views of a model; a translator gets pairs, for it would take long to write the targets itself."""
    return PAIRS if model.config.form == "translator" else VERSE


def inspect(*args: object, cwd: Path, **env: str) -> str:
    """What a successful `charrnn inspect` prints."""
    done = charrnn("inspect", *args, cwd=cwd, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def width(line: str) -> int:
    """The columns that a line takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
