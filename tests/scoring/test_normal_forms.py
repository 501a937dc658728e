"""Normal forms in Python: whatever a model reads is put in the form of its training text, whole or in pieces."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import charrnn
from charrnn.dataset.corpus import from_text
from charrnn.dataset.text_form import TextForm
from charrnn.errors import ConfigError, CorpusError, VocabularyError
from charrnn.sampling.lines import sample_lines
from charrnn.training.options import TrainOptions
from support.random_models import random_model

OPTIONS: TrainOptions = {"hidden_size": 8, "layers": 1, "batch_size": 4, "steps": 2, "seed": 1, "threads": 1}
OPTIONS |= {"engine": "numpy", "val_fraction": 0}
NFC = TextForm(normalization="nfc")
MODEL = random_model(characters="\n \taetéàê", text_form=NFC)
TEXT = "é à été\nàé ê\n"
APART = unicodedata.normalize("NFD", TEXT)
PIECES = st.lists(st.text(st.sampled_from("ae \n\u0301\u0300")))


def test_scores_are_those_of_the_normal_form() -> None:
    assert APART != TEXT
    assert charrnn.score(MODEL, APART) == charrnn.score(MODEL, TEXT)
    assert charrnn.score(MODEL, [*APART]) == charrnn.score(MODEL, TEXT)  # a piece for each character
    assert charrnn.score(MODEL, APART.encode()) == charrnn.score(MODEL, TEXT)
    np.testing.assert_array_equal(charrnn.surprisal(MODEL, APART), charrnn.surprisal(MODEL, TEXT))
    lines = TEXT.splitlines(keepends=True)
    for stateful in (False, True):
        found = charrnn.score_lines(MODEL, APART.splitlines(keepends=True), stateful=stateful)
        assert [*found] == [*charrnn.score_lines(MODEL, lines, stateful=stateful)]
    with pytest.raises(VocabularyError, match=r"U\+0301"):
        charrnn.score(random_model(characters="\n aetéàê"), APART)


@given(PIECES)
def test_pieces_are_scored_as_the_whole(pieces: list[str]) -> None:
    whole = charrnn.score(MODEL, "\n" + "".join(pieces), unknown="skip")
    found = charrnn.score(MODEL, ["\n", *pieces], unknown="skip")
    assert (found.chars, found.unknown) == (whole.chars, whole.unknown)
    assert found.nats == pytest.approx(whole.nats)


def test_bytes_are_decoded_as_the_training_text() -> None:
    model = random_model(characters="\n жук", text_form=TextForm("cp1251"))
    assert charrnn.score(model, "жук".encode("cp1251")) == charrnn.score(model, "жук")
    bytes_model = random_model(characters=None)
    assert charrnn.score(bytes_model, "жук".encode("cp1251")).chars == 3
    wide = random_model(text_form=TextForm("utf-16-le"))
    assert charrnn.score(wide, "abc".encode("utf-16-le")) == charrnn.score(wide, "abc")
    with pytest.raises(CorpusError, match=r"the text is not utf-16-le: .* truncated data; decode it first"):
        charrnn.score(wide, b"abc")


def test_texts_are_written_after_primes_in_the_normal_form() -> None:
    for options in ({"stops": ["é"]}, {"stop_after": ["é"]}, {}):
        wanted = charrnn.generate(MODEL, prime="été", length=30, seed=1, **options)
        apart = {name: [unicodedata.normalize("NFD", text) for text in texts] for name, texts in options.items()}
        found = charrnn.generate(MODEL, prime=unicodedata.normalize("NFD", "été"), length=30, seed=1, **apart)
        assert "".join(found) == "".join(wanted)
    (sample,) = charrnn.samples(MODEL, count=1, prime="e\u0301", length=5, seed=1)
    assert sample.prime == "é"
    for skip_empty in (False, True):  # without a length, the text has to end there
        options = {"count": 2, "length": -1, "seed": 1, "skip_empty": skip_empty}
        apart = charrnn.samples(MODEL, stop_after=["e\u0301"], **options)
        assert [*apart] == [*charrnn.samples(MODEL, stop_after=["é"], **options)]
    lines = random_model(characters="\n aetéàê", text_form=NFC, layout="lines")
    (line,) = sample_lines(lines, count=1, prime="e\u0301", length=5, seed=1)
    assert line.prime == "é"


def test_labels_and_sources_are_in_the_normal_form() -> None:
    pairs = "".join(f"{a}{b}\t{b}{a}\n" for a in "aeéà" for b in "aetéàê")
    run = charrnn.train(
        unicodedata.normalize("NFD", pairs), layout="pairs", attention=False, normalization="nfc", **OPTIONS
    )
    [*_] = run
    found = next(charrnn.translate(run.latest, ["e\u0301à"], length=4, threads=1))
    assert found == next(charrnn.translate(run.latest, ["éà"], length=4, threads=1))
    labelled = [next(charrnn.sample_lines(run.latest, count=1, seed=1, label=label)) for label in ("éa", "e\u0301a")]
    assert labelled[0] == labelled[1]
    assert labelled[0].label == "éa"


@pytest.mark.parametrize(("layout", "target"), [("labels", "{0}"), ("tags", "xy")])
def test_classifiers_and_taggers_read_the_normal_form(layout: str, target: str) -> None:
    text = "".join(f"{a}{b}\t{target.format(a)}\n" for a in "aeéà" for b in "aetéàê")
    run = charrnn.train(text, layout=layout, normalization="nfc", **OPTIONS)
    [*_] = run
    if layout == "labels":
        one, other = charrnn.classify(run.latest, ["éà", "e\u0301a\u0300"], threads=1)
        assert (one.label, one.unknown) == (other.label, other.unknown) == (one.label, 0)
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
    else:
        one, other = charrnn.tag(run.latest, ["éà", "e\u0301a\u0300"], threads=1)
        assert (other.text, other.tags) == ("éà", one.tags)


def test_a_run_keeps_its_normal_form(tmp_path: Path) -> None:
    text, path = APART * 20, tmp_path / "m.safetensors"
    with charrnn.train(text, checkpoint=path, normalization="nfc", **OPTIONS) as run:
        [*_] = run
    assert charrnn.load(path).model.text_form == NFC
    assert "\u0301" not in charrnn.load(path).model.vocabulary.characters
    with charrnn.resume(path, text, steps=4) as run:
        [*_] = run
    found = charrnn.load(path).model
    assert found.text_form == NFC
    again = charrnn.train(text, init_from=found, **{name: OPTIONS[name] for name in ("steps", "seed", "val_fraction")})  # type: ignore[literal-required, arg-type, misc]
    assert again.latest.text_form == NFC


def test_contradictions_are_refused() -> None:
    with pytest.raises(ConfigError, match="a model of bytes does not normalise its text"):
        charrnn.train(b"abc" * 50, normalization="nfc", **OPTIONS)
    with pytest.raises(ConfigError, match="the corpus has been read already"):
        charrnn.train(from_text("abc" * 50), normalization="nfc", **OPTIONS)
    with pytest.raises(ConfigError, match="normalization can't be 'NFC'"):
        charrnn.train("abc" * 50, normalization="NFC", **OPTIONS)
    with pytest.raises(ConfigError, match="leave out `encoding`"):
        random_model(characters=None).with_encoding("utf-8")
