"""The formats of export: the one that a name means, and the options that it takes."""

from dataclasses import replace
from pathlib import Path

import pytest

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.errors import ConfigError
from charrnn.export import formats
from charrnn.export.options import ExportOptions
from support.random_models import random_model


def write_x(source: Path, checkpoint: Checkpoint, destination: Path, options: ExportOptions) -> int:
    """A writer of one byte."""
    return destination.write_text("x")


def test_a_format_writes_what_its_suffix_means_and_refuses_options_that_it_does_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = replace(formats.FORMATS[0], options=("precision", "provenance"))
    other = formats.Format((".other",), ("title",), lambda: write_x)
    monkeypatch.setattr(formats, "FORMATS", (page, other))
    source, checkpoint = tmp_path / "m.safetensors", Checkpoint(random_model())
    source.touch()
    html = tmp_path / "a.HTML"
    assert formats.export(source, checkpoint, html, ExportOptions(provenance=False)) == html.stat().st_size > 10_000
    assert formats.export(source, checkpoint, tmp_path / "a.other", ExportOptions(title="x")) == 1
    for name, options in (
        ("a.html", ExportOptions(title="x")),
        ("a.other", ExportOptions(precision="int8")),
        ("a.other", ExportOptions(provenance=False)),
    ):
        with pytest.raises(ConfigError, match=r"is not for a \.\w+ file: leave it out"):
            formats.export(source, checkpoint, tmp_path / name, options)


def test_a_name_that_no_format_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"a\.txt can't be used: it must end in \.html, \.htm, \.onnx, or be that of a folder"
    ):
        formats.export(tmp_path, Checkpoint(random_model()), tmp_path / "a.txt", ExportOptions())
