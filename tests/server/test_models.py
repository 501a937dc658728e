"""The models of a server: what is known of a file is of one file, also while others take its place."""

import asyncio
import errno
import hashlib
import os

import numpy as np
import pytest

pytest.importorskip("starlette")

from charrnn.checkpoint import model_file
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.errors import CheckpointError, ConfigError
from charrnn.server import models
from charrnn.server.models import Models
from support.random_models import random_model


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    path, other = tmp_path / "model.safetensors", tmp_path / "other.safetensors"
    new = random_model(hidden_size=30)
    model_file.save(path, Checkpoint(random_model()))
    model_file.save(other, Checkpoint(new))
    digest = hashlib.sha256(other.read_bytes()).hexdigest()

    def load_and_replace(path):
        loaded = model_file.load(path)
        if other.exists():
            os.replace(other, path)
        return loaded

    monkeypatch.setattr(models, "load", load_and_replace)
    served = Models([path], lambda model: model, print)
    served.load_first()
    loaded = served.first.loaded
    assert loaded.fingerprint == f"fp_{digest[:12]}"
    assert loaded.stamp == served.first.stamp()
    np.testing.assert_array_equal(loaded.model.params["W_out"], new.params["W_out"])
    served.close()


def test_a_file_that_is_gone_or_unreadable_is_told_once_and_serves_on(tmp_path, monkeypatch):
    path, told = tmp_path / "model.safetensors", []
    model_file.save(path, Checkpoint(random_model()))
    served = Models([path], lambda model: model, told.append)
    served.load_first()
    loaded = served.first.loaded
    monkeypatch.setattr(models, "LOOK_SECONDS", 0.0)
    path.rename(path.with_suffix(".away"))
    for _ in range(2):
        assert asyncio.run(served.get(None)) is loaded
    assert told == [f"can't load {path}: there is no {path}"]
    path.with_suffix(".away").rename(path)
    os.utime(path)
    monkeypatch.setattr(type(path), "open", forbidden)
    for _ in range(2):
        assert asyncio.run(served.get(None)) is loaded
    assert told[1:] == [f"can't load {path}: can't read {path}: Permission denied"]
    served.close()


def test_files_whose_names_are_no_utf_8_have_names_that_json_has_or_are_refused(tmp_path):
    first, second = (tmp_path / os.fsdecode(name + b".safetensors") for name in (b"a\xff", b"a\xfe"))
    try:
        model_file.save(first, Checkpoint(random_model()))
    except CheckpointError:
        pytest.skip("all names of files are UTF-8 here")
    served = Models([first], lambda model: model, print)
    assert served.named("a\ufffd") is served.first
    model_file.save(second, Checkpoint(random_model()))
    with pytest.raises(ConfigError, match="would have the same name, a\ufffd: rename one"):
        Models([first, second], lambda model: model, print)


def forbidden(path, *args):
    """Opens a file that this user may not read."""
    raise PermissionError(errno.EACCES, "Permission denied", str(path))
