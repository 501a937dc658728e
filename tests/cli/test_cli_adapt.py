"""`score --adapt`, `sample --adapt` and `charrnn adapt` as processes: numbers of the library, files, and refusals."""

import gzip
import json
import math
import os
import re
import select
import shutil
import signal
import time
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import charrnn as api
from charrnn.checkpoint.adapted_text import AdaptedText
from charrnn.checkpoint.paths import resume_path
from charrnn.cli.terminal import adaptation as options
from charrnn.scoring.learner import AdaptationConfig
from charrnn.scoring.score import Score
from support.checkpoints import load_error, parts_of, same_arrays
from support.processes import OPENING, TEXT, charrnn, error_line, posix, started, train_model
from support.readmes import DOCS
from support.terminal import notices_on_a_terminal

LINES = ["It is a truth", "", "a wife in want of a man", "htruthh", "It is a truth"]
TEXT_LINES = "".join(line + "\n" for line in LINES)
NOTICE = "adapted scores: the model learns from the text as it reads it"
NAMES = "Zuzzle\nZuzkin\nMazzuz\n" * 20


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = "It is a truth.\nA wife.\n\nIn want of a man.\n\n" * 30
    return train_model(tmp_path_factory.mktemp("records"), text, "--records-by", "")


def loaded(path: Path) -> api.Model:
    return api.load(path).model


def run(command: str, *args: object, cwd: Path, input: str | bytes = b"") -> CompletedProcess[str]:
    """A run that succeeds, with the NumPy engine."""
    done = charrnn(command, *args, "--engine", "numpy", cwd=cwd, input=input)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


def adapted_lines(path: Path, **options: Any) -> list[Score]:
    model = loaded(path)
    lines = [line + "\n" for line in LINES]
    return list(api.score_lines(model, lines, adaptation=api.Adaptation(model), **options))


def scored(lines: list[str], scores: list[Score]) -> str:
    return "".join(f"{score.bpc:.4f}\t{line}\n" for line, score in zip(lines, scores, strict=True))


# Scores


def test_the_adapted_score_of_a_text_is_that_of_the_library_and_says_so(model: Path, tmp_path: Path) -> None:
    done = run("score", model, "--adapt", cwd=tmp_path, input=TEXT)
    wanted = api.score(loaded(model), TEXT, adaptation=api.Adaptation(loaded(model)))
    assert done.stdout.splitlines()[0].split() == ["bits", "per", "character", f"{wanted.bpc:.4f}"]
    assert done.stdout.splitlines()[-1].split() == ["adapted", "yes"]
    static = json.loads(run("score", model, "--json", cwd=tmp_path, input=TEXT).stdout)["bpc"]
    assert done.stdout.splitlines()[-2].split() == ["bits", "without", "learning", f"{static:.4f}"]
    found = json.loads(run("score", model, "--adapt", "--json", cwd=tmp_path, input=TEXT).stdout)
    assert found == pytest.approx(wanted.as_dict() | {"bpc_without_learning": static}, rel=1e-5)
    assert found["adapted"] is True
    assert found["bpc"] < static
    assert "adapted" not in run("score", model, "--json", cwd=tmp_path, input=TEXT).stdout


@pytest.mark.parametrize("policy", ["skip", "count"])
def test_the_bits_without_learning_are_of_the_same_characters(policy: str, model: Path, tmp_path: Path) -> None:
    words, text = ("--json", "--quiet", "--unknown", policy), "日" + TEXT + "本" * 40
    adapted = json.loads(run("score", model, "--adapt", *words, cwd=tmp_path, input=text).stdout)
    static = json.loads(run("score", model, *words, cwd=tmp_path, input=text).stdout)
    assert adapted["unknown"] == static["unknown"] == 41
    assert adapted["bpc_without_learning"] == pytest.approx(static["bpc"], rel=1e-5)
    assert adapted["bpc"] < static["bpc"]


def test_the_settings_of_the_learner_can_be_given(model: Path, tmp_path: Path) -> None:
    given = ("--adapt-rate", 0.01, "--adapt-pull", 0.1, "--adapt-segment", 7)
    found = json.loads(run("score", model, "--adapt", "--json", *given, cwd=tmp_path, input=OPENING).stdout)
    adaptation = api.Adaptation(loaded(model), AdaptationConfig(0.01, 0.1, 7))
    assert found["nats_per_char"] == pytest.approx(
        api.score(loaded(model), OPENING, adaptation=adaptation).nats_per_char
    )
    default = AdaptationConfig()
    for text, value in ((options.RATE, default.rate), (options.PULL, default.pull), (options.SEGMENT, default.segment)):
        assert text.endswith(f" [{value}]")


