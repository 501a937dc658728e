"""The run summary: what the losses of a run mean, what would lower them, and how to repeat the run."""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from lzma import LZMAError
from threading import Thread

from charrnn.cli.train.given import LAYOUT_FLAGS
from charrnn.config import PAIR_LAYOUTS, UNIT_OF_LAYOUT, ModelConfig, TrainingConfig
from charrnn.dataset import shell_words
from charrnn.dataset.split import ValidationStream, training_sample
from charrnn.errors import DivergenceError, counted
from charrnn.model.model import Model
from charrnn.scoring import windows
from charrnn.training import autoconfig, baselines, corpus_check, diagnosis, evaluation, few_data
from charrnn.training.baselines import MAX_CHARS, MAX_ORDER, Baselines
from charrnn.training.deadline import MIN_SECONDS
from charrnn.training.diagnosis import Findings
from charrnn.training.options import DATA_FIELDS, DEFAULTS_OF_LAYOUT
from charrnn.training.state import Evaluation
from charrnn.training.trainer import Trainer

ALWAYS_STATED = ("optimizer", "lr", "weight_decay", "steps", "seed", "engine", "threads")
"""Settings that the command to repeat a run always gives: their defaults depend on other settings or are random."""
BASELINE_WAIT = 1.0
"""The most seconds to wait for the baselines at the end."""
MAX_WINDOWS = 512
"""The most windows on which the validation loss is measured too."""
TRAINING_SAMPLE = 8_000
"""Characters of the training text on which the loss without dropout is measured."""


