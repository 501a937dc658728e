"""The score on windows: each is read from a fresh state, after the character before it."""

import itertools

import numpy as np
import pytest

from charrnn.dataset.unseen import UnseenEstimate
from charrnn.errors import ConfigError, CorpusError, VocabularyError
from charrnn.scoring import windows
from charrnn.scoring.text import score
from charrnn.scoring.windows import mean_loss, score_windows
from support.random_models import random_model

TEXT = "abba cab, a bad cab\n" * 11


def window_loss(model, ids) -> float:
    """The loss of all ids but the first, read one after the other from a fresh state."""
    text_state, total = model.zero_text_state(1), 0.0
    for before, target in itertools.pairwise(ids[:, None, None]):
        nats, text_state = model.token_nll(before, target, text_state)
        total += float(nats[0, 0])
    return total


def total_loss(model, text: str, size: int) -> float:
    """The sum of the losses of the windows of a text."""
    ids = np.concatenate(([model.start], model.vocabulary.encode(text)))
    return sum(window_loss(model, ids[start : start + size + 1]) for start in range(0, len(text), size))


@pytest.mark.parametrize("rows", [2, 48])
@pytest.mark.parametrize("size", [1, 7, 64, 500])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_each_window_is_read_from_a_fresh_state(engine, threads, size, rows, monkeypatch):
    monkeypatch.setattr(windows, "MAX_ROWS", rows)
    monkeypatch.setattr(windows, "CHARS_PER_CALL", 40)
    model = random_model(characters="\n ,abcd", engine=engine)
    found = score_windows(model, TEXT, size, threads=threads)
    assert found.chars == len(TEXT)
    assert found.nats == pytest.approx(total_loss(model, TEXT, size), rel=1e-5)
    pieces = score_windows(model, iter([TEXT[:50], "", TEXT[50:51], TEXT[51:]]), size, threads=threads)
    assert pieces.nats == pytest.approx(found.nats, rel=1e-6)


@pytest.mark.parametrize("overlap", [1, 19])
@pytest.mark.parametrize("length", [1, 20, 21, 70])
def test_windows_that_overlap_are_warmed_up_by_what_counts_before(length, overlap, monkeypatch):
    monkeypatch.setattr(windows, "MAX_ROWS", 3)
    model, size, text = random_model(characters="\n ,abcd"), 20, TEXT[:length]
    ids = np.concatenate(([model.start], model.vocabulary.encode(text)))
    wanted, counted = 0.0, 0
    for start in range(0, length, size - overlap):
        window = ids[start : start + size + 1]
        warm_up = counted - start  # the characters that have counted before
        wanted += window_loss(model, window) - window_loss(model, window[: warm_up + 1])
        counted = max(counted, min(length, start + size))
    found = score_windows(model, iter([text[:7], text[7:]]), size, overlap=overlap, threads=2)
    assert found.chars == length
    assert found.nats == pytest.approx(wanted, rel=1e-5)


def test_a_warmed_up_part_is_as_good_as_the_text_before_it():
    model = random_model(characters="\n ,abcd")
    parts, whole = score_windows(model, TEXT, 110, overlap=80), score(model, TEXT)
    assert parts.chars == whole.chars
    assert parts.nats == pytest.approx(whole.nats, rel=1e-5)


def test_a_window_as_long_as_the_text_is_the_text():
    model = random_model(characters="\n ,abcd")
    assert score_windows(model, TEXT, 10_000).nats == pytest.approx(score(model, TEXT).nats, rel=1e-6)


def test_the_mean_is_that_of_whole_windows_at_even_distances():
    model = random_model(characters="\n ,abcd")
    ids = model.vocabulary.encode(TEXT[:103])
    losses = [window_loss(model, ids[start : start + 11]) / 10 for start in range(0, 100, 10)]
    assert mean_loss(model, ids, 50, 10) == pytest.approx(sum(losses) / 10, rel=1e-5)
    assert mean_loss(model, ids, 50, 10, threads=3) == pytest.approx(sum(losses) / 10, rel=1e-5)
    assert mean_loss(model, ids, 2, 10) == pytest.approx((losses[0] + losses[5]) / 2, rel=1e-5)
    assert mean_loss(model, ids[:10], 2, 10) is None


def test_unknown_characters_are_errors_skipped_or_counted():
    model = random_model(characters="\n ,abcd", unseen=UnseenEstimate(1, 100))
    with pytest.raises(VocabularyError, match="never seen"):
        score_windows(model, "ab☃cd", 2)
    skipped, known = score_windows(model, "ab☃cd", 2, unknown="skip"), score_windows(model, "abcd", 2)
    assert (skipped.chars, skipped.nats, skipped.unknown) == (4, known.nats, 1)
    counted = score_windows(model, "ab☃cd", 2, unknown="count")
    assert (counted.chars, counted.nats) == (5, pytest.approx(known.nats + model.unseen_nats))


def test_what_can_not_be_read_in_windows_is_refused():
    model = random_model()
    for size, why in ((0, "windows must be at least 1"), (-5, "windows must be")):
        with pytest.raises(ConfigError, match=why):
            score_windows(model, TEXT, size)
    with pytest.raises(ConfigError, match="overlap must be from 0 to 7, not 8"):
        score_windows(model, TEXT, 8, overlap=8)
    with pytest.raises(ConfigError, match="reads each of its lines from a fresh state"):
        score_windows(random_model(layout="lines"), TEXT)
    with pytest.raises(ConfigError, match="score_windows takes a text or its pieces, not None"):
        score_windows(model, None)
    with pytest.raises(CorpusError, match="no text to score"):
        score_windows(model, "")
