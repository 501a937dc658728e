"""What all tests share: the engines that are installed, Hypothesis's settings, and small models that were trained."""

import pytest
from hypothesis import settings

import charrnn.engine.protocols
from charrnn.errors import EngineError
from charrnn.training.trainer import Trainer, train

settings.register_profile("charrnn", max_examples=50, deadline=None)
settings.load_profile("charrnn")

VERSE = "the cat sat on the mat; the rat sat on the cat.\nwho sat on the rat? nobody, said the mat.\n" * 12


@pytest.fixture(scope="session", params=["numpy", "numba"])
def engine(request):
    """Each engine in turn; one that is not installed is skipped."""
    try:
        charrnn.engine.resolve(request.param)
    except EngineError as error:
        pytest.skip(str(error))
    return charrnn.engine.load(request.param)


@pytest.fixture(params=["numpy", "numba"])
def engine_name(request: pytest.FixtureRequest) -> str:
    """The name of each engine in turn; one that is not installed is skipped."""
    try:
        return charrnn.engine.resolve(request.param)
    except EngineError as error:
        pytest.skip(str(error))


def begin(text: str | bytes, **options) -> Trainer:
    """A short training on one thread of the reference engine, before its first step."""
    defaults = {"hidden_size": 8, "layers": 2, "steps": 40, "batch_size": 4, "seq_length": 16, "lr": 0.02, "seed": 1}
    return train(text, **defaults | {"engine": "numpy", "threads": 1, "eval_every": 10} | options)


def run_of(text: str | bytes, **options) -> Trainer:
    """The same, come to its end."""
    training = begin(text, **options)
    for _ in training:
        pass
    return training


@pytest.fixture(scope="session")
def trained():
    """A training of a few steps on characters, with a validation text: not to be changed."""
    return run_of(VERSE)


@pytest.fixture(scope="session")
def trained_on_bytes():
    """The same on bytes, where most characters take two: not to be changed."""
    return run_of(("щука и рак " * 60).encode(), cell="gru", layers=1)
