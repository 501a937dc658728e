"""The model card: a folder with the model's file and a README.md that hubs can read, whose examples run."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from charrnn.checkpoint import model_file
from charrnn.checkpoint.adapted_text import AdaptedText
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.dataset.control_characters import CONTROL, one_line
from charrnn.dataset.label_set import LabelSet
from charrnn.errors import CheckpointError
from charrnn.export.card import card, to_folder
from charrnn.export.examples import known_text
from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model
from support import readmes
from support.cells import CELLS
from support.checkpoints import parts_of
from support.processes import charrnn
from support.random_models import random_model
from support.readmes import DOCS
from support.trainings import SMALL, VERSE, run, run_of, start_in

yaml = pytest.importorskip("yaml")

MODELS = sorted(path.stem for path in DOCS.glob("*.safetensors"))
HOSTILE = 'a`b``|<script>alert(1)</script>[x](http://y) *c* _d_ $e$ @f #g ![h](i)\n---\n\\ "k": \u202e\x07\ud800 é😀'
"""What is markup in Markdown, HTML or YAML, and what no file should have."""


def fixture(name: str) -> Checkpoint:
    return model_file.load(DOCS / f"{name}.safetensors")


def parts(text: str) -> tuple[dict[str, object], str]:
    """The data at the beginning of a card, and its Markdown."""
    empty, front, body = text.split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(front), body


def blocks(folder: Path, language: str) -> list[str]:
    """The blocks of a card in a language."""
    return [block.text for block in readmes.blocks(folder / "README.md", language)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each model of the documents."""
    root = tmp_path_factory.mktemp("cards")
    for name in MODELS:
        to_folder(root / name, fixture(name))
    return {name: root / name for name in MODELS}


# What hubs and readers find


@pytest.mark.parametrize("name", MODELS)
def test_a_folder_has_the_model_and_a_card(name, folders):
    assert {path.name for path in folders[name].iterdir()} == {"model.safetensors", "README.md"}
    again = model_file.load(folders[name] / "model.safetensors")
    wanted = fixture(name)
    assert replace(again, model=None, version="") == replace(wanted, model=None, version="")
    np.testing.assert_array_equal(again.model.params["W_out"], wanted.model.params["W_out"])
    assert again.model.vocabulary == wanted.model.vocabulary


@pytest.mark.parametrize(
    ("name", "task", "loss"),
    [
        ("tales", "text-generation", 1.331),
        ("names", "text-generation", 1.843),
        ("dates", "translation", 0.001),
        ("classifier", "text-classification", 0.887),
        ("tagger", "token-classification", 0.013),
    ],
)
def test_hubs_find_the_task_the_library_and_the_loss(name, task, loss, folders):
    checkpoint, (front, _) = fixture(name), parts((folders[name] / "README.md").read_text(encoding="utf-8"))
    assert list(front) == ["library_name", "pipeline_tag", "tags", "model-index"]
    assert (front["library_name"], front["pipeline_tag"]) == ("charrnn", task)
    assert front["tags"] == ["character-level", checkpoint.model.config.cell]
    ((model,), (result,)) = front["model-index"], front["model-index"][0]["results"]
    assert (model["name"], result["task"]) == (name, {"type": task})
    assert result["dataset"] == {"name": checkpoint.corpus.name, "type": checkpoint.corpus.name}
    (metric,) = result["metrics"]
    assert metric["type"] == "loss"
    assert metric["value"] == pytest.approx(loss, abs=5e-4)


def test_the_license_is_the_users_or_none():
    assert "license" not in parts(card(fixture("tales"), "a"))[0]
    for license in ("mit", "cc-by-4.0", 'no: "way" #1'):
        front, _ = parts(card(fixture("tales"), "a", license))
        assert next(iter(front)) == "license"
        assert front["license"] == license


def test_a_card_has_the_data_the_losses_and_the_settings(folders):
    _, body = parts((folders["tales"] / "README.md").read_text(encoding="utf-8"))
    checkpoint = fixture("tales")
    assert "an LSTM of 1 layer with 128 units: 114,123 parameters, and a vocabulary of 75 characters" in body
    assert "| corpus | saltmarrow.txt, 272,312 bytes |" in body
    assert f"| SHA-256 | {checkpoint.corpus.digest} |" in body
    assert "| learned from | 245,081 characters |\n| validated on | 27,231 characters |" in body
    assert "step 6,000 in epoch 50, with a validation loss of 1.3313 nats or 1.9207 bits." in body
    for row in checkpoint.history:
        assert f"| {row.train_loss:.4f} | {row.val_loss:.4f} |" in body
    assert "batch_size 32, seq_length 64, optimizer adam, lr 0.01," in body
    assert [line for line in body.splitlines() if line.startswith("#")] == [
        *("# tales", "## Data", "## Losses", "## Samples", "## Usage")
    ]


