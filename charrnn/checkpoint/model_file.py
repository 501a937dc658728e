"""The model's file: the best weights of a run and how they were trained; the file to share."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from charrnn import engine as engines
from charrnn.checkpoint import metadata as meta
from charrnn.checkpoint import ngram_tensors
from charrnn.checkpoint.adapted_text import AdaptedText
from charrnn.checkpoint.atomic_file import AtomicFile
from charrnn.checkpoint.pytorch_format import from_torch, to_torch, torch_views
from charrnn.checkpoint.tensor_file import TensorFile, create
from charrnn.config import Config, TrainingConfig
from charrnn.dataset.text_form import DEFAULT_FORM
from charrnn.errors import CheckpointError, ConfigError
from charrnn.model.display import Displayed
from charrnn.model.forms import network_for
from charrnn.model.model import Model, check_model
from charrnn.training.state import CorpusInfo, Evaluation, loss_curve

if TYPE_CHECKING:
    from charrnn.training.trainer import Trainer


@dataclass(frozen=True)
class Checkpoint(Displayed):
    """A model and how it was trained; for a file of another program the fields about training are None or empty."""

    model: Model
    step: int | None = None
    """The step of the weights, which is the best one by validation loss."""
    training: TrainingConfig | None = None
    corpus: CorpusInfo | None = None
    history: list[Evaluation] = field(default_factory=list)
    version: str = ""
    """The version of charrnn that wrote it."""
    run_id: str = ""
    """The run to which it belongs, as in the training state beside it."""
    adapted: tuple[AdaptedText, ...] = ()
    """The texts that it learned from after its training, which say nothing of the losses of the history."""
    stored_types: dict[str, str] = field(default_factory=dict, compare=False)
    """The type of each tensor in the file that it was read from, by its name there; all of them become `float32`."""

    @classmethod
    def from_trainer(cls, trainer: "Trainer") -> "Checkpoint":
        """The best model of a run so far."""
        s = trainer.state
        model = replace(trainer.best, table=meta.table_of(s.source))
        return cls(model, trainer.best_step, s.training_config, s.corpus, trainer.history, run_id=s.run_id)

    def adapted_to(self, model: Model, name: str, chars: int, how: Config) -> Self:
        """The checkpoint of a model that this one became as it learned from so many characters of a text of this name.

        `how` is a `scoring.learner.AdaptationConfig`. What was read in another encoding does not change how it reads.
        Raises `ConfigError` for another model or configuration.
        """
        check_model(model)
        ours = self.model
        if (model.config, model.vocabulary, model.layout) != (ours.config, ours.vocabulary, ours.layout):
            raise ConfigError("the model is not one that this one became: give that of its charrnn.Adaptation")
        if not isinstance(how, Config):
            raise ConfigError(f"the configuration is of the type {type(how).__name__}: give charrnn.AdaptationConfig()")
        text = AdaptedText.from_dict({"name": name, "chars": chars} | how.to_dict())
        model = replace(model, text_form=ours.text_form)
        return replace(self, model=model, run_id="", adapted=(*self.adapted, text))

    def without_provenance(self) -> Self:
        """The same model without what it was trained on and how: the corpus, the settings, the losses, the run."""
        ngrams = self.model.ngrams and self.model.ngrams.unmeasured()
        model = replace(self.model, ngrams=ngrams, line_scores=None, losses=())
        return type(self)(model, version=self.version, stored_types=self.stored_types)


def save(path: str | Path, checkpoint: Checkpoint) -> None:
    """Writes the file. Raises `CheckpointError` if it can't be written."""
    with create_model_file(Path(path), checkpoint) as file:
        file.commit()


def create_model_file(path: Path, checkpoint: Checkpoint, like: Path | None = None) -> AtomicFile:
    """The content of the file, to be committed."""
    model, ngrams = checkpoint.model, checkpoint.model.ngrams
    tensors = to_torch(model.params, model.network) | ngram_tensors.to_tensors(ngrams)
    return create(path, tensors, metadata_of(checkpoint) | ngram_tensors.to_json(ngrams), like)


