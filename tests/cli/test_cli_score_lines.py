"""`charrnn score` as a filter of odd lines: unseen characters, thresholds from held-out lines, exit codes, places."""

import gzip
import json
import math
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from safetensors.numpy import load_file, save_file

import charrnn as api
from charrnn.checkpoint.tensor_file import TensorFile
from support.processes import charrnn, command, error_line, posix, train_model
from support.trainings import place_names

NAMES = place_names(3000, 3600)
ODD = ["Abbotsham", "Abb\u0416tsham", "ERROR 502: NO ROUTE", "\u3042\u3044\u3046"]
ODD_LINES = "".join(line + "\n" for line in ODD)
N_ODD = sum(c not in NAMES for c in ODD_LINES)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of names, of which 60 were held out."""
    return train_model(tmp_path_factory.mktemp("names"), NAMES, "--lines", steps=60)


@pytest.fixture(scope="module")
def older(model: Path) -> Path:
    """The same model as an older version has written it."""
    path = model.with_name("older.safetensors")
    kept = {k: v for k, v in TensorFile(model).metadata.items() if k not in ("unseen", "line_scores")}
    save_file(load_file(model), path, metadata=kept)
    return path


def score(*args: object, cwd: Path, input: str | bytes = ODD_LINES, code: int = 0) -> CompletedProcess[str]:
    """A run with the NumPy engine, which ends with this code."""
    done = charrnn("score", *args, "--engine", "numpy", cwd=cwd, input=input)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def objects(done: CompletedProcess[str]) -> list[dict[str, object]]:
    """The objects that `--json` printed."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def lines_of(done: CompletedProcess[str]) -> list[str]:
    """The lines that were printed, without their scores."""
    return [line.rpartition("\t")[2] for line in done.stdout.splitlines()]


# Characters that the model has never seen


@pytest.mark.parametrize(
    "options", [["--per-line"], ["--sort"], ["--top", 9], ["--above", 0], ["--below", 99]], ids=str
)
def test_lines_with_unseen_characters_are_scored_as_odd(options: list[object], model: Path, tmp_path: Path) -> None:
    found = {o["line"]: o for o in objects(score(model, *options, "--json", cwd=tmp_path))}
    assert set(found) == set(ODD)
    bits = api.load(model).model.unseen_nats / math.log(2)
    assert bits > 9
    alone = objects(score(model, "--per-line", "--json", cwd=tmp_path, input="Abbtsham\n"))[0]
    odd = found[ODD[1]]
    assert (odd["chars"], odd["unknown"]) == (10, 1)
    assert odd["bpc"] == pytest.approx((alone["bpc"] * 9 + bits) / 10)  # type: ignore[operator]
    assert found[ODD[3]]["bpc"] > found[ODD[1]]["bpc"] > found[ODD[0]]["bpc"]  # type: ignore[operator]


def test_the_oddest_line_of_a_log_is_the_one_with_unseen_characters(model: Path, tmp_path: Path) -> None:
    given = NAMES + "\u3042\u3044\n" + NAMES
    assert lines_of(score(model, "--top", 1, cwd=tmp_path, input=given)) == ["\u3042\u3044"]
    assert lines_of(score(model, "--top", 1, "--unknown", "skip", cwd=tmp_path, input=given)) != ["\u3042\u3044"]


def test_a_notice_says_how_many_there_were_and_what_each_costs(model: Path, older: Path, tmp_path: Path) -> None:
    for path in (model, older):
        bits = api.load(path).model.unseen_nats / math.log(2)
        wanted = f"counted characters that the model has never seen: {N_ODD}, at {bits:.2f} bits each\n"
        assert score(path, "--above", 90, cwd=tmp_path).stderr.endswith(wanted)
        assert "never seen" not in score(path, "--above", 90, cwd=tmp_path, input="Abb\n").stderr
        assert score(path, "--sort", "--quiet", cwd=tmp_path).stderr == ""
    assert api.load(older).model.unseen_nats == math.log(len(api.load(older).model.vocabulary))


def test_a_whole_text_counts_them_if_asked_to(model: Path, tmp_path: Path) -> None:
    found = objects(score(model, "--json", "--unknown", "count", cwd=tmp_path))[0]
    wanted = api.score(api.load(model).model, ODD_LINES, unknown="count")
    assert found == wanted.as_dict()
    assert (wanted.chars, wanted.unknown) == (len(ODD_LINES), N_ODD)
    rows = score(model, "--unknown", "count", cwd=tmp_path).stdout.splitlines()
    assert [row.rsplit(None, 1) for row in rows[3:]] == [
        ["characters", str(len(ODD_LINES))],
        ["unknown characters", str(N_ODD)],
    ]
    assert "never seen" in error_line(charrnn("score", model, "--quiet", cwd=tmp_path, input=ODD_LINES), 1)


