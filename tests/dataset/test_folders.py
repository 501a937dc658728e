"""Folders: which of their files are read, in which order, and what is said about the others."""

import gzip
import os

import pytest

from charrnn.dataset.files import Source, list_files
from charrnn.dataset.folders import FileFilter
from charrnn.errors import CorpusError
from support.archives import tarred
from support.processes import posix


@pytest.fixture
def tree(tmp_path):
    """A folder with texts and other files."""
    for name, raw in {
        "a.py": b"a",
        "b.txt": b"b",
        "m.safetensors": b"{",
        ".hidden": b"h",
        ".git/config": b"h",
        "doc/a.md": b"d",
        "doc/c.py": b"c",
        "doc/tests/t.py": b"t",
        "doc/__pycache__/a.pyc": b"\xa7\r\r\n" + bytes(12),
        "doc/x.tgz": gzip.compress(tarred("x")),
        "z.gz": gzip.compress(b"text"),
        "wide.txt": "\ufeffwide".encode("utf-16-le"),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(raw)
    return tmp_path


def listed(tree, *paths, notices=None, **options):
    """The files below the folder that are read, by their paths there."""
    given = [str(tree / path) for path in paths or ("",)]
    found = list_files(given, FileFilter(**options), (notices if notices is not None else []).append)
    return [os.path.relpath(path, tree).replace(os.sep, "/") for path in found]


TEXTS = ["a.py", "b.txt", "wide.txt", "z.gz", "doc/a.md", "doc/c.py", "doc/tests/t.py"]


def test_hidden_and_binary_files_are_skipped_and_counted(tree):
    notices = []
    assert listed(tree, notices=notices) == TEXTS
    assert notices == [f"skipped 2 binary files, 2 hidden ones and 1 model in {tree}"]
    (tree / ".hidden").unlink()
    notices = []
    listed(tree, "doc", "", notices=notices)
    assert notices == [
        f"skipped 2 binary files in {tree / 'doc'}",
        f"skipped 1 hidden file or folder and 1 model in {tree}",
    ]


@posix
def test_links_to_nothing_and_pipes_are_skipped_and_counted(tree):
    (tree / "doc" / "nowhere").symlink_to("nothing")
    (tree / "doc" / "loop").symlink_to("loop")
    os.mkfifo(tree / "doc" / "pipe")
    notices = []
    assert listed(tree, "doc", notices=notices, include=["*.md", "nowhere", "loop", "pipe"]) == ["doc/a.md"]
    assert notices == [f"skipped 2 broken links and 1 pipe or device in {tree / 'doc'}"]


def test_a_model_of_bytes_reads_binary_files_too(tree):
    assert {*listed(tree, as_bytes=True)} - {*TEXTS} == {"doc/x.tgz", "doc/__pycache__/a.pyc"}


def test_zero_bytes_are_text_in_some_encodings(tree):
    (tree / "le.txt").write_bytes("abc".encode("utf-16-le"))
    assert "le.txt" not in listed(tree)
    assert "le.txt" in listed(tree, encoding="utf-16-le")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"include": ("*.py",)}, ["a.py", "doc/c.py", "doc/tests/t.py"]),
        ({"include": ("*.py", "*.md")}, ["a.py", "doc/a.md", "doc/c.py", "doc/tests/t.py"]),
        ({"include": ("doc/*",)}, ["doc/a.md", "doc/c.py", "doc/tests/t.py"]),
        ({"include": ("*.py",), "exclude": ("tests/",)}, ["a.py", "doc/c.py"]),
        ({"include": ("?.py",), "exclude": ("doc/tests",)}, ["a.py", "doc/c.py"]),
        ({"exclude": ("doc", "*.txt", "[xyz].*")}, ["a.py"]),
        ({"exclude": ("a.*", "doc/*.py")}, ["b.txt", "wide.txt", "z.gz"]),
    ],
)
def test_patterns_choose_files_by_name_or_path(tree, options, wanted):
    if "a.*" in options.get("exclude", ()):
        (tree / "doc" / "a.md").unlink()
    assert listed(tree, **options) == wanted


def test_nothing_that_matches_names_the_patterns(tree):
    with pytest.raises(CorpusError, match=r"no text files in .* match `include='\*.c'` `exclude='x'`: change the patt"):
        listed(tree, include=("*.c",), exclude=("x",))
    assert listed(tree, "doc", "", include=("b.*",)) == ["b.txt"]  # one of two folders may have none


@posix
def test_links_to_folders_are_followed_and_a_file_is_read_once(tree, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "o.txt").write_text("o")
    (tree / "linked").symlink_to(other)
    (tree / "doc" / "up").symlink_to("..")
    (other / "back").symlink_to(tree)
    (tree / "same.py").symlink_to("a.py")
    (tree / "nowhere").symlink_to("nothing")
    notices = []
    assert listed(tree, notices=notices) == [*TEXTS, "linked/o.txt"]
    assert notices == [
        f"skipped 2 binary files, 2 hidden ones, 1 model, 1 broken link and 1 file reached twice in {tree}"
    ]
    notices = []
    assert listed(tree, "a.py", "doc/c.py", "a.py", "doc", notices=notices) == [
        "a.py",
        "doc/c.py",
        "doc/a.md",
        "doc/tests/t.py",
        "doc/up/b.txt",
        "doc/up/wide.txt",
        "doc/up/z.gz",
        "doc/up/linked/o.txt",
    ]
    assert notices[0] == f"skipped {tree / 'a.py'}: it is read already"


def test_a_folder_that_is_given_twice_is_read_once(tree):
    notices = []
    assert listed(tree, "doc", "doc", "", "doc/tests", notices=notices) == [*TEXTS[4:], *TEXTS[:4]]
    assert [notice for notice in notices if "already" in notice] == [
        f"skipped {tree / folder}: it is read already" for folder in ("doc", "doc/tests")
    ]


@posix
def test_runs_of_earlier_versions_find_what_they_found(tree, tmp_path_factory):
    (tree / "linked").symlink_to(tmp_path_factory.mktemp("other"))
    found = listed(tree, "", "a.py", separate=False)
    assert found == [*TEXTS[:5], "doc/c.py", "doc/x.tgz", "doc/__pycache__/a.pyc", "doc/tests/t.py", "a.py"]
    assert Source((str(tree),), separate_files=False).file_filter == FileFilter(separate=False)