def metadata_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The metadata of the file, as JSON data by key: all that a program needs to know of the model beside its weights.

    Of a model whose training is not known there are no keys about it.
    """
    model, corpus, training = checkpoint.model, checkpoint.corpus, checkpoint.training
    metadata: dict[str, Any] = {
        "model": model.config.to_dict(),
        "vocabulary": meta.vocabulary_to_json(model.vocabulary),
        "layout": model.layout,
    }
    if model.reads_lines and model.line_set is not None:
        metadata["line_set"] = model.line_set.to_json()
    if model.reads_records:
        metadata["record_form"] = model.record_form.to_json()
    if model.labels is not None:
        metadata["labels"] = model.labels.to_json()
    if model.labels is not None and model.layout == "tags":
        metadata["tags_of_words"] = model.labels.of_words
    if model.table is not None:
        metadata["table"] = model.table.to_json()
    metadata |= meta.text_form_to_json(model.text_form) | meta.scoring_to_json(model)
    metadata |= meta.adapted_to_json(checkpoint.adapted)
    if training is not None and corpus is not None:
        metadata |= {
            "step": checkpoint.step,
            "training": training.to_dict(),
            "seed": training.seed,
            "corpus": corpus.to_dict(),
            "split": {"training": corpus.training_chars, "validation": corpus.validation_chars},
            "history": meta.history_to_json(checkpoint.history),
            "run": checkpoint.run_id,
        }
    return metadata


def load(path: str | Path, engine: str = "numpy") -> Checkpoint:
    """Reads the file, for an engine that `engine.resolve` knows.

    Raises `CheckpointError` if it is missing, damaged, or does not fit its configuration.
    """
    file = TensorFile(Path(path))
    if meta.has(file, "counters"):
        raise CheckpointError(f"{path} is a training state: give the model beside it, whose name is without `.resume`")
    config, vocabulary = meta.read_model(file)
    network = network_for(config, engines.load(engines.resolve(engine)))
    blank = {name: np.broadcast_to(np.float32(0), shape) for name, shape in network.param_shapes.items()}
    shapes = {name: t.shape for name, t in torch_views(blank, network).items()}
    tensors = file.tensors(shapes, others=ngram_tensors.names_in(file))
    step = file.json("step") if file.has("step") else None
    if step is not None and (type(step) is not int or not 0 <= step <= 2**53):
        raise file.damaged("step")
    params = from_torch(tensors, network)
    if not all(np.isfinite(p).all() for p in params.values()):
        raise CheckpointError(f"{path} is damaged: the sums of its biases are infinite")
    layout = meta.read_layout(file, vocabulary)
    line_set = meta.read_line_set(file, layout)
    labels, record_form = meta.read_labels(file, layout, config, vocabulary), meta.read_record_form(file, layout)
    text_form = meta.read_text_form(file, DEFAULT_FORM)
    training = meta.read_config(file, "training", TrainingConfig) if file.has("training") else None
    if training is not None and training.layout != layout and file.format > 1:  # format 1 has no `layout`
        raise file.damaged("layout")
    history = meta.read_history(file) if file.has("history") else []
    return Checkpoint(
        Model(
            config,
            vocabulary,
            params,
            network.engine,
            layout,
            line_set,
            labels,
            text_form=text_form,
            record_form=record_form,
            unseen=meta.read_unseen(file),
            line_scores=meta.read_line_scores(file),
            table=meta.read_table(file, layout),
            ngrams=ngram_tensors.read(file, config.vocab_size),
            losses=loss_curve(history),
        ),
        step,
        training,
        meta.read_config(file, "corpus", CorpusInfo) if file.has("corpus") else None,
        history,
        meta.read_text(file, "version"),
        meta.read_text(file, "run"),
        meta.read_adapted(file),
        file.stored_types(),
    )
