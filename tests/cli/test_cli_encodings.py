"""Encodings on the command line: what a model was trained on says how later texts are read, and a mark has its way."""

import codecs
import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

import charrnn as api
from charrnn.dataset.text_form import TextForm
from support.processes import SMALL, charrnn, error_line, posix, raw, started

DOCS = Path(__file__).parents[1] / "fixtures" / "docs"
VERSES = "Мой дядя самых честных правил,\nКогда не в шутку занемог.\n"
RUSSIAN = VERSES * 30
TEXT = VERSES + "честных"
FRENCH = "les élèves étaient à l'école; où était-ce? là-bas.\nç'était déjà l'été, à la forêt.\n" * 20
OTHERS: dict[str, Callable[[str], bytes]] = {
    "utf-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "utf-16": lambda text: text.replace("\n", "\r\n").encode("utf-16"),
    "utf-16, big-endian": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "cp1251": lambda text: text.encode("cp1251"),
    "cp1251 with \\r": lambda text: text.replace("\n", "\r").encode("cp1251"),
}
"""The same text as other programs may write it."""


def decomposed(text: str) -> str:
    """A text with letters and accents apart."""
    return unicodedata.normalize("NFD", text)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained on a text in CP1251."""
    folder = tmp_path_factory.mktemp("cp1251")
    (folder / "corpus.txt").write_bytes(RUSSIAN.encode("cp1251"))
    done = charrnn(
        "train", "corpus.txt", "--encoding", "cp1251", *SMALL, "--steps", 3, "-o", "m.safetensors", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return folder / "m.safetensors"


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of composed letters, trained on a text in which they are apart."""
    folder = tmp_path_factory.mktemp("nfc")
    (folder / "corpus.txt").write_text(decomposed(FRENCH), encoding="utf-8")
    done = charrnn("train", "corpus.txt", "--normalize", "nfc", *SMALL, "--steps", 3, "-o", "m.safetensors", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "two forms" not in done.stderr
    return folder / "m.safetensors"


def outputs(model: Path, cwd: Path, *options: str) -> list[bytes]:
    """What every command that reads text.txt prints."""
    numpy = ("--engine", "numpy", *options)
    commands: list[tuple[object, ...]] = [
        ("score", model, "text.txt", "--json", *numpy),
        ("score", model, "text.txt", "--top", 3, "--json", *numpy),
        ("sample", model, "--prime-file", "text.txt", "-n", 20, "--seed", 1, *numpy),
        ("sample", model, "--prime-file", "text.txt", "--per-line", "-n", 9, "--seed", 1, *numpy),
        ("sample", model, "--max-copy", 2, "--corpus", "text.txt", "-n", 60, "--temp", 0.3, "--seed", 1, *numpy),
        ("inspect", model, "--surprisal", "text.txt", "--json", *options),
        ("inspect", model, "--context", "--corpus", "text.txt", "--json", *options),
    ]
    found = []
    for command in commands:
        done = charrnn(*command, "-q", cwd=cwd)
        assert done.returncode == 0, (command, done.stderr)
        found.append(raw(done.stdout).replace(b"\\r", b"").replace(b"\\ufeff", b""))  # raw lines of `score` keep these
    return found


# Encodings


@pytest.fixture(scope="module")
def in_utf8(model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What is printed for a text in UTF-8."""
    folder = tmp_path_factory.mktemp("utf8")
    (folder / "text.txt").write_bytes(TEXT.encode())
    found = outputs(model, folder, "--encoding", "utf-8")
    assert json.loads(found[0])["chars"] == len(TEXT)
    return found


@pytest.mark.parametrize("name", OTHERS)
def test_a_text_is_the_same_in_every_encoding(name: str, in_utf8: list[bytes], model: Path, tmp_path: Path) -> None:
    assert api.load(model).model.text_form == TextForm("cp1251")
    (tmp_path / "text.txt").write_bytes(OTHERS[name](TEXT))
    assert outputs(model, tmp_path) == in_utf8


def test_lines_of_another_encoding_are_printed_in_utf8(model: Path, tmp_path: Path) -> None:
    done = charrnn("score", model, "--above", 0, input=VERSES.encode("cp1251"), cwd=tmp_path)
    assert done.stdout == VERSES
    done = charrnn("score", model, "--above", 0, input=VERSES.replace("\n", "\r").encode("utf-16"), cwd=tmp_path)
    assert raw(done.stdout).decode() == VERSES.replace("\n", "\r")


@pytest.mark.parametrize(
    ("command", "flag", "target"),
    [("translate", "--pairs", "ваб"), ("classify", "--classify", "й"), ("tag", "--tags", "й")],
)
def test_commands_for_lines_read_them_as_the_model_does(command: str, flag: str, target: str, tmp_path: Path) -> None:
    lines = [a + b + c for a in "абвй" for b in "абвй" for c in "абвй"]
    targets = [target * (len(line) if command == "tag" else 1) if n % 2 else line[::-1] for n, line in enumerate(lines)]
    if command == "classify":
        targets = [line[0] for line in lines]
    pairs = "".join(f"{line}\t{target}\n" for line, target in zip(lines, targets, strict=True))
    (tmp_path / "corpus.tsv").write_bytes(pairs.encode("cp1251"))
    run = ("corpus.tsv", flag, "--encoding", "cp1251", *SMALL, "--steps", 3, "-o", "m.safetensors")
    done = charrnn("train", *run, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = "аб\nвйа\n\nй\n"
    wanted = charrnn(command, "m.safetensors", "--encoding", "utf-8", input=text, cwd=tmp_path)
    assert wanted.returncode == 0, wanted.stderr
    assert "never seen" not in wanted.stderr
    assert len(wanted.stdout.splitlines()) == 4
    for name in ("utf-16", "cp1251", "cp1251 with \\r"):
        assert charrnn(command, "m.safetensors", input=OTHERS[name](text), cwd=tmp_path).stdout == wanted.stdout
    for name in ("utf-16", "cp1251 with \\r"):
        (tmp_path / "test.tsv").write_bytes(OTHERS[name](pairs))
        done = charrnn(command, "m.safetensors", "--evaluate", "--json", "test.tsv", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["lines" if command == "translate" else "texts"] == len(lines)


@posix
def test_a_stream_with_a_mark_is_answered_line_by_line(model: Path, tmp_path: Path) -> None:
    with started("score", model, "--per-line", cwd=tmp_path) as run:
        assert run.stdin
        assert run.stdout
        for n, line in enumerate(("Мой дядя\r\n", "самых\r", "честных\n")):
            run.stdin.write(codecs.BOM_UTF16_LE * (n == 0) + line.encode("utf-16-le"))
            # What is printed does not wait for the next line, nor for the half of \r\n that \r may be
            found = run.stdout.readline().decode()
            assert found.partition("\t")[2] == line.removesuffix("\n") + "\n"
        run.stdin.close()
        assert run.wait(30) == 0


@pytest.mark.parametrize(
    ("errors", "options", "done"),
    [
        ("ignore", (), "left out"),
        ("replace", ("--lines",), "replaced by U+FFFD"),
        ("backslashreplace", (), "replaced by"),
    ],
)
def test_a_run_says_how_many_bytes_it_leaves_out(errors: str, options: tuple[str], done: str, tmp_path: Path) -> None:
    raw = FRENCH.encode("cp1252")
    (tmp_path / "c.txt").write_bytes(raw)
    n = sum(byte > 127 for byte in raw)
    found = charrnn("train", "c.txt", *options, "--errors", errors, *SMALL, "--steps", 1, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    line = next(line for line in found.stderr.splitlines() if line.startswith("bytes that are not utf-8 were"))
    assert f" were {done}" in line
    assert f": {n:,}, {100 * n / len(raw):.2g}% of the text; it looks like cp1252, so give --encoding cp1252" in line


def test_a_run_is_resumed_with_its_encoding(model: Path, tmp_path: Path) -> None:
    for path in model.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    done = charrnn("train", "--resume", "corpus.txt", "--steps", 5, "-o", "m.safetensors", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["steps"] == 5
    assert api.load(tmp_path / "m.safetensors").model.text_form == TextForm("cp1251")


# Line ends


def test_a_file_has_as_many_lines_for_training_as_for_scoring(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_bytes(b"one\rtwo\r\nthree\nfour\r" * 30)
    run = ("lines.txt", "--lines", *SMALL, "--steps", 3, "-o", "m.safetensors", "--val-fraction", 0)
    assert "lines.txt: 120 lines" in charrnn("train", *run, cwd=tmp_path).stderr
    done = charrnn("score", "m.safetensors", "lines.txt", "--per-line", "--json", cwd=tmp_path)
    assert [json.loads(line)["chars"] for line in done.stdout.splitlines()] == [4, 4, 6, 5] * 30
    assert (
        raw(charrnn("score", "m.safetensors", "lines.txt", "--above", 0, cwd=tmp_path).stdout)
        == (tmp_path / "lines.txt").read_bytes()
    )
    primes = ("sample", "m.safetensors", "--prime", "-", "--per-line", "-n", 0, "--json", "--seed", 1)
    done = charrnn(*primes, input=b"one\rtwo\r\nthree\nfour\r", cwd=tmp_path)
    assert [json.loads(line)["prime"] for line in done.stdout.splitlines()] == ["one", "two", "three", "four"]


# Normal forms


def test_whatever_a_model_reads_is_in_its_normal_form(composed: Path, tmp_path: Path) -> None:
    found = api.load(composed).model
    assert found.text_form == TextForm(normalization="nfc")
    assert not any(map(unicodedata.combining, found.vocabulary.characters))
    text = FRENCH[:60]
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    wanted = outputs(composed, tmp_path)
    (tmp_path / "text.txt").write_text(decomposed(text), encoding="utf-8")
    got = outputs(composed, tmp_path)
    assert got[0] == wanted[0]
    assert got[2:] == wanted[2:]
    for end in ("--stop", "--stop-after"):
        given = ("sample", composed, "-n", 5, "--seed", 1, "--prime", "élè", end, "é")
        apart = charrnn(*(decomposed(word) if isinstance(word, str) else word for word in given), cwd=tmp_path)
        assert (apart.stdout, apart.stderr) == (charrnn(*given, cwd=tmp_path).stdout, "")  # it tells of no other end


def test_a_run_is_resumed_in_its_normal_form(composed: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(decomposed(FRENCH), encoding="utf-8")
    for name in ("m.safetensors", "m.resume.safetensors"):
        (tmp_path / name).write_bytes((composed.parent / name).read_bytes())
    resume = ("--resume", "corpus.txt", "-o", "m.safetensors")
    assert charrnn("train", *resume, "--steps", 6, cwd=tmp_path).returncode == 0
    whole = ("--normalize", "nfc", *SMALL, "--steps", 6, "-o", "whole.safetensors")
    assert charrnn("train", "corpus.txt", *whole, cwd=tmp_path).returncode == 0
    assert api.load(tmp_path / "m.safetensors").model.text_form == TextForm(normalization="nfc")
    assert (tmp_path / "m.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


def test_a_model_that_starts_from_another_has_its_normal_form(composed: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(decomposed(FRENCH), encoding="utf-8")
    run = ("corpus.txt", "--init-from", composed, *SMALL[4:], "--steps", 1, "-o", "m.safetensors")
    done = charrnn("train", *run, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert api.load(tmp_path / "m.safetensors").model.text_form == TextForm(normalization="nfc")
    other = charrnn("train", *run, "--force", "--normalize", "none", cwd=tmp_path)
    assert re.search(r"has never seen, and will learn: .*U\+030[01]", other.stderr)
    assert api.load(tmp_path / "m.safetensors").model.text_form == TextForm()


def test_letters_in_two_forms_are_named(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(FRENCH + decomposed(FRENCH[:40]), encoding="utf-8")
    run = ("corpus.txt", *SMALL, "--steps", 1, "--force", "-o", "m.safetensors")
    line = charrnn("train", *run, cwd=tmp_path).stderr.splitlines()[0]
    assert "letters in two forms, which the model learns apart: à and a + U+0300" in line
    assert line.endswith("--normalize nfc makes them one form")
    for normal in ("nfc", "nfd"):
        assert "two forms" not in charrnn("train", *run, "--normalize", normal, cwd=tmp_path).stderr


def test_the_nearest_characters_are_the_same_letter_in_the_other_form(composed: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(decomposed(FRENCH), encoding="utf-8")
    run = ("corpus.txt", *SMALL, "--steps", 1, "-o", "m.safetensors")
    assert charrnn("train", *run, cwd=tmp_path).returncode == 0
    done = charrnn(
        "sample", "m.safetensors", "--prime", "été", "--unknown", "nearest", "-n", 0, "--seed", 1, cwd=tmp_path
    )
    assert done.stdout.rstrip("\n") == decomposed("été")


SKIP = ("--unknown", "skip")


@pytest.mark.parametrize(
    "command",
    [
        ("score", "tales", "text.txt", *SKIP),
        ("score", "tales", "text.txt", "--unknown", "count"),
        ("score", "tales", "text.txt", "--per-line"),
        ("score", "tales", "text.txt", "--heatmap", *SKIP),
        ("sample", "tales", "--prime-file", "text.txt", "-n", "5", *SKIP),
        ("inspect", "tales", "--surprisal", "text.txt"),
        ("classify", "classifier", "text.txt"),
        ("tag", "tagger", "text.txt", *SKIP),
        ("translate", "dates", "text.txt", *SKIP),
    ],
    ids=" ".join,
)
def test_whoever_skips_unseen_characters_is_told_that_the_text_is_in_another_encoding(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    name, model, *options = command
    arguments = (name, DOCS / f"{model}.safetensors", *options)
    text = "The bell rang. Les élèves étaient à l'école, où était le garçon?\n"
    (tmp_path / "text.txt").write_bytes(text.encode("cp1252"))
    told = charrnn(*arguments, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "the text has bytes that are not utf-8: it looks like cp1252, so give --encoding cp1252\n" in told.stderr
    assert "bytes" not in charrnn(*arguments, "--encoding", "cp1252", cwd=tmp_path).stderr
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    assert "bytes" not in charrnn(*arguments, cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("options", "text", "message"),
    [
        ((), b"abc\xff", "stdin is not utf-8 at byte 3"),
        (("--pairs", "--csv", "a,b"), b"a,b\n1\n", "line 2 of stdin has too few columns"),
        (("--pairs", "--csv", "a,b"), b"a;b\n1;2\n", "for instance with `csvformat -d ';' FILE > copy.csv`"),
    ],
    ids=["bytes", "table", "separator"],
)
def test_an_error_calls_stdin_by_its_name(options: tuple[str, ...], text: bytes, message: str, tmp_path: Path) -> None:
    assert message in error_line(charrnn("train", "-", *options, cwd=tmp_path, input=text), 1)


@posix
def test_dev_stdin_is_stdin(tmp_path: Path) -> None:
    options = (*SMALL, "--steps", 1, "--out", "m.safetensors", "--force")
    done = charrnn("train", "/dev/stdin", *options, cwd=tmp_path, input=FRENCH)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"stdin: {len(FRENCH):,} characters, ")
    for args in (("train", "/dev/stdin", *options), ("score", "m.safetensors", "/dev/stdin", "--encoding", "utf-16")):
        assert error_line(charrnn(*args, cwd=tmp_path, input=b"a\xff\n"), 1).startswith("charrnn: stdin is not utf-")
    assert "stdin can be read only once" in error_line(charrnn("train", "-", "/dev/stdin", cwd=tmp_path), 1)
    done = charrnn(
        "train", "/dev/stdin", "--resume", "--out", "m.safetensors", "--steps", 2, cwd=tmp_path, input=FRENCH
    )
    assert done.returncode == 0, done.stderr