def test_a_long_history_is_thinned_and_keeps_the_first_the_best_and_the_last():
    checkpoint = fixture("tales")
    row = checkpoint.history[0]
    rows = [replace(row, step=k, epoch=0, val_loss=2 + abs(k - 333) / 1000, train_loss=None) for k in range(1, 1001)]
    _, body = parts(card(replace(checkpoint, history=rows, step=333), "a"))
    steps = [int(step.replace(",", "")) for step in re.findall(r"^\| ([\d,]+) \| \d+ \| ", body, re.MULTILINE)]
    assert len(steps) == 12
    assert {1, 333, 1000} < {*steps}
    assert steps == sorted(steps)
    assert "of step 333 in epoch 1, with a validation loss of 2.0000 nats or" in body


def test_what_a_model_was_trained_on_can_be_left_out():
    front, body = parts(card(fixture("tales").without_provenance(), "a"))
    assert set(front) == {"library_name", "pipeline_tag", "tags"}
    assert [line for line in body.splitlines() if line.startswith("#")] == ["# a", "## Samples", "## Usage"]
    assert "saltmarrow" not in body


def test_losses_are_those_before_a_model_learned_from_other_texts():
    texts = (AdaptedText("log|book.txt", 2000, 0.1, 0.1, 20),)
    front, body = parts(card(replace(fixture("tales"), adapted=texts), "a"))
    assert "model-index" not in front
    assert r"| later learned from | log\|book.txt, 2,000 characters |" in body
    assert "1.9207 bits, before the model learned from other texts." in body


def test_a_model_without_validation_has_no_validation_loss(small_lines):
    front, body = parts(card(model_file.load(small_lines["model"]), "a"))
    assert "model-index" not in front
    assert "The weights are those of step 3 in epoch 1." in body


# What it shows


@pytest.mark.parametrize("name", ["tales", "names", "regions"])
def test_the_samples_are_those_of_the_command_above_them(name, folders):
    text = (folders[name] / "README.md").read_text(encoding="utf-8").partition("## Samples")[2].partition("## ")[0]
    words = shlex.split(text.partition("`")[2].partition("`")[0])[1:]
    samples = blocks_of(text)
    labels = ["England", "Ireland", "Scotland", "Wales"] if "LABEL" in words else [None]
    for label in labels:
        args = [label if word == "LABEL" else word for word in words] + ["--engine", "numpy", "--quiet"]
        done = charrnn(*args, cwd=folders[name])
        assert done.returncode == 0, done.stderr
        if label:
            assert f"{label}\t{done.stdout.rstrip()}" in samples[0].splitlines()
        else:
            assert done.stdout.split() == "\n".join(samples).split()


def blocks_of(markdown: str) -> list[str]:
    """The texts of the blocks of code."""
    return [token.content for token in MarkdownIt().parse(markdown) if token.type == "fence"]


