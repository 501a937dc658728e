"""The benchmark of standard corpora: their formats and parts, compressors, and runs of the whole program."""

import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.standard import compressors, literature, parts
from support.processes import TEXT, charrnn, environment

PROGRAM = Path(__file__).parent / "bench" / "standard_corpora.py"
WORDS = [" no it was n't black monday ", " but the <unk> rose N to $ N million ", " yes "]
CHARACTERS = [
    " n o _ i t _ w a s _ n ' t _ b l a c k _ m o n d a y ",
    " b u t _ t h e _ < u n k > _ r o s e _ N _ t o _ $ _ N _ m i l l i o n ",
    " y e s ",
]
DECODED = b"no it was n't black monday\nbut the <unk> rose N to $ N million\nyes\n"
SHORT = "--train-options=--steps 20 --hidden-size 16 --layers 1 --engine numpy"
CLEAN = " ".join(re.findall("[a-z]+", TEXT.lower())) * 2
"""A text as text8 has it, of some 3,000 characters."""


def run(*words: object, code: int = 0) -> str:
    """The output of the program: what it prints, or its line on stderr if it should fail."""
    command = [sys.executable, str(PROGRAM), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if code:
        assert done.stdout == ""
        return done.stderr
    return done.stdout


def write(folder: Path, **files: str | bytes) -> list[Path]:
    """Writes files of these names; returns their paths."""
    for name, data in files.items():
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return [folder / name for name in files]


def cells(output: str, first: str) -> list[list[str]]:
    """The rows of the table whose first column has this header."""
    rows = output.partition(f"| {first} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


# Parts


@pytest.mark.parametrize("size", [2000, 1999])
@pytest.mark.parametrize("benchmark", ["text8", "enwik8"])
def test_ninety_five_and_five_percent_of_a_file_are_the_parts(benchmark: str, size: int, tmp_path: Path) -> None:
    data = CLEAN[:size].encode() if benchmark == "text8" else random.Random(1).randbytes(size)
    found = parts.read(benchmark, write(tmp_path, corpus=data))
    assert (found.train, found.validation) == (data[: size * 9 // 10], data[size * 9 // 10 : size * 95 // 100])
    assert found.test == data[size * 95 // 100 :]
    assert found.whole == data
    assert f"{size:,} bytes, not 100,000,000" in found.difference


def test_text8_and_enwik8_of_100_million_bytes_are_standard(tmp_path: Path) -> None:
    (path,) = write(tmp_path, text8=b"a b " * 25_000_000)
    found = parts.read("text8", [path])
    assert [len(part) for part in (found.train, found.validation, found.test)] == [90_000_000, 5_000_000, 5_000_000]
    assert found.difference == ""
    assert found.limited(1000).difference


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_words_and_characters_of_penn_treebank_are_the_same_text(newline: str) -> None:
    for lines in (WORDS, CHARACTERS):
        assert parts.decode_penn("".join(line + newline for line in lines).encode(), "ptb") == DECODED
    assert parts.decode_penn(newline.join(CHARACTERS).encode(), "ptb") == DECODED  # without the last newline


def test_penn_treebank_of_the_usual_sizes_is_standard(tmp_path: Path) -> None:
    line = " " + "five " * 20  # 100 characters with its newline, without the blanks around it
    files = {name: (line + "\n") * lines for name, lines in (("a", 50_170), ("b", 3930), ("c", 4424))}
    paths = write(tmp_path, **files)
    found = parts.read("ptb", paths)
    assert [len(part) for part in (found.train, found.validation, found.test)] == [5_017_000, 393_000, 442_400]
    assert found.difference == ""
    assert "442,400 characters, not about 393,000" in parts.read("ptb", [paths[0], paths[2], paths[1]]).difference


def test_a_limit_takes_the_first_characters_of_each_part(tmp_path: Path) -> None:
    whole = parts.read("text8", write(tmp_path, text8=CLEAN[:2000]))
    found = whole.limited(150)
    assert (found.train, found.validation, found.test) == (whole.train[:150], whole.validation, whole.test)
    assert "150" in found.difference
    assert found.digest != whole.digest
    assert whole.limited(1800) == whole


# Compressors


def test_each_compressor_needs_eight_bits_for_random_bytes_and_almost_none_for_a_repeated_text() -> None:
    noise, repeated = random.Random(1).randbytes(20_000), b"to and fro " * 10_000
    names = [name for name, _ in compressors.installed()]
    assert names[:2] == ["xz -9e", "bzip2 -9"]
    assert len(set(names)) == len(names)
    for name, compressor in compressors.installed():
        assert 8 <= compressors.bits_per_character(compressor, noise) < 8.5, name  # zpaq has a kilobyte of headers
        assert compressors.bits_per_character(compressor, repeated) < 0.1, name


@pytest.mark.parametrize("name", ["xz -9e", "bzip2 -9"])
def test_a_compressor_needs_as_much_as_the_program_of_its_name(name: str) -> None:
    if shutil.which(name.split()[0]) is None:
        pytest.skip(f"needs {name}")
    packed = subprocess.run([*name.split(), "-c"], input=TEXT.encode(), capture_output=True, check=True).stdout
    bits = compressors.bits_per_character(dict(compressors.installed())[name], TEXT.encode())
    assert bits * len(TEXT) == pytest.approx(8 * len(packed))


# The literature


def test_published_results_are_in_order_and_gain_by_dynamic_evaluation() -> None:
    assert literature.RESULTS.keys() == parts.NAMES.keys()
    for results in literature.RESULTS.values():
        static = [float(result.static) for result in results]
        assert static == sorted(static, reverse=True)
        assert all(0.9 < float(result.adaptive or result.static) <= float(result.static) for result in results)


def test_the_readme_has_the_published_figures_that_the_program_shows() -> None:
    text = (PROGRAM.parent / "README.md").read_text(encoding="utf-8")
    rows = cells(re.sub(r"\]\(.*?\)", "", text.partition("Published figures on the test part")[2]), "benchmark")
    listed = [(name, model.partition(" (")[0], *figures) for name, model, *figures in rows]
    wanted = [
        (
            parts.NAMES[name].removesuffix(" characters"),
            result.model,
            f"{result.parameters} M",
            result.static,
            result.adaptive,
        )
        for name, results in literature.RESULTS.items()
        for result in results
    ]
    assert listed == wanted


# Runs


def test_a_run_learns_the_training_part_and_scores_the_test_part(tmp_path: Path) -> None:
    characters = "".join(" " + " ".join(line.replace(" ", "_")) + " \n" for line in CLEAN.lower().split("that"))
    paths = write(tmp_path, train=characters, valid=characters[:600], test=characters[-500:])
    model = tmp_path / "m.safetensors"
    shown = run("ptb", *paths, SHORT, "--seed", 7, "--model", model, "--only", "charrnn")
    train, valid, test = (parts.decode_penn(path.read_bytes(), "") for path in paths)

    about = json.loads(charrnn("inspect", model, "--json", cwd=tmp_path).stdout)
    assert (about["corpus"]["training_chars"], about["corpus"]["validation_chars"]) == (len(train), len(valid))
    (tmp_path / "test.txt").write_bytes(test)
    bpc = json.loads(charrnn("score", model, "test.txt", "--json", cwd=tmp_path).stdout)["bpc"]
    (row,) = cells(shown, "benchmark")
    assert row[1:] == ["", "20", "7", "lstm 1×16", f"{about['parameters']:,}", f"{bpc:.3f}"]
    assert f"has {len(test)} characters" in shown
    assert "can't be compared with published ones: train has" in shown
    assert "| compressor |" not in shown
    assert ["Mogrifier LSTM", "Melis et al. 2020, Mogrifier LSTM", "24 M", "1.120", "1.083"] in cells(
        shown, "published model"
    )


def test_kept_figures_are_not_made_again_and_a_new_seed_is_a_new_row(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(100) * 30
    (path,) = write(tmp_path, enwik8=data)
    keep = tmp_path / "keep.json"
    first = run("enwik8", path, SHORT, "--keep", keep)
    kept = json.loads(keep.read_text())
    kept["runs"][0]["static"] = 1.2345  # what is shown is what is kept
    next(iter(kept["compressors"].values()))["xz -9e"] = [3.4567, 2.3456]
    keep.write_text(json.dumps(kept))
    second = run("enwik8", path, SHORT, "--keep", keep)
    assert [row[:-1] for row in cells(second, "benchmark")] == [row[:-1] for row in cells(first, "benchmark")]
    assert cells(second, "benchmark")[0][-1] == "1.234"
    assert cells(second, "compressor")[0] == ["xz -9e", "3.457", "2.346"]
    assert cells(second, "compressor")[1:] == cells(first, "compressor")[1:]
    third = run("enwik8", path, SHORT, "--keep", keep, "--seed", 2, "--only", "charrnn")
    assert [row[3] for row in cells(third, "benchmark")] == ["1", "2"]


def test_compressors_read_the_test_part_and_all_parts(tmp_path: Path) -> None:
    (path,) = write(tmp_path, text8=CLEAN[:2000])
    shown = run("text8", path, "--only", "compressors", "--limit", 80)
    text = CLEAN[:80].encode(), CLEAN[1800:1880].encode(), CLEAN[1900:1980].encode()
    for name, compressor in compressors.installed():
        alone, together = (compressors.bits_per_character(compressor, t) for t in (text[2], b"".join(text)))
        assert [name, f"{alone:.3f}", f"{together:.3f}"] in cells(shown, "compressor")
    assert "| benchmark |" not in shown
    assert "they have at most 80 characters of each part" in shown


def test_a_time_is_given_to_the_training_and_characters_that_it_lacks_are_counted(tmp_path: Path) -> None:
    (path,) = write(tmp_path, text8=CLEAN[:1990].replace("z", "s") + "z" * 10)
    shown = run("text8", path, "--time", "1s", "--only", "charrnn", "--limit", 500)
    (row,) = cells(shown, "benchmark")
    assert row[1] == "1 s"
    assert int(row[2]) >= 1
    assert "Characters of the test part that are not in the training part: 10." in shown


def test_a_kept_model_is_scored_and_not_trained_again(tmp_path: Path) -> None:
    (path,) = write(tmp_path, text8=CLEAN[:2000])
    model = tmp_path / "m.safetensors"
    words = ["text8", path, "--keep", tmp_path / "keep.json", "--model", model, "--only", "charrnn"]
    (first,) = cells(run(*words, SHORT), "benchmark")
    saved = model.read_bytes()
    (second,) = cells(run(*words, "--seed", 9, "--time", "1s"), "benchmark")  # it is that run again, not another one
    assert second == first
    assert model.read_bytes() == saved


def test_adaptive_scores_are_those_of_the_command(tmp_path: Path) -> None:
    (path,) = write(tmp_path, text8=CLEAN[:2000])
    words = ["text8", path, SHORT, "--only", "charrnn", "--model", tmp_path / "m.safetensors", "--adapt"]
    (row,) = cells(run(*words), "benchmark")
    (tmp_path / "test.txt").write_text(CLEAN[1900:2000])
    bpc = json.loads(charrnn("score", words[-2], "test.txt", "--json", "--adapt", cwd=tmp_path).stdout)["bpc"]
    assert row[-1] == f"{bpc:.3f}"


# Errors


@pytest.mark.parametrize(
    ("benchmark", "content", "message"),
    [
        ("text8", None, "No such file or directory"),
        ("text8", b"", "is empty"),
        ("text8", b"PK\x03\x04", "is an archive: unpack it first"),
        ("text8", b"some words and 7 more", "byte 15 is b'7', neither a letter a to z nor a blank"),
        ("enwik8", b"<mediawiki>", "has 11 bytes, too few to divide"),
        ("ptb", b"a line\nThe next\n", "line 2 has 'T', which the preprocessed Penn Treebank does not have"),
        ("ptb", b" a _ l i n e \n the next \n", "line 2 has 'the', where other lines have single characters and _"),
        ("ptb", "naïve\n".encode(), "is not ASCII text"),
    ],
)
def test_a_missing_or_wrong_file_is_an_error_of_one_line(
    benchmark: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    (line,) = run(benchmark, *[path] * (3 if benchmark == "ptb" else 1), code=1).splitlines()
    assert line.startswith(f"standard_corpora.py: {path}")
    assert message in line


@pytest.mark.parametrize(
    "words", [[], ["text8"], ["text8", "f", "--limit", "0"], ["ptb", "a", "b", "c", "--time", "x"]]
)
def test_wrong_usage_ends_with_2(words: list[str]) -> None:
    *usage, line = run(*words, code=2).splitlines()
    assert usage[0].startswith("usage: standard_corpora.py")
    assert "error: " in line


def test_an_error_of_charrnn_ends_the_program_with_its_exit_code(tmp_path: Path) -> None:
    (path,) = write(tmp_path, text8=CLEAN)
    assert "--cell" in run("text8", path, "--train-options=--cell tree", code=2)


def test_a_model_of_another_text_is_refused(tmp_path: Path) -> None:
    (path, corpus) = write(tmp_path, text8=CLEAN, corpus=TEXT)
    model = tmp_path / "m.safetensors"
    words = ["--steps", 1, "--hidden-size", 4, "--engine", "numpy", "--out", model, "--quiet"]
    assert charrnn("train", corpus, *words, cwd=tmp_path).returncode == 0
    assert "has not learned from these" in run("text8", path, "--model", model, code=1)