def test_the_heatmap_gives_them_the_colour_of_their_cost(tmp_path: Path) -> None:
    path = train_model(tmp_path, "a cat sat on a mat\n" * 80)
    done = charrnn(
        *("score", path, "--heatmap", "--unknown", "count", "--engine", "numpy"),
        cwd=tmp_path,
        input="a c\u0416t sat\n",
        env={"FORCE_COLOR": "1", "TERM": "xterm-256color"},
    )
    legend, *_, last = done.stderr.splitlines()
    highest = legend.rpartition("9 and more")[0].rpartition("\x1b[")[2].partition("m")[0]
    before = done.stdout.partition("\u0416")[0]
    assert before.rpartition("\x1b[")[2].partition("m")[0] == highest
    assert "unknown" not in legend
    assert last == f"counted characters that the model has never seen: 1, at {math.log2(1520):.2f} bits each"


def test_bytes_of_another_encoding_are_advised_about(model: Path, tmp_path: Path) -> None:
    done = score(model, "--top", 1, cwd=tmp_path, input="щука и рак\nрак\n".encode("cp1251") * 20)
    assert "bytes that are not utf-8: it looks like cp1251" in done.stderr
    assert "bytes" not in score(model, "--top", 1, cwd=tmp_path).stderr
    assert "give" not in score(model, "--top", 1, "--encoding", "cp1251", cwd=tmp_path, input=b"\xf9\n").stderr


# Thresholds from held-out lines


def test_a_percentage_is_that_of_the_held_out_lines(model: Path, tmp_path: Path) -> None:
    scores = api.load(model).model.line_scores
    assert scores is not None
    found = objects(score(model, "--per-line", "--json", cwd=tmp_path, input=NAMES))
    for percent in ("0%", "50%", "92.5%", "99%"):
        bits = scores.quantile(float(percent[:-1]))
        done = score(model, "--above", percent, cwd=tmp_path, input=NAMES)
        assert lines_of(done) == [o["line"] for o in found if o["bpc"] > bits]  # type: ignore[operator]
        said = f"{percent} of {scores.lines} held-out lines have at most {bits:.4f} bits per character"
        assert done.stderr == f"--above {percent}: {said}\n"
        below = score(model, "--below", percent, "--quiet", cwd=tmp_path, input=NAMES)
        assert lines_of(below) == [o["line"] for o in found if o["bpc"] < bits]  # type: ignore[operator]
        assert below.stderr == ""


def test_of_the_held_out_lines_themselves_as_many_pass(model: Path, tmp_path: Path) -> None:
    """The split follows from the seed, so the same training tells which lines it has held out."""
    trainer = api.train(NAMES, layout="lines", hidden_size=16, layers=1, batch_size=8, steps=1, seed=1, engine="numpy")
    lines = trainer.validation_data.lines  # type: ignore[attr-defined]
    decoded = (
        trainer.state.vocabulary.decode(lines.ids[a : a + n]) for a, n in zip(lines.starts, lines.lengths, strict=True)
    )
    given = "".join(line + "\n" for line in decoded)
    n = given.count("\n")
    assert n == 60
    for percent, least, most in ((90, 6, 6), (50, 29, 30), (95, 3, 3), (0, 59, 60), (100, 0, 1)):
        assert least <= len(lines_of(score(model, "--above", f"{percent}%", cwd=tmp_path, input=given))) <= most


def test_percentages_and_numbers_can_be_combined(model: Path, tmp_path: Path) -> None:
    scores = api.load(model).model.line_scores
    assert scores is not None
    low, high = scores.quantile(10), scores.quantile(90)
    args = ("--above", "10%", "--below", "90%", "--json", "--sort")
    found = [o["bpc"] for o in objects(score(model, *args, cwd=tmp_path, input=NAMES))]
    assert found == sorted(found, reverse=True)  # type: ignore[type-var]
    assert all(low < bpc < high for bpc in found)  # type: ignore[operator]
    assert 0.6 < len(found) / NAMES.count("\n") < 0.95
    mixed = score(model, "--above", low, "--below", "90%", "--json", "--sort", cwd=tmp_path, input=NAMES)
    assert [o["bpc"] for o in objects(mixed)] == found
    done = charrnn("score", model, "--above", high + 1, "--below", "90%", "--quiet", cwd=tmp_path, input=NAMES)
    assert "give a larger --below" in error_line(done, 2)


def test_a_model_without_them_says_what_to_do(older: Path, tmp_path: Path) -> None:
    for option in ("--above", "--below"):
        line = error_line(charrnn("score", older, option, "99%", cwd=tmp_path, input="Abb\n"), 2)
        assert f"{option} 99% is a share of held-out lines, and this model lacks their scores: give a number" in line
    classifier = train_model(tmp_path, "a\tx\nb\ty\n" * 60, "--classify", steps=2)
    done = charrnn("score", classifier, "--above", "99%", "--quiet", cwd=tmp_path, input="a\n")
    assert "use `charrnn classify`" in error_line(done, 2)