def test_models_that_answer_or_rewrite_have_no_samples(folders):
    for name in ("classifier", "dates", "tagger"):
        assert "## Samples" not in (folders[name] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("layout", ["stream", "lines", "pairs"])
def test_nothing_of_a_model_is_markup(layout):
    """Neither in YAML nor in Markdown, wherever a name, a label, a license or a sample stands."""
    model = random_model("gru", dict.fromkeys("\n\t" + HOSTILE), layers=1, scale=0.3, layout=layout)
    label = HOSTILE.replace("\n", " ")
    if layout == "pairs":
        model = replace(model, labels=LabelSet((label, "a`b``", " ", "`", "<script>"), (5, 4, 3, 2, 1)))
    checkpoint = fixture("regions")
    corpus = replace(checkpoint.corpus, name=HOSTILE, val_name=HOSTILE, digest=HOSTILE)
    hostile = replace(checkpoint, model=model, corpus=corpus)
    front, body = parts(card(hostile, HOSTILE, HOSTILE))
    known = HOSTILE.replace("\ud800", "\ufffd")
    assert front["license"] == front["model-index"][0]["name"] == known
    assert front["model-index"][0]["results"][0]["dataset"]["name"] == known
    adapted = (AdaptedText(HOSTILE, 2000, 0.1, 0.1, 20),)
    for text, rows in ((body, 5 + 11), (parts(card(replace(hostile, adapted=adapted), HOSTILE))[1], 6 + 11)):
        tokens = MarkdownIt("commonmark").enable("table").parse(text)
        inline = [part for token in tokens for part in token.children or ()]
        kinds = {token.type for token in (*tokens, *inline)}
        assert kinds & {"html_block", "html_inline", "link_open", "image", "em_open", "strong_open", "hr"} == set()
        assert sum(token.type == "heading_open" for token in tokens) == 5
        fences = [token.info for token in tokens if token.type == "fence"]
        assert fences == ["", *[""] * 2 * (layout == "stream"), "sh", "python", "python"]
        assert sum(token.type == "tr_open" for token in tokens) == rows
        codes = [part.content for part in inline if part.type == "code_inline"]
        assert layout != "pairs" or {one_line(label), "a`b``", " ", "`", "<script>"} <= {*codes}
        assert text.isascii() or not re.search(f"[{CONTROL}]", text)


# The examples


@pytest.mark.parametrize("name", MODELS)
def test_the_command_of_a_card_runs(name, folders):
    (line,) = blocks(folders[name], "sh")
    *before, use = line.strip().split(" | ")
    text = shlex.split(before[0])[-1] + "\n" if before else ""
    done = charrnn(*shlex.split(use)[1:], cwd=folders[name], input=text)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("name", MODELS)
def test_the_python_of_a_card_runs(name, folders, monkeypatch, capsys):
    monkeypatch.chdir(folders[name])
    exec(blocks(folders[name], "python")[0], {})
    assert capsys.readouterr().out.strip()


def logits_of(model: Model, text: str):
    """What the PyTorch example of a card computes for its text."""
    if model.config.form == "language_model":
        ids = model.vocabulary.encode(text)
        return model.forward(ids[:, None], model.zero_state(1))[0][:, 0]
    ids = model.vocabulary.encode(text)[:, None]
    if model.config.form == "translator":
        workspace, lengths = Workspace(), np.array([len(ids)])
        source = model.network.read(model.params, ids, lengths, workspace)
        tab = model.vocabulary.encode("\t")
        state = model.network.decoder.zero_state(1)
        return model.network.step(model.params, tab, state, source, workspace)[0]
    logits = model.network.logits(model.params, ids)
    return logits[0] if model.config.form == "classifier" else logits[:, 0]


def check_pytorch(checkpoint: Checkpoint, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compares the logits of the example with the model's own."""
    pytest.importorskip("torch")
    to_folder(folder, checkpoint)
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    exec(blocks(folder, "python")[1], names)
    model, text = checkpoint.model, known_text(checkpoint.model)
    if model.config.form == "language_model":
        begin = model.vocabulary.characters[model.start]
        label = max(zip(model.labels.counts, model.labels.names, strict=True))[1] if model.labels else text
        text = f"{begin}{label}\t" if model.layout == "pairs" else begin + text
    np.testing.assert_allclose(names["logits"].detach().numpy(), logits_of(model, text), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", SMALL)
def test_the_pytorch_of_a_card_computes_the_same_logits(layout, tmp_path, monkeypatch):
    more = {"lm_weight": 0.5} if layout in ("labels", "tags") else {}
    trainer = run(start_in(layout, steps=2, **more))
    check_pytorch(Checkpoint.from_trainer(trainer), tmp_path, monkeypatch)


@pytest.mark.parametrize("characters", ["\n ab`'é\\\"", None, "x"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_pytorch_of_every_cell_and_vocabulary_computes_the_same_logits(cell, characters, tmp_path, monkeypatch):
    check_pytorch(Checkpoint(random_model(cell, characters, scale=0.5)), tmp_path, monkeypatch)


# The files


def test_what_is_there_is_kept_unless_it_is_forced(tmp_path):
    checkpoint = Checkpoint(random_model(scale=0.5))
    for name in ("README.md", "model.safetensors"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("mine")
        with pytest.raises(
            CheckpointError, match=rf"^\S+{name} exists: overwrite it with `force=True`, or give another"
        ):
            to_folder(folder, checkpoint)
        assert [path.name for path in folder.iterdir()] == [name]
        assert (folder / name).read_text() == "mine"
        to_folder(folder, checkpoint, title="yours", force=True)
        assert "# yours\n" in (folder / "README.md").read_text(encoding="utf-8")
        assert "vocabulary" in parts_of(folder / "model.safetensors")[1]


def test_a_folder_that_cant_be_written_is_an_error_of_its_own(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"^can't write "):
        to_folder(tmp_path / "file" / "folder", Checkpoint(random_model(scale=0.5)))


def test_a_model_that_is_nan_has_no_card(tmp_path):
    model = random_model()
    model = replace(model, params={name: np.full_like(p, 3e38) for name, p in model.params.items()})
    with pytest.raises(CheckpointError, match=r"^the model's predictions are NaN or infinite"):
        to_folder(tmp_path / "folder", Checkpoint(model))
    assert not (tmp_path / "folder").exists()


def test_the_same_model_has_the_same_card():
    assert card(fixture("names"), "a") == card(fixture("names"), "a")


def test_a_card_tells_of_n_grams_and_pytorch_leaves_them_out(tmp_path, monkeypatch):
    checkpoint = Checkpoint.from_trainer(run_of(VERSE, ngrams=3))
    table = checkpoint.model.ngrams
    text = card(checkpoint, "verse")
    assert f"bits, and of {table.loss:.4f} nats mixed with the predictions of counted n-grams." in text
    assert "PyTorch computes the same, but for the n-grams, from the file alone" in text
    check_pytorch(checkpoint, tmp_path, monkeypatch)