class RunSummary:
    """The summary at the end of a run; the baselines are measured in the background meanwhile."""

    def __init__(self, trainer: Trainer):
        self.trainer = trainer
        self.unit = UNIT_OF_LAYOUT.get(trainer.state.training_config.layout, "character")
        """What the loss is a mean over."""
        self.baselines: list[Baselines] = []
        self.window_losses: list[float | None] = []
        """The validation loss on windows, once it is measured."""
        self.thread = Thread(target=self._measure, daemon=True)

    def start(self) -> None:
        """Begins to measure the baselines in a thread."""
        self.thread.start()

    def _measure(self) -> None:
        trainer = self.trainer
        with suppress(MemoryError, LZMAError):  # not worth failing for
            # for pairs, only the targets count: a compressor's bits for whole lines would not compare
            if trainer.validation_data.size and trainer.state.training_config.layout not in PAIR_LAYOUTS:
                # a rank that has a part of the text has memory for little else
                limit = MAX_CHARS if trainer.has_whole_text else MAX_CHARS // 4
                texts = trainer.training_data.excerpt(limit), trainer.validation_data.excerpt(limit)
                self.baselines.append(baselines.measure(*texts, trainer.state.vocabulary))

    def lines(self, row: Evaluation | None, command: list[str] | None, model: Model | None) -> Iterator[str]:
        """The lines of the summary, after `start` was called at the beginning of the run.

        `row` is the evaluation of the weights in the model's file, and `model` has these weights, unless they can't be
        read; `command` is the command that began the run, without its settings, or None for a resumed run.
        """
        trainer = self.trainer
        config = trainer.state.training_config
        self.thread.join(BASELINE_WAIT)
        if row and row.val_loss is not None:
            yield self._loss(row.val_loss)
        if (loss := self.window_loss(model)) is not None:
            what = f"in windows of {windows.USUAL} characters, each from a fresh state as transformers read"
            yield f"{what}, it is {loss:.3f} ({loss / math.log(2):.2f} bits)"
        if model is not None and model.ngrams is not None and (mixed := model.ngrams.loss) is not None:
            table = f"n-grams of up to {model.ngrams.order + 1} characters, which weigh {model.ngrams.weight:.0%}"
            yield f"mixed with {table}, it is {mixed:.3f} ({mixed / math.log(2):.2f} bits)"
        start = self._start()
        if start and row and row.step and row.val_loss is not None:
            change = row.val_loss / start - 1
            improved = "improved on" if change < 0 else "did not improve on"
            losses = f"validation loss {start:.3f} before, {row.val_loss:.3f} after ({change:+.1%})"
            yield f"training {improved} the weights it started from: {losses}"
        if start and row and not row.step:
            why = ": training did not improve on them; try a lower --lr, or more text" if config.steps else ""
            yield f"kept the weights it started from{why}"
        elif trainer.deadline is not None and config.steps <= config.warmup:
            yield "the time ran out before much was learned: give more --time; if the engine had to compile, try again"
        elif advice := self._advice(row, model):
            yield advice
        yield from self._used_up()
        if trainer.out_of_patience:
            yield f"stopped: {counted(trainer.patience, 'evaluations')} without a better model"
        if trainer.deadline is not None and command and not trainer.state.counters.rollbacks:
            of = " with bfloat16" * (config.precision == "bfloat16" and config.engine == "numba")
            yield f"to repeat these steps on any machine{of}: {shell_words.join([*command, *self._settings()])}"

    @property
    def is_at_end(self) -> bool:
        """Whether the run has no step left."""
        s = self.trainer.state
        return self.trainer.deadline is None and s.counters.step >= s.training_config.steps

    def losses(self, row: Evaluation | None, model: Model | None) -> dict[str, float | None]:
        """The losses of the model in the file as JSON data, in nats, and the validation loss in bits too."""
        val_loss = row.val_loss if row else None
        ngrams = {} if model is None or model.ngrams is None else {"val_loss_ngrams": model.ngrams.loss}
        return {
            "train_loss": row.train_loss if row else None,
            "val_loss": val_loss,
            "val_bpc": None if val_loss is None else val_loss / math.log(2),
            "val_loss_windows": self.window_loss(model),
            **ngrams,
        }

    def window_loss(self, model: Model | None) -> float | None:
        """The validation loss of the network in the file on windows; None if no continuous text is held out."""
        data, threads = self.trainer.validation_data, len(self.trainer.shards)
        if model is not None and isinstance(data, ValidationStream) and data.size and not self.window_losses:
            network = replace(model, ngrams=None)
            with suppress(DivergenceError):  # weights that are too large from a fresh state
                self.window_losses.append(windows.mean_loss(network, data.ids, MAX_WINDOWS, threads=threads))
        return self.window_losses[0] if self.window_losses else None

    def nothing_trained(self) -> str:
        """Why a resumed run took no step, and which option trains more."""
        config, step = self.trainer.state.training_config, self.trainer.state.counters.step
        if self.trainer.out_of_patience and step < config.steps:
            why = f"{counted(config.patience, 'evaluations')} without a better model had ended this run"
            return f"nothing was trained: {why}; --patience 0 goes on to step {config.steps:,}"
        more = "--steps or --epochs with a greater number, or --time, trains more"
        return f"nothing was trained: this run is at its end, step {step:,} of {config.steps:,}; {more}"

    def _used_up(self) -> Iterator[str]:
        """That the run ended before the time was up because little more can be learned, if so."""
        deadline, step = self.trainer.deadline, self.trainer.state.counters.step
        if deadline is not None and step >= deadline.max_steps and deadline.left() >= MIN_SECONDS:
            epochs = counted(round(step / self.trainer.training_data.steps_per_epoch), "epochs")
            of = (
                "on so short a text"
                if self.trainer.state.init_from is None
                else "for weights that have learned already"
            )
            why = "the validation loss had become flatter"
            if not self.trainer.validation_data.size:
                why = "nothing is held out that shows whether they do"
            yield (
                f"stopped after {deadline.seconds - deadline.remaining():.0f} of {deadline.seconds:.0f} s and "
                f"{epochs}: more usually gain nothing {of}, and {why}; --epochs sets another number"
            )

    def _start(self) -> float | None:
        """The validation loss of the weights that the run started from, if they are those of another model."""
        first = self.trainer.history[0]
        return first.val_loss if self.trainer.state.init_from is not None and not first.step else None

    def _loss(self, val_loss: float) -> str:
        """The validation loss in bits, compared with the baselines."""
        compared = [
            f"; for the same text xz -9 needs {found.xz:.2f}, a table of contexts up to {MAX_ORDER} characters "
            f"{found.table:.2f}"
            for found in self.baselines
        ]
        bits = val_loss / math.log(2)
        return f"validation loss {val_loss:.3f} is {bits:.2f} bits per {self.unit}{''.join(compared)}"

    def _advice(self, row: Evaluation | None, model: Model | None) -> str | None:
        """What would help most, by what is measured about the weights in the model's file: see `diagnosis`."""
        trainer = self.trainer
        counters, data, held_out = trainer.state.counters, trainer.training_data, trainer.validation_data
        sample = training_sample(data, TRAINING_SAMPLE)
        config, line = trainer.state.training_config, autoconfig.line_length(data)
        epochs = counters.epoch + counters.batch / data.steps_per_epoch
        history = trainer.history if row is None or row in trainer.history else [*trainer.history, row]
        return diagnosis.diagnose(
            Findings(
                sorted(history, key=lambda each: each.step),
                train_loss=None if model is None else evaluation.mean_loss(model, sample),
                epochs=epochs,
                accuracy=None if model is None else evaluation.accuracy(model, held_out),
                n_held_out=held_out.size,
                unit=self.unit,
                is_at_random=bool(held_out.n_lines) and not trainer.state.corpus.val_digest,
                is_of_another_kind=corpus_check.tail_differs(trainer),
                is_too_short=bool(config.val_fraction),
                is_used_up=self.unit == "character" and epochs >= few_data.max_epochs(data.chars_read, line),
                table=next((found.table * math.log(2) for found in self.baselines), None),
                has_ngrams=model is not None and model.ngrams is not None,
            )
        )

    def _settings(self) -> list[str]:
        """The options that repeat this run on any machine: those given and those chosen automatically."""
        s = self.trainer.state
        defaults = asdict(ModelConfig(s.model_config.vocab_size)) | asdict(TrainingConfig(0))
        defaults |= DEFAULTS_OF_LAYOUT.get(s.training_config.layout, {})
        stated, words = {*ALWAYS_STATED}, []
        if s.training_config.layout in PAIR_LAYOUTS:  # its default is the length of the longest pair
            stated.add("seq_length")
        for name, value in (asdict(s.model_config) | asdict(s.training_config)).items():
            if name in DATA_FIELDS or name == "sync_grows":
                continue
            if name == "sync_every" and s.training_config.sync_grows:
                value = "auto"
            if name == "layout":
                words += self._layout_options(value)
            elif name in stated or value != defaults[name]:
                words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        return words

    def _layout_options(self, layout: str) -> list[str]:
        """The options that choose a layout."""
        if layout == "translations":
            return ["--pairs", "--attention"]
        if layout == "lines" and not self.trainer.record_form.is_lines:
            return []  # the command has its records
        without = ["--no-attention"] * (layout == "pairs" and self.trainer.labels is None)
        return [f"--{LAYOUT_FLAGS[layout]}", *without] if layout in LAYOUT_FLAGS else []