def test_what_a_line_teaches_is_carried_on_or_forgotten(model: Path, tmp_path: Path) -> None:
    for words, given in (((), {}), (("--stateful",), {"stateful": True}), (("--forget",), {"forgets": True})):
        done = run("score", model, "--adapt", "--per-line", *words, cwd=tmp_path, input=TEXT_LINES)
        assert done.stdout == scored(LINES, adapted_lines(model, **given))
        assert done.stderr == NOTICE + ", which is forgotten after each line" * ("--forget" in words) + "\n"
        quiet = run("score", model, "--adapt", "--per-line", "--quiet", *words, cwd=tmp_path, input=TEXT_LINES)
        assert (quiet.stdout, quiet.stderr) == (done.stdout, "")
    words = ("--adapt", "--per-line", "--quiet", "--forget", "--threads", 2)
    assert run("score", model, *words, cwd=tmp_path, input=TEXT_LINES).stdout == done.stdout
    carried, forgotten = adapted_lines(model), adapted_lines(model, forgets=True)
    assert carried[-1].bpc < carried[0].bpc
    assert forgotten[-1].bpc == pytest.approx(forgotten[0].bpc)


def test_lines_are_filtered_and_sorted_by_their_adapted_scores(model: Path, tmp_path: Path) -> None:
    scores = adapted_lines(model)
    ranked = sorted(zip(LINES, scores, strict=True), key=lambda pair: -pair[1].bpc)
    limit = (ranked[1][1].bpc + ranked[2][1].bpc) / 2
    for words in (("--sort",), ("--top", 2)):
        kept = ranked[: words[1] if len(words) > 1 else None]
        done = run("score", model, "--adapt", *words, cwd=tmp_path, input=TEXT_LINES)
        assert done.stdout == scored([line for line, _ in kept], [score for _, score in kept])
    done = run("score", model, "--adapt", "--above", limit, cwd=tmp_path, input=TEXT_LINES)
    assert sorted(done.stdout.splitlines()) == sorted(line for line, _ in ranked[:2])
    objects = run("score", model, "--adapt", "--json", "--per-line", cwd=tmp_path, input=TEXT_LINES).stdout.splitlines()
    for line, score, found in zip(LINES, scores, map(json.loads, objects), strict=True):
        assert found["line"] == line
        assert {name: found[name] for name in score.as_dict()} == pytest.approx(score.as_dict())
        assert found["adapted"] is True


def test_records_are_scored_and_learned_from(records: Path, tmp_path: Path) -> None:
    text = "A wife.\nA truth.\n\nIn want.\n\nA wife.\n"
    wanted = api.score(loaded(records), text, adaptation=api.Adaptation(loaded(records)))
    found = json.loads(run("score", records, "--adapt", "--json", cwd=tmp_path, input=text).stdout)
    static = api.score(loaded(records), text).bpc
    assert found == pytest.approx(wanted.as_dict() | {"bpc_without_learning": static}, rel=1e-5)
    done = run("score", records, "--adapt", "--per-line", cwd=tmp_path, input=text)
    assert [line.partition("\t")[2] for line in done.stdout.splitlines()] == [
        "A wife.\\nA truth.",
        "In want.",
        "A wife.",
    ]


def test_a_heatmap_has_the_adapted_surprisals(model: Path, tmp_path: Path) -> None:
    text, colours = "htruthh htruthh htruthh " * 20, {"FORCE_COLOR": "1"}
    shown = [
        charrnn("score", model, "--heatmap", "--engine", "numpy", *words, cwd=tmp_path, input=text, env=colours)
        for words in ((), ("--adapt",))
    ]
    assert all(done.returncode == 0 for done in shown)
    assert shown[0].stdout != shown[1].stdout
    assert NOTICE in shown[1].stderr
    assert NOTICE not in shown[0].stderr


