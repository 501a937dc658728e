"""Transfer: what a classifier or a tagger can take over from a language model that has read much more text."""

import numpy as np

from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError
from charrnn.model.forms import AnyNetwork
from charrnn.model.model import Model
from charrnn.types import Params


def adopt(params: Params, network: AnyNetwork, vocabulary: Vocabulary, model: Model) -> Params:
    """The initial parameters of a bidirectional network, with those of a language model in its forward cells.

    The rows of the characters that both know are copied to the first layer; the other layers read twice as many outputs
    as those of the language model, of which the first half are the same. With an auxiliary loss a single layer goes on
    predicting the next character as it did; the first of several never has. The reverse cells and the head begin anew
    (A. Dai, Q. Le, "Semi-supervised Sequence Learning", 2015). Raises `ConfigError` for a model that is no language
    model, or reads bytes where the corpus has characters, or the other way round.
    """
    if network.config.form == "translator":
        raise ConfigError("a translator can't start from another form of model: leave out `init_from`")
    if model.config.form != "language_model":
        raise ConfigError(f"the model of `init_from` is a {model.config.form}: give a language model, or one like this")
    if model.vocabulary.is_bytes != vocabulary.is_bytes:
        raise ConfigError("the model of `init_from` and the corpus must both be of bytes, or both of characters")
    adopted, H = dict(params), model.config.hidden_size
    numbers = {character: v for v, character in enumerate(model.vocabulary.characters)}
    ours = [v for v, character in enumerate(vocabulary.characters) if character in numbers]
    theirs = [numbers[vocabulary.characters[v]] for v in ours]
    for name, learned in model.params.items():
        if name in ("W_out", "b_out"):
            if (next_name := name.replace("out", "next")) in params and model.config.layers == 1:
                adopted[next_name] = params[next_name].copy()
                adopted[next_name][..., ours] = learned[..., theirs]
            continue
        adopted[name] = params[name].copy()
        if name == "W_ih0":
            adopted[name][ours] = learned[theirs]
        elif name.startswith("W_ih"):
            adopted[name][:H] = learned
        else:
            adopted[name][:] = learned
    return {name: np.ascontiguousarray(adopted[name]) for name in network.param_shapes}
