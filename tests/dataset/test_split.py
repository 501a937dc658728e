"""The split: the layout, one named setting, decides how a corpus is read and what is held out of it."""

import numpy as np
import pytest

from charrnn.config import LAYOUTS, TrainingConfig
from charrnn.dataset import split as module
from charrnn.dataset.batch import CHARS_PER_READ, NO_ROWS
from charrnn.dataset.corpus import from_text
from charrnn.dataset.lines import LineBatches
from charrnn.dataset.split import ValidationStream, split_corpus
from charrnn.dataset.streams import Streams
from charrnn.errors import ConfigError
from support.trainings import place_names

NAMES = place_names()


def test_the_layout_stream_reads_one_continuous_text():
    config = TrainingConfig(1, batch_size=20, seq_length=10, val_fraction=0.2, seed=3)
    assert config.layout == "stream"
    training, validation, line_set, *_ = split_corpus(from_text(NAMES), config)
    assert isinstance(training, Streams)
    assert isinstance(validation, ValidationStream)
    assert (training.n_lines, validation.n_lines, line_set) == (0, 0, None)
    assert training.size + validation.size == len(NAMES)
    ids = from_text(NAMES).ids
    np.testing.assert_array_equal(np.concatenate((training.ids, validation.ids)), ids)
    assert validation.size == int(len(NAMES) * 0.2)


def test_the_layout_lines_reads_each_line_as_a_text_of_its_own():
    config = TrainingConfig(1, batch_size=20, seq_length=10, layout="lines", val_fraction=0.2, seed=3)
    training, validation, line_set, *_ = split_corpus(from_text(NAMES), config)
    assert isinstance(training, LineBatches)
    assert isinstance(validation, LineBatches)
    assert (training.n_lines, validation.n_lines) == (6490, 1622)
    assert training.size + validation.size == len(NAMES)
    assert training.batch_size == 20
    assert all(name in line_set for name in NAMES.splitlines()), "held-out lines are in the line set too"
    assert line_set.longest == max(map(len, NAMES.splitlines()))


@pytest.mark.parametrize("layout", ["", "line", "Lines", "tsv"])
def test_an_unknown_layout_is_refused(layout):
    assert LAYOUTS == ("stream", "lines", "pairs", "translations", "labels", "tags")
    with pytest.raises(
        ConfigError, match=f"layout can't be {layout!r}: choose one of stream, lines, pairs, translations, labels, tags"
    ):
        TrainingConfig(1, layout=layout)


# The batches of a validation text


@pytest.mark.parametrize("size", [0, 1, CHARS_PER_READ, CHARS_PER_READ + 1, 3000])
def test_a_short_validation_text_is_read_in_order(size):
    ids = np.random.default_rng(size).integers(50, size=size, dtype=np.uint8)
    data = ValidationStream(ids)
    batches = list(data.batches(99))
    assert (data.size, data.batch_size) == (size, 1)
    assert all(batch.mask is None and 1 <= len(batch.targets) <= CHARS_PER_READ for batch in batches)
    assert [batch.reset for batch in batches] == [slice(None), *[NO_ROWS] * (len(batches) - 1)][: len(batches)]
    targets, inputs = ([i for batch in batches for i in part(batch)] for part in (column_of(1), column_of(0)))
    assert targets == ids.tolist()
    assert inputs == [99, *ids.tolist()][:size]


def column_of(part):
    return lambda batch: batch[part][:, 0].tolist()


@pytest.mark.parametrize("size", [160, 161, 399, 400, 1111, 5000])
def test_a_long_validation_text_is_read_in_parts_that_count_each_character_once(size, monkeypatch):
    for name, value in (("MIN_PART", 80), ("WARM_UP", 300), ("CHARS_PER_READ", 100)):
        monkeypatch.setattr(module, name, value)
    ids = np.random.default_rng(size).integers(50, size=size, dtype=np.uint8)
    data = ValidationStream(ids)
    assert data.batch_size == size // 80
    read = [([], []) for _ in range(data.batch_size)]
    for batch in data.batches(99):
        assert batch.mask.shape == batch.inputs.shape
        for row, (targets, before) in enumerate(read):
            counts = batch.mask[:, row]
            targets += batch.targets[counts, row].tolist()
            before += batch.inputs[counts, row].tolist()
    assert [i for targets, _ in read for i in targets] == ids.tolist()
    assert [i for _, before in read for i in before] == [99, *ids.tolist()][:size]


def test_excerpts_are_consecutive_characters_around_the_border():
    ids = from_text(NAMES).ids
    training, validation, *_ = split_corpus(from_text(NAMES), TrainingConfig(1))
    np.testing.assert_array_equal(
        np.concatenate((training.excerpt(70), validation.excerpt(30))), ids[training.size - 70 :][:100]
    )
