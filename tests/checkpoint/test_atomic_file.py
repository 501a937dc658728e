"""The atomic file: new content is there whole or not at all, and an error leaves nothing behind."""

import errno
import os
import sys
from functools import partial

import pytest

from charrnn.checkpoint.atomic_file import (
    AtomicFile,
    backup_tokens,
    move_to_backup,
    remove_stale_temp,
    restore_or_delete_backup,
    write_bytes,
)
from support.checkpoints import checkpoint_error

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX modes, links and devices")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_content_has_its_name_after_the_commit_and_not_before(path):
    write_bytes(path, b"old")
    with AtomicFile(path, b"new ", memoryview(b"content")) as file:
        assert path.read_bytes() == b"old"
        assert file.temporary.read_bytes() == b"new content"
        file.commit()
        assert path.read_bytes() == b"new content"
    assert names(path.parent) == [path.name]


def no_links(*_):
    raise PermissionError(errno.EPERM, "a file system without hard links")


def test_a_file_that_has_the_name_by_then_is_kept_unless_it_may_be_overwritten(path, monkeypatch):
    for links in (True, False):
        with AtomicFile(path, b"new") as file:
            path.write_bytes(b"another program's")
            if not links:
                monkeypatch.setattr(os, "link", no_links)
            assert "File exists" in checkpoint_error(partial(file.commit, overwrite=False))
        assert path.read_bytes() == b"another program's"
        path.unlink()
        with AtomicFile(path, b"new") as file:
            file.commit(overwrite=False)
        assert path.read_bytes() == b"new"
        assert names(path.parent) == [path.name]
        path.unlink()


def test_content_without_a_commit_is_removed(path):
    with AtomicFile(path, b"new"):
        assert len(names(path.parent)) == 1
    assert names(path.parent) == []


def test_missing_folders_are_made(tmp_path):
    write_bytes(tmp_path / "a" / "b" / "c.safetensors", b"content")
    assert (tmp_path / "a" / "b" / "c.safetensors").read_bytes() == b"content"


# Permissions and links


@posix
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o027, 0o640), (0o002, 0o664)])
def test_a_new_file_has_the_mode_that_the_umask_gives(path, umask, mode):
    before = os.umask(umask)
    try:
        write_bytes(path, b"content")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode


@posix
@pytest.mark.parametrize(("mode", "wanted"), [(0o600, 0o600), (0o664, 0o664), (0o440, 0o640), (0o4755, 0o755)])
def test_a_replaced_file_keeps_its_permissions_and_stays_writable_by_its_owner(path, mode, wanted):
    write_bytes(path, b"old")
    path.chmod(mode)
    write_bytes(path, b"new")
    assert path.stat().st_mode & 0o7777 == wanted


@posix
def test_a_new_file_can_take_the_permissions_of_another(path):
    other = path.with_name("other")
    write_bytes(other, b"")
    other.chmod(0o600)
    with AtomicFile(path, b"content", like=other) as file:
        file.commit()
    assert path.stat().st_mode & 0o777 == 0o600


@posix
def test_a_link_stays_a_link_and_its_target_is_written(path):
    (path.parent / "there").mkdir()
    path.symlink_to("there/target")
    write_bytes(path, b"content")
    assert path.is_symlink()
    assert (path.parent / "there" / "target").read_bytes() == b"content"
    assert names(path.parent / "there") == ["target"]


# Errors


def test_a_full_disk_leaves_the_old_file_and_nothing_else(path):
    resource = pytest.importorskip("resource")
    write_bytes(path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        text = checkpoint_error(lambda: write_bytes(path, bytes(40_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert text == f"can't write {path}: File too large"
    assert path.read_bytes() == b"old"
    assert names(path.parent) == [path.name]


def test_a_folder_in_the_way_is_refused_and_stays(path):
    path.mkdir()
    (path / "kept").write_text("")
    assert checkpoint_error(lambda: write_bytes(path, b"content")) == f"can't write {path}: it is not a regular file"
    assert names(path.parent) == [path.name]
    assert (path / "kept").exists()


@posix
def test_a_device_is_checkpoint_error(tmp_path):
    (tmp_path / "link").symlink_to(os.devnull)
    assert "it is not a regular file" in checkpoint_error(lambda: write_bytes(tmp_path / "link", b"content"))


def test_a_file_where_a_folder_should_be_is_checkpoint_error(path):
    path.write_text("")
    assert "can't write" in checkpoint_error(lambda: write_bytes(path / "below.safetensors", b"content"))


def test_a_name_that_is_too_long_is_checkpoint_error(tmp_path):
    assert "File name too long" in checkpoint_error(lambda: write_bytes(tmp_path / ("x" * 300), b"content"))


# What killed processes leave


def test_only_the_temporary_files_of_this_file_are_removed(path):
    left = [f".{path.name}.0123abcd.tmp", f".{path.name}.ffffffff.tmp"]
    kept = [".other.0123abcd.tmp", f".{path.name}.0123abcd.old", f".{path.name}.xyz.tmp", f".{path.name}.lock"]
    for name in left + kept:
        (path.parent / name).write_bytes(b"half")
    remove_stale_temp(path)
    assert names(path.parent) == sorted(kept)


@pytest.mark.parametrize("committed", [False, True])
def test_a_backup_is_restored_unless_the_new_content_was_committed(path, committed):
    path.write_bytes(b"old")
    with AtomicFile(path.with_name("other"), b"new") as file:
        move_to_backup(path, file.token)
        assert not path.exists()
        assert backup_tokens(path) == [file.token]
        if committed:
            file.commit()
        restore_or_delete_backup(path, file.token, file.temporary)
    assert path.exists() == (not committed)
    assert backup_tokens(path) == []
    assert names(path.parent) == (["other"] if committed else [path.name])


def test_a_file_that_is_not_there_needs_no_backup(path):
    move_to_backup(path, "0123abcd")
    restore_or_delete_backup(path, "0123abcd", path.with_name("temporary"))
    assert names(path.parent) == []
