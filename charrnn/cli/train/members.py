"""The members of `charrnn train --distributed --members`: each rank trains its own, and rank 0 merges them all."""

import hashlib
import math
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from charrnn.checkpoint import model_file, naming
from charrnn.checkpoint.file_pair import check_same_run
from charrnn.checkpoint.lock import acquire
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.checkpoint.paths import SUFFIX
from charrnn.cli.terminal.console import notifier, stop_signals
from charrnn.cli.train import saved_run
from charrnn.cli.train.given import RANK_OPTIONS
from charrnn.cli.train.run import Run
from charrnn.config import MAX_SEED
from charrnn.dataset import shell_words
from charrnn.dataset.files import STDIN, bundled_corpus
from charrnn.distributed.ranks import Ranks
from charrnn.errors import CheckpointError, ConfigError, counted
from charrnn.model.model import Model
from charrnn.training.merging import merge_members
from charrnn.training.options import TrainOptions
from charrnn.training.trainer import Trainer

MEMBER = re.compile(r"\.member\d+$")
"""What the name of a member's file ends in, before its suffix."""


class Members:
    """The members, as the rank of one of them sees them.

    A context: an error before this rank trains leaves no lock behind.
    """

    def __init__(self, ranks: Ranks, paths: tuple[str, ...], out: Path | None, given: dict[str, Any]):
        """`given` holds all options. Raises `ConfigError`, and `CheckpointError` for a model that is in the way."""
        self.ranks, self.resumes, self.notice = ranks, bool(given.get("resume")), notifier(bool(given.get("quiet")))
        if exchanging := sorted(RANK_OPTIONS.intersection(given) - {"members", "rank_timeout"}):
            name = exchanging[0].replace("_", "-")
            raise ConfigError(f"members exchange nothing while they train: leave out --{name}, or --members")
        if STDIN in paths:
            raise ConfigError("each member reads the text itself, and only rank 0 has stdin: give --members a file")
        if ranks.is_leader and self.resumes:
            found, paths = saved_run.find(paths, out)
            path = found.with_name(MEMBER.sub("", found.stem) + SUFFIX)
            self.lock = acquire(path)
        elif ranks.is_leader:
            force = bool(given.get("force"))
            if out is None:
                path, self.lock = naming.reserve_free(paths[0] if paths else bundled_corpus(), force)
            else:
                path, self.lock = out, naming.reserve(out, force)
        seed = given.get("seed", random.randrange(2**31))
        self.path, self.paths, self.seed = ranks.share((path, paths, seed) if ranks.is_leader else None)
        """The merged model's file; the paths of the text; and the seed of the first member."""
        self.has_begun = False
        """Whether this rank trains."""
        self.passed_on = set[int]()
        """The signals that this rank has told the others of while it waits for them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        if kind is not None and self.is_first and not self.has_begun:
            self.lock.discard()

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that prints."""
        return self.ranks.is_leader

    @property
    def own_path(self) -> Path:
        """The file of this rank's member."""
        path: Path = self.path
        return path.with_name(f"{path.stem}.member{self.ranks.rank + 1}{SUFFIX}")

    def own_options(self, options: TrainOptions) -> TrainOptions:
        """The options of this rank's member: with a seed of its own, if its run begins."""
        return options if self.resumes else {**options, "seed": (self.seed + self.ranks.rank) % (MAX_SEED + 1)}

    def train(self, run: Run) -> tuple[int, dict[str, Any]]:
        """Trains this rank's member, and merges all when they are done.

        Returns the exit code of the job, and on the leader what the results of the job have besides or in the place of
        those of its member.
        """
        ranks, trainer = self.ranks, run.trainer
        if trainer.state.model_config.form != "language_model":
            raise ConfigError("only language models can be merged: leave out --members")
        if self.resumes and ranks.is_leader:
            check_same_run(self.path, trainer.state.run_id)
        if len({*ranks.collect(_held_out(trainer))}) > 1:
            raise ConfigError(
                "the members would hold out different text, which others have learned: give one text for all, with "
                "--val-file, or --val-fraction for a continuous text"
            )
        trainer.signals = ranks.signals
        if ranks.is_leader:
            self.notice(f"{counted(ranks.size, 'members')}: what follows is about the first")
        self.has_begun = True
        code = run.go()
        if code:
            ranks.pass_on(code - 128)
        with stop_signals() as received:
            ranks.meet(lambda: self._pass_on(received))
        codes = ranks.collect(code)
        if any(codes):
            words = ["mpiexec", "-n", str(ranks.size), "charrnn", "train", "--resume", "--distributed", "--members"]
            if ranks.is_leader:
                self.notice(
                    f"nothing is merged: continue all with {shell_words.join([*words, '--out', str(self.path)])}"
                )
            return max(codes), {}
        row, model = run.manager.kept, run.manager.kept_model()
        if model is None:
            raise CheckpointError(f"{self.own_path} is gone, so that it can't be merged")
        found = ranks.gather(
            (model.without_engine(), row and row.val_loss, trainer.state.training_config.seed, self.own_path)
        )
        return 0, self._merge(run, found) if ranks.is_leader else {}

    def _pass_on(self, received: dict[int, float]) -> None:
        """Tells the ranks that still train of the signals that have come while this one waits for them."""
        for number in {*received, *self.ranks.signals} - self.passed_on:
            self.passed_on.add(number)
            self.ranks.pass_on(number)

    def _merge(self, run: Run, members: list[tuple[dict[str, Any], float | None, int, Path]]) -> dict[str, Any]:
        """Merges and saves, if that is better than the best member; returns the results."""
        trainer, row = run.trainer, run.manager.kept
        models = [Model(**parts, engine=trainer.network.engine) for parts, *_ in members]
        losses = [loss for _, loss, *_ in members]
        for number, (_, loss, seed, _) in enumerate(members, 1):
            self.notice(f"member {number}, seed {seed}: {_shown(loss)}")
        chars = trainer.state.counters.step * trainer.training_data.chars_read_per_step
        model, loss, _ = merge_members(models, trainer.validation_data, chars)
        best = min(range(len(losses)), key=lambda number: losses[number] or math.inf)
        what = f"{len(models)} networks side by side"
        if loss is not None and (losses[best] or math.inf) <= loss:
            self.notice(f"merged: {_shown(loss)}, no better than member {best + 1}, which is kept")
            model, loss, what = models[best], losses[best], f"member {best + 1}"
        else:
            self.notice(f"merged: {_shown(loss)}")
        self._save(run, model, loss)
        command = shell_words.join(["charrnn", "sample", str(self.path), "--temp", "0.8"])
        self.notice(f"done: {self.path} holds {what}, {model.n_params:,} parameters; try {command}")
        run.summary.window_losses.clear()  # those of a member
        return {
            "checkpoint": str(self.path),
            **run.summary.losses(row and replace(row, val_loss=loss), model),
            "parameters": model.n_params,
            "members": [{"checkpoint": str(path), "seed": seed, "val_loss": loss} for _, loss, seed, path in members],
        }

    def _save(self, run: Run, model: Model, loss: float | None) -> None:
        """Writes the model, which belongs to the run of the first member."""
        first, row = Checkpoint.from_trainer(run.trainer), run.manager.kept
        history = [] if row is None else [replace(row, train_loss=None, val_loss=loss, ema=False)]
        model_file.save(self.path, replace(first, model=replace(model, table=first.model.table), history=history))
        self.lock.release()


def _held_out(trainer: Trainer) -> str:
    """A digest of the vocabulary and of the text on which a member validates."""
    found = hashlib.sha256("".join(trainer.state.vocabulary.characters).encode(errors="surrogatepass"))
    for batch in trainer.validation_data.batches(0):
        found.update(batch.targets.tobytes())
    return found.hexdigest()


def _shown(loss: float | None) -> str:
    """A validation loss for a notice."""
    return "nothing is held out" if loss is None else f"validation loss {loss:.3f} ({loss / math.log(2):.3f} bits)"
