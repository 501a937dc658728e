"""`charrnn export` as a process: which model, which file, and what is refused."""

from pathlib import Path

import pytest

import charrnn as api
from support.processes import TEXT, charrnn, error_line, train_model
from support.readmes import DOCS

TALES = DOCS / "tales.safetensors"


def exported(*args: object, cwd: Path) -> str:
    """What a successful `charrnn export` says."""
    done = charrnn("export", *args, cwd=cwd)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return done.stderr


def test_a_page_is_written_and_no_file_is_overwritten_without_force(tmp_path: Path) -> None:
    said = exported(TALES, "tales.html", cwd=tmp_path)
    page = tmp_path / "tales.html"
    assert said == f"wrote tales.html, {page.stat().st_size:,} bytes\n"
    first = page.read_bytes()
    error = error_line(charrnn("export", TALES, "tales.html", cwd=tmp_path), 1)
    assert error == "charrnn: tales.html exists: overwrite it with --force, or give another name"
    assert not exported(TALES, "tales.html", "--force", "--quiet", cwd=tmp_path)
    assert page.read_bytes() == first
    exported(TALES, "tales.HTM", "--precision", "bfloat16", "--title", "Tales & more", "--temp", 0.55, cwd=tmp_path)
    page = (tmp_path / "tales.HTM").read_text(encoding="utf-8")
    assert "<title>Tales &amp; more</title>" in page
    assert 'id="temp" min="0" max="2" step="0.01" value="0.55"' in page


def test_without_a_model_the_newest_is_exported(tmp_path: Path) -> None:
    model = train_model(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    model.rename(tmp_path / "checkpoints" / "new.safetensors")
    said = exported("page.html", "--no-provenance", cwd=tmp_path)
    assert said.startswith(f"model: {Path('checkpoints', 'new.safetensors')}\nwrote page.html, ")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "corpus.txt" not in page
    exported("page.html", "--force", cwd=tmp_path)
    assert "corpus.txt" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["dates.safetensors", "a.html"], 1, "this model is a translator: use `charrnn translate`"),
        (["classifier.safetensors", "a.html"], 1, "this model is a classifier: use `charrnn classify`"),
        (["tagger.safetensors", "a.html"], 1, "this model is a tagger: use `charrnn tag`"),
        (["nofile.safetensors", "a.html"], 1, "there is no "),
        (["tales.safetensors", "no/a.html"], 1, "there is no folder no"),
        (["tales.safetensors", "a.pdf"], 2, "the name a.pdf can't be used: it must end in .html, .htm, .onnx, or be"),
        (
            ["tales.safetensors", "a.onnx", "--precision", "int8"],
            2,
            "--precision is not for a .onnx file: leave it out",
        ),
        (["tales.safetensors", "a.html", "--license", "mit"], 2, "--license is not for a .html file: leave it out"),
        (["tales.safetensors", "a", "--temp", "0.5"], 2, "--temp is not for a folder: leave it out"),
        (["dates.safetensors", "a.onnx"], 2, "a translator can't be an ONNX file"),
        (["tales.safetensors"], 2, "tales.safetensors tales.html"),
        ([], 2, "give the name of the file to write too: charrnn export page.html"),
        (["tales.safetensors", "a.html", "--temp", "2.5"], 2, "--temp must be from 0 to 2, not 2.5"),
        (["tales.safetensors", "a.html", "--precision", "float32"], 2, "--precision can't be 'float32'"),
    ],
)
def test_what_can_not_be_exported_is_one_line_and_leaves_no_file(
    args: list[str], code: int, said: str, tmp_path: Path
) -> None:
    words = [str(DOCS / word) if word.endswith(".safetensors") else word for word in args]
    assert said in error_line(charrnn("export", *words, cwd=tmp_path), code)
    assert not [*tmp_path.iterdir()]


def test_an_onnx_file_is_what_the_library_writes(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = train_model(tmp_path, TEXT, "--ngrams", 3)
    said = exported(model, "a.onnx", cwd=tmp_path)
    size = (tmp_path / "a.onnx").stat().st_size
    left_out = "left out: the n-grams, so that it predicts as the network alone does"
    assert said == f"{left_out}\nwrote a.onnx, {size:,} bytes\n"
    from charrnn.export.onnx import to_onnx

    assert (tmp_path / "a.onnx").read_bytes() == to_onnx(api.load(model))
    exported(model, "b.onnx", "--no-provenance", cwd=tmp_path)
    keys = [{each.key for each in onnx.load(tmp_path / name).metadata_props} for name in ("a.onnx", "b.onnx")]
    assert keys[0] - keys[1] >= {"corpus", "history", "training"}


def test_a_folder_has_a_model_and_a_card(tmp_path: Path) -> None:
    model = train_model(tmp_path, TEXT, "--ngrams", 3)
    said = exported(model, "hub", "--title", "A *truth*", "--license", "mit", cwd=tmp_path)
    folder = tmp_path / "hub"
    sizes = sum(path.stat().st_size for path in folder.iterdir())
    assert said == f"wrote hub, {sizes:,} bytes\n"
    assert (folder / "model.safetensors").read_bytes() == model.read_bytes()
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert 'license: "mit"' in card
    assert "# A \\*truth\\*\n" in card
    error = error_line(charrnn("export", model, "hub", cwd=tmp_path), 1)
    assert error.endswith("model.safetensors exists: overwrite it with --force, or give another folder")
    exported(model, "hub/", "--no-provenance", "--force", cwd=tmp_path)
    assert "corpus.txt" not in (folder / "README.md").read_text(encoding="utf-8")
    (tmp_path / "file").touch()
    assert "file is a file: give the name of a folder" in error_line(charrnn("export", model, "file", cwd=tmp_path), 1)