def test_the_engines_agree(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("numba")
    found = [
        json.loads(charrnn("score", model, "--adapt", "--json", "--engine", name, cwd=tmp_path, input=TEXT).stdout)
        for name in ("numpy", "numba")
    ]
    assert found[0]["bpc"] == pytest.approx(found[1]["bpc"], rel=1e-3)


def test_unknown_characters_follow_unknown(model: Path, tmp_path: Path) -> None:
    assert "--unknown skip" in error_line(charrnn("score", model, "--adapt", cwd=tmp_path, input="жжж"), 1)
    found = {
        policy: json.loads(
            run("score", model, "--adapt", "--json", "--unknown", policy, cwd=tmp_path, input=OPENING + "жж").stdout
        )
        for policy in ("skip", "count")
    }
    assert [found[policy]["chars"] for policy in found] == [len(OPENING), len(OPENING) + 2]
    assert all(each["unknown"] == 2 for each in found.values())


@posix
def test_each_line_of_a_slow_writer_is_printed_at_once_and_a_closed_pipe_is_silent(model: Path, tmp_path: Path) -> None:
    options = ("--adapt", "--per-line", "--engine", "numpy", "--quiet")
    with started("score", model, *options, cwd=tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line, wanted in zip(LINES, adapted_lines(model), strict=True):
            process.stdin.write(f"{line}\n".encode())
            assert select.select([process.stdout], [], [], 60)[0], "no output"
            assert os.read(process.stdout.fileno(), 1 << 20).decode() == scored([line], [wanted])
        process.stdout.close()
        process.stdin.write(b"a wife\n" * 3)
        process.stdin.close()
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--adapt --windows 5", "--adapt and --windows can't both be given"),
        ("--adapt --precision int8", "float32: leave out --precision int8"),
        ("--adapt --above 99%", "a percentage is of lines that teach the model nothing"),
        ("--adapt --below 1%", "leave out --adapt, or give bits"),
        ("--adapt --forget", "of a model that learns: add --per-line, or"),
        ("--adapt --threads 2", "--adapt reads in one order, and learns from it: leave out --threads, or"),
        ("--forget --per-line", "of a model that learns: add --adapt, or"),
        ("--adapt --forget --per-line --stateful", "--forget and --stateful can't both be given"),
        ("--adapt-rate 0.1", "--adapt-rate says how --adapt learns"),
        ("--adapt-pull 0.1", "--adapt-pull says how --adapt learns"),
        ("--adapt-segment 9", "--adapt-segment says how --adapt learns"),
        ("--adapt --adapt-rate 1.5", "--adapt-rate must be from 0 to 1, not 1.5"),
        ("--adapt --adapt-segment 0", "--adapt-segment must be from 1 to 1000, not 0"),
    ],
)
def test_contradictions_are_refused(words: str, says: str, model: Path, tmp_path: Path) -> None:
    assert says in error_line(charrnn("score", model, *words.split(), cwd=tmp_path, input=TEXT), 2)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("regions", "a model of pairs can't adapt"),
        ("dates", "this model is a translator: only language models learn from what they read"),
        ("classifier", "this model is a classifier: only language models learn from what they read"),
        ("tagger", "this model is a tagger: only language models learn from what they read"),
    ],
)
def test_other_models_are_refused(name: str, says: str, tmp_path: Path) -> None:
    path = DOCS / f"{name}.safetensors"
    for command in (("score", path, "--adapt"), ("adapt", path, "--out", "a.safetensors")):
        assert says in error_line(charrnn(*command, cwd=tmp_path, input="Wales\tAber\n"), 2)
    error = error_line(charrnn("sample", path, "--adapt", "--prime", "a" * 50, cwd=tmp_path), 2)
    assert says.partition(":")[0] in error
    assert not (tmp_path / "a.safetensors").exists()


# Samples


def test_a_sample_goes_on_in_the_manner_of_the_prime(model: Path, tmp_path: Path) -> None:
    prime = "htruthh htruthh htruthh " * 20
    (tmp_path / "page.txt").write_text(prime)
    words = ("--adapt", "--prime-file", "page.txt", "--seed", 1, "-n", 80, "--adapt-rate", 0.01)
    done = run("sample", model, *words, cwd=tmp_path)
    adapted = api.adapt(loaded(model), prime, AdaptationConfig(rate=0.01))
    wanted = "".join(api.generate(adapted, prime=prime, length=80, seed=1))
    assert done.stdout == prime + wanted + "\n" * (not done.stdout.endswith(wanted))
    assert wanted != "".join(api.generate(loaded(model), prime=prime, length=80, seed=1))
    before = api.score(loaded(model), prime).bpc
    scored = run("score", model, "page.txt", "--adapt", "--json", "--adapt-rate", 0.01, cwd=tmp_path)
    bits = f"{json.loads(scored.stdout)['bpc']:.3f} bits per character while it read them"
    says = f"learned from 480 characters: {bits}, {before:.3f} without learning"
    assert says in done.stderr.splitlines()
    assert run("sample", model, *words, "--quiet", cwd=tmp_path).stderr == ""
    alone = run("sample", model, *words, "--no-echo", cwd=tmp_path).stdout
    assert alone.removesuffix("\n") == wanted.removesuffix("\n")
    stdin = ("--adapt", "--prime", "-", *words[3:])
    assert run("sample", model, *stdin, cwd=tmp_path, input=prime).stdout == done.stdout
    printed = run("sample", model, *words, "--json", "--count", 2, cwd=tmp_path).stdout
    objects = [*map(json.loads, printed.splitlines())]
    assert [each["text"] for each in objects][:1] == [wanted]
    assert [each["prime"] for each in objects] == [prime] * 2
    (sample,) = api.samples(adapted, prime=prime, length=80, seed=1, count=1)
    assert objects[0]["bpc"] == pytest.approx(sample.bpc)
    narrow = run("sample", model, *words, "--precision", "int8", "--no-echo", cwd=tmp_path)
    assert "weights in int8" in narrow.stderr.splitlines()
    letters = run("sample", model, *words, "--allow", "a-h ", "--no-echo", cwd=tmp_path).stdout
    assert len(letters.removesuffix("\n")) == 80
    assert {*letters} <= {*"abcdefgh \n"}


