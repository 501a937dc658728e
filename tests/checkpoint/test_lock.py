"""The lock: one run at a time writes a model, and cleans up after killed ones."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from charrnn.checkpoint.lock import acquire, lock_path
from charrnn.errors import CheckpointError, LockedError


def test_only_one_run_has_the_lock_of_a_path(tmp_path):
    path = tmp_path / "m.safetensors"
    lock = acquire(path)
    with pytest.raises(LockedError, match=r"another run is writing .*m\.safetensors"):
        acquire(path)
    acquire(tmp_path / "n.safetensors").release()
    lock.release()
    acquire(path).release()


def test_the_lock_of_a_link_is_that_of_its_target(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "m.safetensors").symlink_to("there/n.safetensors")
    assert lock_path(tmp_path / "m.safetensors") == Path(os.path.realpath(tmp_path)) / "there" / ".n.safetensors.lock"
    lock = acquire(tmp_path / "m.safetensors")
    with pytest.raises(LockedError):
        acquire(tmp_path / "there" / "n.safetensors")
    lock.release()


def test_a_discarded_lock_leaves_its_file_only_where_that_was_before(tmp_path):
    path = tmp_path / "m.safetensors"
    lock = acquire(path)
    with pytest.raises(ZeroDivisionError), lock.discarded_on_error():
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    acquire(path).release()
    there = list(tmp_path.iterdir())
    lock.discard()  # it is not held any more
    acquire(path).discard()
    assert list(tmp_path.iterdir()) == there


def test_who_waits_for_a_lock_while_its_file_is_removed_does_not_share_it(tmp_path):
    holders = []

    def run(number: int) -> int:
        held = 0
        for _ in range(100):
            try:
                lock = acquire(tmp_path / "m.safetensors")
            except LockedError:
                continue
            holders.append(number)
            assert holders == [number]
            held += 1
            holders.remove(number)
            lock.discard()
        return held

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(run, range(4)))


@pytest.mark.parametrize("target", ["precious.txt", "m.safetensors", "missing.txt"])
def test_a_planted_link_of_the_locks_name_is_refused_and_its_target_kept(target, tmp_path):
    (tmp_path / "precious.txt").write_text("kept")
    (tmp_path / "m.safetensors").write_bytes(b"a model")
    lock_path(tmp_path / "m.safetensors").symlink_to(target)
    with pytest.raises(CheckpointError, match=r"can't write .*: its lock .*\.m\.safetensors\.lock is a link: remove"):
        acquire(tmp_path / "m.safetensors")
    assert (tmp_path / "precious.txt").read_text() == "kept"
    assert (tmp_path / "m.safetensors").read_bytes() == b"a model"
    assert not (tmp_path / "missing.txt").exists()


def test_the_lock_cleans_up_after_killed_runs(tmp_path):
    path = tmp_path / "m.safetensors"
    for name in (".m.safetensors.0123abcd.tmp", ".m.resume.safetensors.0123abcd.tmp", ".other.0123abcd.tmp"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".m.safetensors.0123abcd.old").write_bytes(b"a model whose successor was never committed")
    acquire(path).release()
    assert path.read_bytes() == b"a model whose successor was never committed"
    assert sorted(p.name for p in tmp_path.glob(".*")) == [".m.safetensors.lock", ".other.0123abcd.tmp"]
