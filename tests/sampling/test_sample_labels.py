"""The sampling of labelled texts: the text of a label, or of one that is drawn by its frequency."""

from collections import Counter

import numpy as np
import pytest

from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.line_set import LineSet, line_digests
from charrnn.errors import ConfigError, VocabularyError
from charrnn.sampling.generate import TextGenerator, alternatives, continuations, generate, samples
from charrnn.sampling.lines import sample_lines
from charrnn.scoring.lines import score_lines
from support import random_models

LABELS = LabelSet(("ab", "ca"), (1, 3))


def random_model(labels=LABELS, engine=None, learned=("a", "b", "aa")):
    line_set = LineSet.from_digests(6, line_digests(learned))
    model = random_models.random_model(
        "gru", "\t\nabcé", engine, hidden_size=12, scale=0.7, layout="pairs", line_set=line_set, labels=labels
    )
    model.params["b_out"][model.vocabulary.start] += 1
    return model


def test_a_text_continues_its_label_and_a_tab(engine):
    model = random_model(engine=engine)
    for sample in sample_lines(model, count=70, length=50, label="ca", prime="b", seed=3):
        text = "".join(generate(model, prime="ca\tb", length=50, seed=sample.seed))
        assert (sample.text, sample.prime, sample.label) == (text.partition("\n")[0], "b", "ca")
        assert sample.context == "ca\tb"


def test_the_likelihood_is_that_of_the_target_after_its_source():
    model = random_model()
    for sample in sample_lines(model, count=20, length=200):
        (found,) = score_lines(model, [f"{sample.label}\t{sample.text}\n"])
        assert sample.logprob == pytest.approx(-found.nats, rel=1e-4)
        assert sample.chars == found.chars == len(sample.text) + 1
        characters = [*alternatives(model, sample)]
        assert sum(logp for _, logp, _ in characters) <= 0
        assert [c for c, _, _ in characters] == [*sample.text]


def test_a_label_that_is_not_given_is_drawn_by_its_frequency_and_follows_from_the_seed():
    model = random_model()
    drawn = [*sample_lines(model, count=800, length=1)]
    shares = Counter(sample.label for sample in drawn)
    assert shares["ca"] / 800 == pytest.approx(0.75, abs=0.05)
    for sample in drawn[5:70:13]:
        (alone,) = sample_lines(model, count=1, length=1, seed=sample.seed)
        assert alone == sample


def test_novel_texts_are_no_targets_of_the_training_text():
    model = random_model()
    texts = [sample.text for sample in sample_lines(model, count=200, novel=True, length=9)]
    assert not {"a", "b", "aa", ""} & {*texts}
    assert {"a", "b"} <= {sample.text for sample in sample_lines(model, count=200, length=9)}


@pytest.mark.parametrize(
    ("labels", "label", "error", "message"),
    [
        (LABELS, "a", ConfigError, "no label 'a': choose one of ab, ca"),
        (LABELS, "", ConfigError, "no label ''"),
        (LABELS, "a\tb", ConfigError, "no tabs and newlines"),
        (None, None, ConfigError, "`label`, or many with `charrnn.translate`"),
        (None, "x", VocabularyError, "never seen 'x'"),
    ],
)
def test_a_label_that_the_model_can_not_use_is_told(labels, label, error, message):
    with pytest.raises(error, match=message):
        [*sample_lines(random_model(labels), count=1, label=label)]


def test_any_source_of_a_model_without_labels_can_be_rewritten():
    (sample,) = sample_lines(random_model(None), count=1, label="é", length=5, seed=1)
    assert sample.label == "é"


def test_a_model_of_lines_has_no_labels():
    model = random_models.random_model(characters="\nab", layout="lines")
    with pytest.raises(ConfigError, match='layout="pairs"'):
        [*sample_lines(model, count=1, label="a")]


def test_a_score_counts_the_target_only():
    model = random_model()
    whole, *parts = score_lines(model, ["ab\tca\n", "ab\tca", "ab\t\n", "ab\t", "abc"])
    assert [found.chars for found in (whole, *parts)] == [3, 2, 1, 0, 0]
    ids = model.vocabulary.encode("\nab\tca\n")
    nats, _ = model.token_nll(ids[:-1, None], ids[1:, None], model.zero_text_state(1))
    assert whole.nats == pytest.approx(float(np.sum(nats[3:])), rel=1e-5)


@pytest.mark.parametrize("labels", [LABELS, None])
@pytest.mark.parametrize("prime", ["", "ca", "b"])
def test_a_model_of_pairs_does_not_write_without_a_source(prime, labels):
    model = random_model(labels=labels)
    for write in (
        lambda: TextGenerator(model, prime=prime, length=9),
        lambda: [*generate(model, prime=prime, length=9)],
        lambda: [*samples(model, count=2, prime=prime, length=9)],
        lambda: [*samples(model, count=2, prime=prime, skip_empty=True, length=9)],
        lambda: [*continuations(model, [["ca\t", prime]], length=9)],
    ):
        with pytest.raises(ConfigError, match=r"sample_lines\(model, count=1, label="):
            write()