def test_a_model_of_lines_writes_lines_like_those_of_the_prime(tmp_path: Path) -> None:
    path = DOCS / "names.safetensors"
    words = ("--adapt", "--prime", "-", "--count", 30, "--seed", 1)
    done = run("sample", path, *words, cwd=tmp_path, input=NAMES)
    adapted = api.adapt(loaded(path), NAMES)
    assert done.stdout.splitlines() == [line.text for line in api.sample_lines(adapted, count=30, seed=1)]
    endings = ("zle\n", "kin\n", "zuz\n")
    plain = run("sample", path, "--count", 30, "--seed", 1, cwd=tmp_path).stdout
    assert sum(map(done.stdout.count, endings)) > 8
    assert sum(map(plain.count, endings)) == 0


def test_the_engine_of_a_sample_suits_the_text_that_it_learns_from(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("numba")
    env = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}  # in which nothing is compiled
    for chars, is_long in ((4000, False), (6000, True)):
        words = ("--adapt", "--prime", "-", "-n", 9, "--adapt-segment", 1000)
        done = charrnn("sample", model, *words, cwd=tmp_path, input=(TEXT * 9)[:chars], env=env)
        assert done.returncode == 0, done.stderr
        assert ("compiling" in done.stderr) == is_long


def test_a_sample_of_a_model_that_became_worse_is_refused(model: Path, tmp_path: Path) -> None:
    words = ("--adapt", "--prime", "-", "--adapt-rate", 1, "-n", 9, "--seed", 1)
    done = charrnn("sample", model, *words, cwd=tmp_path, input=OPENING)
    assert error_line(done, 1).endswith("now predicts worse than before: give a --adapt-rate of 0.003")


def test_unknown_characters_of_a_prime_are_left_out(model: Path, tmp_path: Path) -> None:
    words = ("sample", model, "--adapt", "--prime", OPENING[:60] + "ж", "--seed", 1, "-n", 9)
    assert "--unknown skip" in charrnn(*words, cwd=tmp_path).stderr
    done = run(*map(str, words), "--unknown", "skip", cwd=tmp_path)
    assert done.stdout.startswith(OPENING[:60])
    assert "characters of the prime that the model has never seen were left out: 1" in done.stderr
    assert "learned from 60 characters" in done.stderr
    words = ("sample", model, "--adapt", "--prime", "жж", "--unknown", "skip", "--quiet")
    error = error_line(charrnn(*words, cwd=tmp_path), 1)
    assert "there is no text to learn from: the model knows none of the prime's characters" in error


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--adapt", "--adapt needs a text to learn from: --prime or --prime-file"),
        ("--adapt-rate 0.1", "--adapt-rate says how --adapt learns"),
        ("--adapt --prime abc --clamp-unit 0:1=0.5", "--adapt and --clamp-unit can't both be given"),
        ("--adapt --prime abc --interactive", "--adapt and --interactive can't both be given"),
        ("--adapt --prime - --per-line", "--adapt and --per-line can't both be given"),
        ("--adapt --prime abc --state-in x", "--adapt and --state-in can't both be given"),
        ("--adapt --prime abc --state-out x", "--adapt and --state-out can't both be given"),
    ],
)
def test_what_a_sample_can_not_learn_from_is_refused(words: str, says: str, model: Path, tmp_path: Path) -> None:
    assert says in error_line(charrnn("sample", model, *words.split(), "--seed", 1, cwd=tmp_path), 2)


@pytest.mark.parametrize("segment", [40, 4])
def test_a_short_prime_teaches_nothing(segment: int, model: Path, tmp_path: Path) -> None:
    words = ("--adapt", "--prime", OPENING[: segment - 1], "--adapt-segment", segment, "--seed", 1)
    error = error_line(charrnn("sample", model, *words, cwd=tmp_path), 1)
    says = f"the text is too short to learn from: give at least {segment} characters, or a smaller --adapt-segment"
    assert error.endswith(says)


