"""The shared file: its blocks, read by different ranks, are the text that one process reads."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.checkpoint.training_file import load_state
from charrnn.dataset import block_digest, corpus, shared_file
from charrnn.dataset.files import Source
from charrnn.dataset.shared_file import FileIndex, SharedCorpus
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.distributed.ranks import Ranks
from charrnn.errors import CorpusError
from support.processes import OPENING, SMALL, charrnn, posix
from support.ranks import Mirror, mpiexec, needs_mpi, run_line

pytestmark = posix
TEXT = st.text(st.sampled_from("ab\r\né日😀"), min_size=2, max_size=60)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (shared_file, block_digest):
        monkeypatch.setattr(module, "BLOCK", 5)
    monkeypatch.setattr(shared_file, "MIN_SIZE", 0)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a file that each test writes."""
    return tmp_path_factory.mktemp("shared") / "a.txt"


def index_of(path: Path) -> FileIndex:
    """The index of a file, made by a single process."""
    size = path.stat().st_size
    found = shared_file.scan(str(path), range(-(-size // shared_file.BLOCK)))
    points = np.flatnonzero(found.counts)
    starts = np.cumsum([0, *found.chars])
    vocabulary = Vocabulary(map(chr, points))
    return FileIndex(str(path), size, starts, vocabulary, found.counts[points], found.digests, ["rank 0"], 0)


@given(TEXT, st.booleans())
def test_the_blocks_of_a_file_are_its_text(path: Path, text: str, has_mark: bool) -> None:
    path.write_bytes(text.encode("utf-8-sig" if has_mark else "utf-8"))
    size = path.stat().st_size
    with open(path, "rb") as file:
        blocks = [shared_file.read_block(file.fileno(), k)[0] for k in range(-(-size // 5))]
    assert "".join(blocks) == text.replace("\r\n", "\n").replace("\r", "\n")


def test_a_file_that_begins_within_a_character_is_not_utf8(path: Path) -> None:
    path.write_bytes(b"\x80\xbfabc def")
    with pytest.raises(UnicodeDecodeError):
        shared_file.scan(str(path), range(3))


def test_a_system_may_read_less_than_is_asked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"0123456789")
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda file, size, begin: pread(file, min(size, 2), begin))
    with open(path, "rb") as file:
        assert [shared_file.read_block(file.fileno(), k)[0] for k in (0, 1)] == ["01234", "56789"]


@given(TEXT, st.data())
def test_any_range_has_the_ids_that_one_process_reads(path: Path, text: str, data: st.DataObject) -> None:
    path.write_text(text + "zz", encoding="utf-8", newline="")
    whole, index = corpus.read(Source((str(path),)), digest="blocks:"), index_of(path)
    N = len(whole.ids)
    assert (index.vocabulary, index.size, index.digest) == (whole.vocabulary, whole.size, whole.digest)
    np.testing.assert_array_equal(index.counts, np.bincount(whole.ids))
    part = SharedCorpus.from_index(index, "a.txt", 2)
    start, stop = sorted(data.draw(st.integers(-3, N + 3)) for _ in "ab")
    part.read_ranges([(start, stop)])
    wanted = np.where((np.arange(N) >= start) & (np.arange(N) < stop), whole.ids, 0)
    np.testing.assert_array_equal(part.ids, wanted)


def test_ranges_that_overlap_are_read_once() -> None:
    assert shared_file.joined([(8, 12), (-2, 3), (3, 4), (6, 6), (9, 10)], 11) == [(0, 4), (8, 11)]


def test_a_file_that_changes_is_an_error(path: Path) -> None:
    path.write_text("a text of some length")
    part = SharedCorpus.from_index(index_of(path), "a.txt", 2)
    for raw in ("a té".encode(), b"a text of some lengths", b"a text of some lengtH", b"a text of some \xffength"):
        path.write_bytes(raw)
        with pytest.raises(CorpusError, match="has changed while it was read: start again"):
            part.read_ranges([(0, 21)])


def test_a_copy_that_differs_is_an_error_that_names_the_ranks(path: Path) -> None:
    path.write_text("a text of some length")
    index = replace(index_of(path), readers=["rank 0 on a", "rank 1 on b"], rank=1)
    part = SharedCorpus.from_index(index, "a.txt", 2)
    path.write_text("A text of some length")
    part.read_ranges([(10, 21)])
    with pytest.raises(CorpusError, match=rf"{path} is not the same on rank 0 on a and on rank 1 on b"):
        part.read_ranges([(0, 21)])


def test_copies_of_different_sizes_are_an_error_of_the_leader(path: Path) -> None:
    path.write_text("a text of some length")
    ranks = Ranks(Mirror())
    for rank, of_other, wanted in ((0, 21, None), (0, 22, "rank 0 on .* and on rank 1 on"), (1, 22, None)):

        def collect(found: tuple[tuple[int, int], object], size: int = of_other) -> list[object]:
            return [found, ((size, size), found[1])]

        ranks.rank, ranks.collect = rank, collect  # type: ignore[method-assign,assignment]
        if wanted is None:
            assert (shared_file.index_file(ranks, str(path)) is None) == (of_other == 22)
        else:
            with pytest.raises(CorpusError, match=wanted):
                shared_file.index_file(ranks, str(path))


def test_only_a_plain_file_in_utf8_is_shared(path: Path, tmp_path: Path) -> None:
    path.write_text("a text")
    assert shared_file.can_be_shared(Source((str(path),)))
    others = {"encoding": "latin-1"}, {"normalization": "nfc"}, {"errors": "replace"}, {"as_bytes": True}
    for options in others:
        assert not shared_file.can_be_shared(Source((str(path),), **options))  # type: ignore[arg-type]
    assert not shared_file.can_be_shared(Source((str(path), str(path))))
    assert not shared_file.can_be_shared(Source(("-",)))
    (tmp_path / "b.txt").write_bytes("a text".encode("utf-16-le"))
    assert not shared_file.can_be_shared(Source((str(tmp_path / "b.txt"),)))


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's memory management")
def test_most_of_a_large_corpus_takes_no_memory() -> None:
    index = FileIndex("none.txt", 10**12, np.array([0, 10**12]), Vocabulary("ab"), np.zeros(2, np.int64), [], [], 0)
    part = SharedCorpus.from_index(index, "none.txt", 4)
    assert len(part.ids) == 10**12
    assert part.nbytes == 10**12 // 4
    assert part.ids[10**11] == 0


SHARED = """
import sys
from charrnn.dataset import block_digest, shared_file
from charrnn.dataset.shared_file import FileIndex
from charrnn.__main__ import main
shared_file.MIN_SIZE, shared_file.BLOCK, block_digest.BLOCK = 0, 4999, 4999
read = FileIndex.read
def say(self, start, stop, ids):
    print(f"reads {start} {stop}", file=sys.stderr)
    read(self, start, stop, ids)
FileIndex.read = say
import charrnn.training.rank_text
charrnn.training.rank_text.MAX_CHARS = 1000
main()
"""


@needs_mpi
def test_ranks_that_share_a_file_learn_what_one_process_learns_that_has_all_of_it(tmp_path: Path) -> None:
    text = "".join(f"{n} {OPENING}" for n in range(450))
    (tmp_path / "a.txt").write_text(text, newline="\r\n")
    options = (*SMALL, "--threads", "1", "--eval-every", "3", "--val-fraction", "0.2")
    words = [sys.executable, "-c", SHARED, "train"]
    done = run_line(
        mpiexec(2, [*words, "a.txt", *options, "--steps", "6", "--distributed", "--out", "two.safetensors"]), tmp_path
    )
    assert done.returncode == 0, done.stderr
    found = [line.split()[1:] for line in done.stderr.splitlines() if line.startswith("reads ")]
    sizes = sorted(int(stop) - int(start) for start, stop in found)
    assert len(sizes) == 4  # the leader reads its rows, and all that is held out; the other its rows of both
    assert sizes[-1] < 0.45 * len(text)
    assert sum(sizes) < 1.15 * len(text)
    assert charrnn("train", "a.txt", *options, "--steps", 6, "--out", "one.safetensors", cwd=tmp_path).returncode == 0
    two, one = (load_state(tmp_path / f"{name}.resume.safetensors") for name in ("two", "one"))
    for name, p in two.params.items():
        np.testing.assert_allclose(p, one.params[name], rtol=0, atol=1e-5)
    assert [row.val_loss for row in two.history] == pytest.approx([row.val_loss for row in one.history], rel=1e-5)
    assert two.corpus.digest.startswith("blocks:")
    again = run_line([*words, "--resume", "--out", "two.safetensors", "--steps", "8"], tmp_path)
    assert "step 8/8" in again.stderr
