"""The name of a new run's model: fit for a model, free, and derived from the corpus."""

import pytest

from charrnn.checkpoint import naming
from charrnn.errors import CheckpointError, ConfigError, LockedError


@pytest.mark.parametrize("name", ["m", "m.txt", "m.resume.safetensors", ".safetensors.resume"])
def test_a_model_needs_the_suffix_of_a_model(tmp_path, name):
    with pytest.raises(ConfigError, match=r'must end in \.safetensors: give `checkpoint="'):
        naming.check_model_path(tmp_path / name)
    assert naming.check_model_path(tmp_path / "m.safetensors") == tmp_path / "m.safetensors"


def test_a_folder_is_not_the_path_of_a_model(tmp_path):
    (tmp_path / "m.safetensors").mkdir()
    with pytest.raises(CheckpointError, match="is a folder: give `checkpoint`"):
        naming.check_model_path(tmp_path / "m.safetensors")


@pytest.mark.parametrize("taken", ["m.safetensors", "m.resume.safetensors"])
def test_a_path_with_a_file_is_refused_unless_forced(tmp_path, taken):
    (tmp_path / taken).write_bytes(b"")
    with pytest.raises(
        CheckpointError, match=r"exists: continue it with `charrnn.resume`, overwrite it with `force=True`"
    ):
        naming.reserve(tmp_path / "m.safetensors", force=False)
    naming.reserve(tmp_path / "m.safetensors", force=True).release()  # so the refusal has released the lock


def test_a_free_name_follows_from_the_corpus(tmp_path):
    path, lock = naming.reserve_free("texts/my tales.txt", False, tmp_path)
    assert path == tmp_path / "my-tales.safetensors"
    (tmp_path / "my-tales-2.resume.safetensors").write_bytes(b"")
    third, other = naming.reserve_free("my tales.md", False, tmp_path)  # the first is locked, the second taken
    assert third == tmp_path / "my-tales-3.safetensors"
    other.release()
    with pytest.raises(LockedError):
        naming.reserve_free("my tales.txt", True, tmp_path)
    lock.release()


@pytest.mark.parametrize(
    ("corpus", "name"),
    [
        ("-", "stdin"),
        ("a.resume.txt", "a"),
        ("n.txt.gz", "n"),
        ("-x.txt", "x"),
        ("...", "corpus"),
        ("щука.txt", "щука"),
        ("/", "corpus"),
    ],
)
def test_the_name_of_a_corpus_becomes_a_name_that_every_file_system_takes(tmp_path, corpus, name):
    path, lock = naming.reserve_free(corpus, False, tmp_path)
    lock.release()
    assert path == tmp_path / f"{name}.safetensors"


def test_a_long_name_is_cut_between_characters(tmp_path):
    path, lock = naming.reserve_free("ж" * 120 + ".txt", False, tmp_path)
    lock.release()
    assert path.stem == "ж" * 75