RECORDS = "ab c\n%%\ncab\n%%\nabc\n"


@pytest.mark.parametrize("unknown", ["error", "skip", "nearest"])
def test_a_model_of_records_learns_from_those_of_the_prime(unknown: str, tmp_path: Path) -> None:
    separator = ("--records-by", r"\n%%\n")
    (tmp_path / "corpus.txt").write_text(RECORDS * 30)
    small = ("--hidden-size", 4, "--layers", 1, "--steps", 3, "--val-fraction", 0, "--seed", 1, "--engine", "numpy")
    run("train", "corpus.txt", *separator, *small, "--out", "a.safetensors", cwd=tmp_path)
    page = RECORDS * 8
    (tmp_path / "page.txt").write_text(page)
    words = ("--adapt", "--prime-file", "page.txt", "--unknown", unknown, "--seed", 1, "-n", 9)
    done = run("sample", "a.safetensors", *words, cwd=tmp_path)
    scored = json.loads(run("score", "a.safetensors", "page.txt", "--adapt", "--json", cwd=tmp_path).stdout)
    bits = f"{scored['bpc']:.3f} bits per character while it read them"
    assert f"learned from {scored['chars']} characters: {bits}" in done.stderr
    assert "never seen" not in done.stderr
    (tmp_path / "page.txt").write_text("\n%%\n")  # a separator alone
    error = error_line(charrnn("sample", "a.safetensors", *words, "--quiet", cwd=tmp_path), 1)
    assert "there is no text to learn from: it is empty" in error


# Files


def test_a_model_that_forgot_the_beginning_of_a_text_says_so(model: Path, tmp_path: Path) -> None:
    text, words = TEXT * 3 + "".join(sorted(TEXT)) * 10, ("--out", "a.safetensors", "--force", "--rate", 0.005)
    done = run("adapt", model, *words, cwd=tmp_path, input=text)
    adaptation = api.Adaptation(loaded(model), AdaptationConfig(rate=0.005))
    api.score(loaded(model), text, adaptation=adaptation)
    bits = -adaptation.advantage_at_first() / math.log(2)
    assert f"the beginning of the text {bits:.2f} bits per character worse than before" in done.stderr
    assert "beginning" not in run("adapt", model, *words, cwd=tmp_path, input=TEXT * 3).stderr


