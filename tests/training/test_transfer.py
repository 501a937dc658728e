"""A classifier or a tagger that begins from a language model, and from one of its own kind."""

import numpy as np
import pytest

from charrnn.errors import ConfigError, VocabularyError
from support import random_models
from support.trainings import TEXTS, flat, run, start_in, start_on

LABELLED = TEXTS["labels"]
OPTIONS = {"layout": "labels", "steps": 1, "seed": 1, "engine": "numpy", "threads": 1}


def language_model(cell="gru", layers=2, characters="\n abcdeXYZ"):
    return random_models.random_model(cell, characters, layers=layers, hidden_size=12)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("layout", ["labels", "tags"])
def test_its_forward_cells_begin_as_those_of_the_language_model(cell, layout):
    model = language_model(cell)
    trainer = start_on(TEXTS[layout], init_from=model, **OPTIONS | {"layout": layout})
    fresh = start_on(TEXTS[layout], cell=cell, layers=2, hidden_size=12, **OPTIONS | {"layout": layout})
    params, new = trainer.state.params, fresh.state.params
    assert (trainer.state.model_config.cell, trainer.state.model_config.hidden_size) == (cell, 12)
    ours, theirs = trainer.state.vocabulary.characters, model.vocabulary.characters
    for v, character in enumerate(ours):
        wanted = model.params["W_ih0"][theirs.index(character)] if character in theirs else new["W_ih0"][v]
        np.testing.assert_array_equal(params["W_ih0"][v], wanted)
    for name, learned in model.params.items():
        if name == "W_ih1":
            np.testing.assert_array_equal(params[name][:12], learned)
            np.testing.assert_array_equal(params[name][12:], new[name][12:])
        elif name not in ("W_ih0", "W_out", "b_out"):
            np.testing.assert_array_equal(params[name], learned)
    for name in [name for name in params if name.endswith("_reverse")] + ["W_out", "b_out"]:
        np.testing.assert_array_equal(params[name], new[name])
    run(trainer)


@pytest.mark.parametrize("layers", [1, 2])
def test_only_a_single_layer_goes_on_predicting_the_next_character(layers):
    model, options = language_model(layers=layers), {**OPTIONS, "lm_weight": 0.5}
    params = start_on(LABELLED, init_from=model, **options).state.params
    fresh = start_on(LABELLED, cell="gru", layers=layers, hidden_size=12, **options).state
    known = [c for c in model.vocabulary.characters if c in fresh.vocabulary.characters]
    ours, theirs = ([of.characters.index(c) for c in known] for of in (fresh.vocabulary, model.vocabulary))
    for name, learned in (("W_next", "W_out"), ("b_next", "b_out")):
        wanted = fresh.params[name].copy()
        if layers == 1:
            wanted[..., ours] = model.params[learned][..., theirs]
        np.testing.assert_array_equal(params[name], wanted)
        np.testing.assert_array_equal(params[f"{name}_reverse"], fresh.params[f"{name}_reverse"])


def test_it_begins_from_a_classifier_with_the_same_labels():
    first = run(start_in("labels", steps=2)).latest
    again = start_on(LABELLED, init_from=first, **OPTIONS)
    np.testing.assert_allclose(flat(again.latest.params), flat(first.params), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(again.state.params["W_out"], first.params["W_out"])


def test_what_can_not_begin_from_a_model_is_told():
    classifier = run(start_in("labels", steps=1)).latest
    with pytest.raises(ConfigError, match="is a classifier"):
        start_on(TEXTS["tags"], init_from=classifier, **OPTIONS | {"layout": "tags"})
    for text, parts in (
        (
            LABELLED.replace("short", "tiny") + "Ayr\tvery, short\n" * 2,
            "lacks 'tiny', 'very, short', and has besides 'short';",
        ),
        (LABELLED + "Ayr\tx\n" * 2, "lacks 'x';"),
        (LABELLED.replace("short", "long") + "Ayr\tx\n" * 2, "lacks 'x', and has besides 'short';"),
    ):
        with pytest.raises(
            ConfigError, match=f"has other labels than this corpus: it {parts} give a corpus with the same"
        ):
            start_on(text, init_from=classifier, **OPTIONS)
    tagger = run(start_in("tags", steps=1)).latest
    with pytest.raises(ConfigError, match="has other tags than this corpus: it lacks 'x'; give"):
        start_on(TEXTS["tags"] + "a\tx\n" * 2, init_from=tagger, **OPTIONS | {"layout": "tags"})
    with pytest.raises(ConfigError, match="both of characters"):
        start_on(LABELLED, init_from=language_model(characters=None), **OPTIONS)
    with pytest.raises((ConfigError, VocabularyError)):
        start_on(TEXTS["lines"], init_from=classifier, **OPTIONS | {"layout": "lines"})