# Exit codes


@pytest.mark.parametrize("options", [[], ["--json"], ["--top", 1]], ids=str)
def test_the_exit_code_says_whether_a_line_was_printed(options: list[object], model: Path, tmp_path: Path) -> None:
    for bound, printed in (("--above=0", True), ("--above=99", False), ("--below=99", True), ("--below=0.001", False)):
        done = score(model, bound, "--exit-code", *options, cwd=tmp_path, code=0 if printed else 1)
        assert bool(done.stdout) == printed
        score(model, bound, *options, cwd=tmp_path, code=0)
    assert score(model, "--above=0", "--exit-code", *options, cwd=tmp_path, input="", code=1).stdout == ""


def test_errors_have_another_exit_code(model: Path, tmp_path: Path) -> None:
    (tmp_path / "odd.gz").write_bytes(gzip.compress(b"Abb\n")[:-4])
    for args in (["missing.txt"], ["odd.gz"], ["--unknown", "error"], ["--engine", "fortran"]):
        done = charrnn("score", model, "--above=99", "--exit-code", "--quiet", *args, cwd=tmp_path, input=ODD_LINES)
        error_line(done, 2)


def on_a_full_disk(*args: object) -> list[str]:
    """The command line of a run whose output can't be written."""
    return ["sh", "-c", 'exec "$@" > /dev/full', "sh", *command(*args)]


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(("options", "code"), [(["--exit-code"], 2), ([], 1)])
def test_so_has_a_disk_that_is_full(options: list[str], code: int, model: Path, tmp_path: Path) -> None:
    args = ("score", model, "--above=0", "--engine", "numpy", "--quiet", *options)
    done = charrnn(*args, cwd=tmp_path, input=ODD_LINES, command=on_a_full_disk)
    assert "No space left" in error_line(done, code)


# Files and line numbers


def test_json_has_the_file_and_the_number_of_each_line(model: Path, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text("Abb\n\nAbber", encoding="utf-8")  # without its last newline
    (tmp_path / "logs" / "b.log").write_text("Acton\r\nAd\u0416\r\n", encoding="utf-8")
    places = [
        *(("stdin", 1, "Ayr"), ("stdin", 2, "Ayton")),
        *(
            (str(Path("logs", "a.log")), 1, "Abb"),
            (str(Path("logs", "a.log")), 2, ""),
            (str(Path("logs", "a.log")), 3, "Abber"),
        ),
        *((str(Path("logs", "b.log")), 1, "Acton\r"), (str(Path("logs", "b.log")), 2, "Ad\u0416\r")),
    ]
    texts = ("-", "logs")

    def found(*options: object) -> list[tuple[object, ...]]:
        done = score(model, *texts, "--json", *options, cwd=tmp_path, input="Ayr\nAyton\n")
        return [(o["file"], o["line_number"], o["line"]) for o in objects(done)]

    assert found("--per-line") == found("--above", 0) == found("--per-line", "--stateful") == places
    assert found("--sort") != places
    assert sorted(found("--sort")) == sorted(found("--top", 99)) == sorted(places)
    assert found("--top", 1) == [places[-1]]


@pytest.mark.parametrize(
    ("name", "content", "options", "numbers"),
    [
        ("r.csv", 'id,text\n1,Abb\n2,\n3,"Abber\nton"\n4,Acton\n', ["--csv", "text"], [1, 3, 4]),
        (
            "r.jsonl",
            '{"text": "Abb"}\n{"text": "Abber\\nton"}\n{"text": null}\n{"text": "A"}\n',
            ["--jsonl", "text"],
            [1, 2, 4],
        ),
        ("r.txt", "Abb\n\n\nAbber\nton\n\nActon\n", [], [1, 2, 3]),
        ("r.txt", "Abb%Abber\nton%%Acton", ["--records-by", "%"], [1, 2, 3]),
        ("r.txt", "Abb\nAbberton", ["--documents"], [1]),
    ],
    ids=["csv", "jsonl", "blank lines", "separator", "documents"],
)
def test_of_a_record_it_is_the_number_of_the_record(
    name: str, content: str, options: list[str], numbers: list[int], tmp_path: Path
) -> None:
    path = train_model(tmp_path, NAMES.replace("\n", "\n\n"), "--records-by", "", steps=5)
    scores = api.load(path).model.line_scores
    assert scores is not None  # records have quantiles too
    (tmp_path / name).write_text(content, encoding="utf-8")
    for order in ("--per-line", "--sort", "--above=0", "--above=0%"):
        found = objects(score(path, name, *options, order, "--json", cwd=tmp_path, input=""))
        assert {o["file"] for o in found} == {name}
        if order != "--above=0%":
            assert sorted(o["line_number"] for o in found) == numbers  # type: ignore[type-var]