def test_an_adapted_model_is_a_file_that_says_so(model: Path, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text(TEXT)
    done = run("adapt", model, "page.txt", "--out", "new.safetensors", "--json", cwd=tmp_path)
    before, after = api.load(model), api.load(tmp_path / "new.safetensors")
    adaptation = api.Adaptation(before.model)
    score = api.score(before.model, TEXT, adaptation=adaptation)
    static = api.score(before.model, TEXT)
    printed = json.loads(done.stdout)
    assert printed.pop("file") == "new.safetensors"
    assert printed == pytest.approx(score.as_dict() | {"bpc_without_learning": static.bpc}, rel=1e-5)
    bits = f"{score.bpc:.3f} bits per character while it read them, {static.bpc:.3f} without learning"
    assert done.stderr.splitlines() == [
        f"learned from {len(TEXT):,} characters: {bits}",
        "done: new.safetensors holds the adapted model",
    ]
    assert after.adapted == (AdaptedText("page.txt", len(TEXT), 0.003, 0.002, 40),)
    assert (after.history, after.corpus, after.training, after.step) == (
        before.history, before.corpus, before.training, before.step
    )  # fmt: skip
    assert after.run_id == ""
    for name, p in adaptation.model.params.items():
        np.testing.assert_allclose(after.model.params[name], p, rtol=1e-4, atol=1e-6)
    assert not same_arrays(after.model.params, before.model.params)
    plain = run("score", "new.safetensors", "page.txt", "--json", cwd=tmp_path).stdout
    assert json.loads(plain)["bpc"] < api.score(before.model, TEXT).bpc
    assert "adapted" not in plain  # the text teaches it nothing now


def test_texts_are_read_one_after_the_other_from_files_or_stdin(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(OPENING)
    (tmp_path / "b.txt").write_text(TEXT)
    for n, (words, given) in enumerate(((("a.txt", "b.txt"), ""), ((), OPENING + TEXT), (("a.txt", "-"), TEXT))):
        done = run("adapt", model, *words, "--out", f"{n}.safetensors", cwd=tmp_path, input=given)
        assert done.stdout == ""
        assert same_arrays(loaded(tmp_path / f"{n}.safetensors").params, loaded(tmp_path / "0.safetensors").params)
    names = [api.load(tmp_path / f"{n}.safetensors").adapted[0].name for n in range(3)]
    assert names == ["a.txt and 1 more", "stdin", "a.txt and 1 more"]
    run("adapt", model, "b.txt", "b.txt", "--out", "twice.safetensors", cwd=tmp_path)
    assert api.load(tmp_path / "twice.safetensors").adapted[0].name == "b.txt"
    quiet = run("adapt", model, "a.txt", "--out", "q.safetensors", "--quiet", cwd=tmp_path)
    assert (quiet.stdout, quiet.stderr) == ("", "")


@posix
def test_a_terminal_shows_how_much_was_read(model: Path, records: Path, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text(TEXT)
    given = ("page.txt", "--engine", "numpy")
    for words in (
        ("score", model, "--adapt", *given),
        ("score", records, "--adapt", *given, "--unknown", "skip"),
        ("adapt", model, *given, "--out", "a.safetensors"),
    ):
        shown = notices_on_a_terminal(*words, cwd=tmp_path, env={})
        assert "100%" in shown
        assert re.search(r"learning(, [1-9][\d,]* chars/s)? ", shown)
    for words in (("score", model, "--adapt", "--quiet"), ("score", model, "--adapt", "--per-line")):
        assert "learning" not in notices_on_a_terminal(*words, *given, cwd=tmp_path, env={})


@posix
def test_the_bar_goes_on_within_a_file(model: Path, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("".join(TEXT for _ in range(1 + 40_000 // len(TEXT))))
    words = ("score", model, "--adapt", "page.txt", "--engine", "numpy", "--adapt-segment", 1000)
    shown = notices_on_a_terminal(*words, cwd=tmp_path, env={"TQDM_MININTERVAL": "0"})
    percents = {int(number) for number in re.findall(r"(\d+)%", shown)}
    assert any(0 < number < 100 for number in percents)
    assert 100 in percents


@posix
@pytest.mark.parametrize("command", ["score", "adapt", "sample"])
def test_the_bar_goes_on_from_record_to_record(command: str, records: Path, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("In want of a wife. It is a truth.\n\n" * 3600)
    words: dict[str, tuple[object, ...]] = {
        "score": (records, "--adapt", "page.txt"),
        "adapt": (records, "page.txt", "--out", "a.safetensors"),
        "sample": (records, "--adapt", "--length", 1, "--prime-file", "page.txt"),
    }
    segment = "--segment" if command == "adapt" else "--adapt-segment"
    shown = notices_on_a_terminal(
        command, *words[command], "--engine", "numpy", segment, 1000, cwd=tmp_path, env={"TQDM_MININTERVAL": "0"}
    )
    while_it_learns = re.findall(r"(\d+)%[^%]*learning, [1-9]", shown)  # which has a speed then
    assert len({number for number in map(int, while_it_learns) if 5 < number < 95}) > 4


@posix
def test_how_far_a_compressed_text_is_read_is_not_known(model: Path, tmp_path: Path) -> None:
    (tmp_path / "page.txt.gz").write_bytes(gzip.compress(TEXT.encode() * (1 + 40_000 // len(TEXT))))
    words = ("score", model, "--adapt", "page.txt.gz", "--engine", "numpy", "--adapt-segment", 1000)
    shown = notices_on_a_terminal(*words, cwd=tmp_path, env={"TQDM_MININTERVAL": "0"})
    assert re.search(r"\rlearning, [1-9][\d,]* chars/s 00:\d\d", shown)
    assert "%" not in shown
    assert "left" not in shown


@posix
def test_sample_has_a_bar_while_it_learns_from_a_long_prime(model: Path, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("".join(TEXT for _ in range(1 + 40_000 // len(TEXT))))
    (tmp_path / "short.txt").write_text(TEXT)
    words = ("sample", model, "--adapt", "--length", 1, "--engine", "numpy", "--adapt-segment", 1000, "--prime-file")
    env = {"TQDM_MININTERVAL": "0"}
    percents = re.findall(r"(\d+)%", notices_on_a_terminal(*words, "page.txt", cwd=tmp_path, env=env))
    assert any(0 < int(number) < 100 for number in percents)
    assert "100" in percents
    for more in (("page.txt", "--quiet"), ("short.txt",)):
        assert "%" not in notices_on_a_terminal(*words, *more, cwd=tmp_path, env=env)


def test_an_adapted_model_is_inspected_and_adapted_again(model: Path, tmp_path: Path) -> None:
    given = ("--rate", 0.01, "--pull", 0, "--segment", 8)
    run("adapt", model, "--out", "a.safetensors", *given, cwd=tmp_path, input=OPENING)
    run("adapt", "a.safetensors", "--out", "b.safetensors", cwd=tmp_path, input=TEXT)
    data = json.loads(charrnn("inspect", "b.safetensors", "--json", cwd=tmp_path).stdout)
    first = {"name": "stdin", "chars": len(OPENING), "rate": 0.01, "pull": 0.0, "segment": 8}
    assert data["adapted"] == [
        first,
        {"name": "stdin", "chars": len(TEXT), "rate": 0.003, "pull": 0.002, "segment": 40},
    ]
    shown = charrnn("inspect", "a.safetensors", cwd=tmp_path).stdout
    assert f"adapted to    stdin, {len(OPENING)} characters, rate 0.01, pull 0.0, segment 8" in shown
    assert "weights from" in shown
    assert "adapted" not in charrnn("inspect", model, cwd=tmp_path).stdout
    assert "adapted" not in charrnn("inspect", model, "--json", cwd=tmp_path).stdout


def test_the_page_says_that_a_loss_is_from_before_the_adaptation(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    run("adapt", model, "--out", "a.safetensors", cwd=tmp_path, input=OPENING)
    for path, says in ((model, False), ("a.safetensors", True)):
        words = ("--page", "page.html", "--no-text", "--force", "--corpus", model.parent / "corpus.txt")
        done = charrnn("inspect", path, *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert ("before it was adapted" in (tmp_path / "page.html").read_text(encoding="utf-8")) == says


def test_another_encoding_is_that_of_the_text_alone(model: Path, tmp_path: Path) -> None:
    words = ("--encoding", "utf-16-le", "--out", "a.safetensors")
    run("adapt", model, *words, cwd=tmp_path, input=OPENING.encode("utf-16-le"))
    assert loaded(tmp_path / "a.safetensors").text_form == loaded(model).text_form
    run("adapt", model, "--out", "b.safetensors", cwd=tmp_path, input=OPENING)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_unknown_characters_are_skipped_if_asked(model: Path, tmp_path: Path) -> None:
    error = error_line(charrnn("adapt", model, "--out", "a.safetensors", cwd=tmp_path, input="жж"), 1)
    assert "--unknown skip" in error
    assert not (tmp_path / "a.safetensors").exists()
    done = run("adapt", model, "--out", "a.safetensors", "--unknown", "skip", cwd=tmp_path, input=OPENING + "жж")
    assert "skipped characters that the model has never seen: 2" in done.stderr.splitlines()
    words = ("adapt", model, "--out", "b.safetensors", "--unknown", "skip")
    *notices, error = charrnn(*words, cwd=tmp_path, input=OPENING[:9] + "ж" * 50).stderr.splitlines()
    assert "skipped characters that the model has never seen: 50" in notices
    says = "the text is too short to learn from: give at least 40 characters, or a smaller --segment"
    assert error == f"charrnn: {says}"


@posix
def test_what_was_learned_until_an_interruption_is_not_saved(model: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = started("adapt", model, "pipe", "--out", "a.safetensors", cwd=tmp_path)
    with command as process, open(tmp_path / "pipe", "w") as pipe:  # which waits until it reads
        pipe.write(TEXT)
        pipe.flush()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert err.decode().splitlines()[-1] == "interrupted: nothing is saved"
    assert not (tmp_path / "a.safetensors").exists()


def test_a_file_is_overwritten_only_by_force(model: Path, tmp_path: Path) -> None:
    for path in (model, resume_path(model)):
        shutil.copy(path, tmp_path / path.name)
    kept = {path.name: path.read_bytes() for path in tmp_path.glob("*.safetensors")}
    assert len(kept) == 2
    adapt = ("adapt", model.name, "--out")
    line = error_line(charrnn(*adapt, model.name, cwd=tmp_path, input=OPENING), 1)
    assert f"{model.name} exists: overwrite it with --force, or give another --out" in line
    shutil.move(tmp_path / model.name, tmp_path / "moved.safetensors")
    line = error_line(charrnn("adapt", "moved.safetensors", *adapt[2:], model.name, cwd=tmp_path, input=OPENING), 1)
    assert resume_path(model).name in line
    shutil.move(tmp_path / "moved.safetensors", tmp_path / model.name)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.safetensors")} == kept
    run(*adapt, model.name, "--force", cwd=tmp_path, input=OPENING)
    assert (tmp_path / resume_path(model).name).read_bytes() == kept[resume_path(model).name]
    # The training beside it does not go on into it
    line = error_line(charrnn("train", "--resume", "--out", model.name, "--steps", 40, cwd=tmp_path), 1)
    assert f"{model.name} belongs to another run" in line
    assert api.load(tmp_path / model.name).adapted


def test_there_is_no_training_of_an_adapted_model_to_resume(model: Path, tmp_path: Path) -> None:
    run("adapt", model, "--out", "a.safetensors", cwd=tmp_path, input=OPENING)
    assert "no training to resume" in error_line(charrnn("train", "a.safetensors", "--resume", cwd=tmp_path), 1)
    (tmp_path / "corpus.txt").write_text(TEXT)
    words = ("--init-from", "a.safetensors", "--steps", 2, "--seed", 1, "--out", "b.safetensors")
    done = charrnn("train", "corpus.txt", "--engine", "numpy", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert api.load(tmp_path / "b.safetensors").adapted == ()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("text.txt", 2, "--out FILE says where the adapted model is saved"),
        ("text.txt --out a.txt", 2, "must end in .safetensors"),
        ("text.txt --out a.resume.safetensors", 2, "must end in .safetensors"),
        ("text.txt --out text.txt/a.safetensors", 1, "can't write text.txt/a.safetensors: text.txt is not a folder"),
        (
            "text.txt --out text.txt/b/a.safetensors",
            1,
            "can't write text.txt/b/a.safetensors: text.txt is not a folder",
        ),
        ("text.txt/a --out a.safetensors", 1, "can't read text.txt/a: text.txt is not a folder"),
        ("missing.txt --out a.safetensors", 1, "can't read missing.txt"),
        ("empty.txt --out a.safetensors", 1, "there is no text to learn from: it is empty"),
        ("short.txt --out a.safetensors", 1, "too short to learn from: give at least 40 characters"),
        ("text.txt --out a.safetensors --rate 1", 1, "now predicts worse than before: give a --rate of 0.003"),
        ("text.txt --out a.safetensors --rate 2", 2, "--rate must be from 0 to 1, not 2"),
        ("text.txt --out a.safetensors --segment 0", 2, "--segment must be from 1 to 1000, not 0"),
        ("text.txt --out a.safetensors --unknown count", 2, "--unknown can't be 'count': choose one of error, skip"),
        ("text.txt --out a.safetensors --engine x", 2, "--engine can't be 'x'"),
    ],
)
def test_bad_command_lines_are_refused(words: str, code: int, says: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(OPENING)
    (tmp_path / "empty.txt").touch()
    (tmp_path / "short.txt").write_text(OPENING[:39])
    assert says in error_line(charrnn("adapt", model, *words.split(), cwd=tmp_path), code)
    assert not list(tmp_path.glob("*.safetensors"))


def test_what_is_said_of_adapted_texts_is_checked(small: dict[str, Path], tmp_path: Path) -> None:
    good = {"name": "a", "chars": 5, "rate": 0.1, "pull": 0.1, "segment": 20}
    tensors, metadata = parts_of(small["model"])
    path = tmp_path / "bad.safetensors"
    save_file(tensors, path, metadata | {"adapted": json.dumps([good])})
    assert api.load(path).adapted == (AdaptedText("a", 5, 0.1, 0.1, 20),)
    bad: list[object] = [5, "x", None, {}, good, [5], [[]], [{}], [good] * 1001]
    changes: list[dict[str, object]] = [
        *({"name": value} for value in (5, None, "a" * 10_001)),
        *({"chars": value} for value in (-1, 1.5, 2**60)),
        *({"rate": value} for value in (2, None, float("nan"))),
        *({"pull": -0.1}, {"segment": 0}, {"segment": True}, {"x": 1}),
    ]
    bad += [[good | change] for change in changes]
    for value in bad:
        save_file(tensors, path, metadata | {"adapted": json.dumps(value)})
        assert "'adapted'" in load_error("model", path)


def test_a_model_that_was_not_adapted_is_saved_as_ever(model: Path, tmp_path: Path) -> None:
    api.save(tmp_path / "again.safetensors", api.load(model))
    assert (tmp_path / "again.safetensors").read_bytes() == model.read_bytes()


def test_pytorch_loads_an_adapted_model(model: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    run("adapt", model, "--out", "a.safetensors", cwd=tmp_path, input=OPENING)
    adapted = loaded(tmp_path / "a.safetensors")
    V, H, L = adapted.config.vocab_size, adapted.config.hidden_size, adapted.config.layers
    net = torch.nn.ModuleDict({"rnn": torch.nn.LSTM(V, H, L), "decoder": torch.nn.Linear(H, V)})
    net.load_state_dict(load_file(tmp_path / "a.safetensors"))
    ids = torch.tensor([3, 1, 4])
    logits = net["decoder"](net["rnn"](torch.nn.functional.one_hot(ids, V).float())[0])
    wanted, _ = adapted.forward(ids.numpy()[:, None], adapted.zero_state(1))
    torch.testing.assert_close(logits, torch.from_numpy(wanted[:, 0]), rtol=1e-4, atol=1e-4)
