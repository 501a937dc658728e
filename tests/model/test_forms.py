"""The forms of network: one for each name, all with the methods that training, initialization and files call."""

import inspect

import numpy as np
import pytest

from charrnn.config import FORMS, WRITERS, ModelConfig
from charrnn.model.classifier import Classifier
from charrnn.model.forms import AnyNetwork, network_class, network_for
from charrnn.model.network import Network
from charrnn.model.tagger import Tagger
from charrnn.model.translator import Translator


def config_of(form, **shape):
    return ModelConfig(6, form=form, outputs=0 if form in WRITERS else 4, **shape)


def test_every_form_has_a_network():
    assert len({network_class(form) for form in FORMS}) == len(FORMS)


@pytest.mark.parametrize(
    ("form", "kind"),
    [("language_model", Network), ("classifier", Classifier), ("tagger", Tagger), ("translator", Translator)],
)
def test_a_configuration_gives_the_network_of_its_form(engine, form, kind):
    network = network_for(config_of(form), engine)
    assert type(network) is kind
    assert (network.config, network.engine) == (config_of(form), engine)
    assert network == network_for(config_of(form), engine)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_same_signatures(form):
    for name, member in vars(AnyNetwork).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            assert inspect.signature(getattr(network_class(form), name)) == inspect.signature(member), name


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_what_its_parameters_and_its_state_are(engine, form, cell):
    network = network_for(config_of(form, cell=cell, hidden_size=5, layers=2), engine)
    directions = ("",) if form == "language_model" else ("", "_reverse")
    suffixes = [f"{layer}{direction}" for layer in (0, 1) for direction in directions]
    attention = set()
    if form == "translator":
        suffixes += ["0_decoder", "1_decoder"]
        attention = {"W_a", "W_c", "b_c"}
    assert network.suffixes == suffixes
    kinds = ("W_ih", "W_hh", "b", "b_hn")[: 4 if cell == "gru" else 3]
    names = {f"{kind}{suffix}" for kind in kinds for suffix in network.suffixes}
    assert set(network.param_shapes) == names | attention | {"W_out", "b_out"}
    carried = 2 if form == "language_model" else 0
    state = network.zero_state(3, np.float64)
    assert state.shape == network.state_shape(3) == (carried, 2 if cell == "lstm" else 1, 3, 5)
    assert state.dtype == np.float64
    assert not state.any()
