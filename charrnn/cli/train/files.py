"""The start of `charrnn train`: the trainer, the model's path and its lock, for a new or a resumed run."""

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from charrnn import engine as engines
from charrnn.checkpoint import naming
from charrnn.checkpoint.event_file import check_events
from charrnn.checkpoint.file_pair import check_same_run
from charrnn.checkpoint.lock import Lock, acquire, lock_path
from charrnn.checkpoint.log import check_log
from charrnn.checkpoint.model_file import load
from charrnn.checkpoint.paths import resume_path
from charrnn.checkpoint.training_file import load_state
from charrnn.cli.terminal.console import STARTED, default_interrupt, notifier
from charrnn.cli.terminal.engine import notify_compilation, notify_spared
from charrnn.cli.train import saved_run, unread_stdin
from charrnn.cli.train.given import LAYOUT_FLAGS
from charrnn.config import REWRITING_LAYOUTS
from charrnn.dataset import corpus as corpora
from charrnn.dataset import files, shell_words
from charrnn.dataset.block_digest import PREFIX
from charrnn.dataset.compression import DamagedFileError
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import STDIN, Source
from charrnn.dataset.held_out import check_not_copied
from charrnn.dataset.inner_marks import inner_marks
from charrnn.dataset.mixed_forms import mixed_forms
from charrnn.dataset.record_form import LINES
from charrnn.distributed.ranks import Ranks
from charrnn.engine import compile_time
from charrnn.errors import ConfigError, CorpusError
from charrnn.model.model import Model
from charrnn.training import autoconfig
from charrnn.training import options as train_options
from charrnn.training import start as trainers
from charrnn.training.deadline import MIN_SECONDS
from charrnn.training.options import TrainOptions
from charrnn.training.rank_text import read_index
from charrnn.training.state import TrainingState
from charrnn.training.trainer import Trainer

INTERPRETER_SECONDS = 0.4
"""The seconds that Python takes to start and to exit."""

Started = tuple[Trainer, Path, Lock]


def start(
    paths: tuple[str, ...],
    read_options: dict[str, Any],
    options: TrainOptions,
    *,
    out: Path | None,
    init_from: Path | None,
    unknown: str | None,
    force: bool,
    quiet: bool,
    draws: bool,
    ranks: Ranks | None,
) -> Started:
    """A new run; `read_options` holds the options that say how to read the text.

    `draws` says that samples are drawn on the way, which takes a kernel more.
    """
    source = Source(paths or (files.bundled_corpus(),), **read_options)
    source.text_form  # noqa: B018 - an unknown encoding leaves nothing behind either
    files.total_size((*source.paths, *source.val_paths))  # first, so that a mistyped name leaves nothing behind
    if (source.include or source.exclude) and not any(map(os.path.isdir, (*source.paths, *source.val_paths))):
        raise ConfigError("--include and --exclude choose among the files of a folder: give one, or leave them out")
    if out is None:
        path, lock = naming.reserve_free(source.paths[0], force)
    else:
        path, lock = out, naming.reserve(out, force)
    with lock.discarded_on_error():
        model = None if init_from is None else load(init_from).model
        if model is not None:
            trainers.check_init_from(model, options, unknown or "new")
        if model is not None and not source.as_bytes and "normalization" not in read_options:
            source = replace(source, normalization=model.text_form.normalization)
        notice = notifier(quiet)
        if not paths and unread_stdin.has_text():
            notice(unread_stdin.NOTICE)
        shared = None if ranks is None or model is not None else read_index(ranks, source, options)
        corpus = _read_whole(source, options, notice) if shared is None else shared
        given = options.get("time")
        options, spared = _with_engine(options, source, corpus, model, quiet, draws)
        with default_interrupt():  # the measurement compiles
            trainer = trainers.start(
                corpus, source=source, init_from=model, unknown=unknown or "new", ranks=ranks, **options
            )
        if spared and not quiet:
            notify_spared(spared, given)  # only now: a text that can't be trained on is one line
    return trainer, path, lock


def check_logs(started: Started, log: Path | None, tensorboard: Path | None, init_from: Path | None) -> None:
    """Raises an error if the log or the events would be written over another file of the run."""
    trainer, path, lock = started
    source = trainer.state.source
    texts = () if source is None else (*source.paths, *source.val_paths)
    with lock.discarded_on_error():
        check_events(tensorboard, texts, continues=True, others=(path, log))
        log_texts = [] if source is None or log is None else files.list_files(texts, source.file_filter)
        check_log(log, texts, (path, resume_path(path), lock_path(path), init_from, *log_texts))


def _read_whole(source: Source, options: TrainOptions, notice: Callable[[str], None]) -> Corpus:
    """The corpus of a new run, with what there is to say about it."""
    with _leaving_out((*source.paths, *source.val_paths)):
        corpus = corpora.read(source, notice=notice, layout=options.get("layout", "stream"))
    check_not_copied(corpus.held_out, corpus.digest)
    for line in filter(None, (mixed_forms(corpus), inner_marks(corpus))):
        notice(line)
    return corpus


@contextmanager
def _leaving_out(paths: Collection[str]) -> Iterator[None]:
    """Adds to the error of a damaged file, if it was found in a folder among these paths, how to leave it out."""
    try:
        yield
    except DamagedFileError as error:
        if error.path in paths:
            raise
        name = shell_words.quote(os.path.basename(error.path))
        raise CorpusError(f"{error}; or leave it out with --exclude {name}") from None


def resume(
    paths: tuple[str, ...],
    read_options: dict[str, Any],
    options: TrainOptions,
    *,
    out: Path | None,
    quiet: bool,
    draws: bool,
    ranks: Ranks | None,
) -> Started:
    """The run that `saved_run.find` finds; the paths are those of its text, and one of them may be its model's.

    `draws`: see `start`.
    """
    path, paths = saved_run.find(paths, out)
    lock = acquire(path)
    with lock.discarded_on_error():
        state = load_state(resume_path(path))
        check_same_run(path, state.run_id)
        options = _in_layout_of(state, options, read_options)
        trainers.check_resume(state, options)  # before the corpus is read
        source = _source_to_resume(state, paths, read_options, path)
        digest = state.corpus.digest
        all_options = cast(TrainOptions, asdict(state.training_config) | options)
        shared = read_index(ranks, source, all_options) if ranks is not None and digest.startswith(PREFIX) else None
        corpus = shared or corpora.read(source, state.corpus.size, notifier(quiet), options["layout"], digest)
        options = _with_remaining_time(options, source)
        _notify_engine(options, state, quiet, draws)
        with default_interrupt():
            trainer = trainers.resume(corpus, replace(state, source=source.absolute()), ranks=ranks, **options)
    return trainer, path, lock


def _in_layout_of(state: TrainingState, options: TrainOptions, read_options: dict[str, Any]) -> TrainOptions:
    """The options with the layout of the run to resume; raises `ConfigError` if they have another one."""
    layout = state.training_config.layout
    layout = "pairs" if layout in REWRITING_LAYOUTS else layout  # its attention is that of the model
    if (given := options.get("layout", layout)) != layout:
        form = state.source.record_form if state.source is not None else LINES
        flags = LAYOUT_FLAGS | {"lines": read_options.get("record_form", LINES).option}
        began = f"with --{(LAYOUT_FLAGS | {'lines': form.option})[layout]}" if layout in flags else "as continuous text"
        raise ConfigError(f"this run began {began}: leave out --{flags[given]}, or start a new run")
    return cast(TrainOptions, {**options, "layout": layout})


def _source_to_resume(state: TrainingState, paths: tuple[str, ...], read_options: dict[str, Any], path: Path) -> Source:
    """The source of the text of a resumed run; raises an error if it can't be read as before."""
    form, val_paths = state.text_form, read_options.pop("val_paths", ())
    before = state.source or Source((), encoding=form.encoding, normalization=form.normalization)
    if any(getattr(before, name) != value for name, value in read_options.items()):
        names = {
            "as_bytes": "bytes",
            "normalization": "normalize",
            "table": read_options.get("table"),
            "columns": read_options.get("table"),
        }
        if "record_form" in read_options:
            names["record_form"] = read_options["record_form"].option
        given = " and ".join(dict.fromkeys(f"--{names.get(name, name.replace('_', '-'))}" for name in read_options))
        raise ConfigError(f"a resumed run reads its text as before: leave out {given}")
    source = replace(before, paths=paths or before.paths, val_paths=val_paths or before.val_paths).with_compressed()
    if not paths and STDIN in before.paths:
        command = resume_command(before, path)
        raise CorpusError(f"this run reads stdin: give it the same text again, {command}")
    if not source.paths:
        raise CorpusError("this run did not begin with a file: give its text before --resume")
    missing = source.missing()
    if missing and missing[0] in source.val_paths and not val_paths:
        raise CorpusError(f"can't read {missing[0]}, which is no longer a file: give the text with --val-file")
    if missing and not paths:
        raise CorpusError(f"can't read {missing[0]}, which is no longer a file: give the text before --resume")
    return source


def _with_remaining_time(options: TrainOptions, source: Source) -> TrainOptions:
    """The options, with `time` reduced to the time that remains for training."""
    return options | {"time": remaining_time(options["time"], source)} if "time" in options else options


def _with_engine(
    options: TrainOptions, source: Source, corpus: Corpus, model: Model | None, quiet: bool, draws: bool
) -> tuple[TrainOptions, float]:
    """The options of a new run: those with a `time` with what remains of it, and what computes best in that.

    And the seconds that compiling would take, if that is why the engine is NumPy, or 0.
    """
    if "time" not in options:
        return options, 0.0
    options = _with_remaining_time(options, source)
    train_options.check(options, has_model=model is not None)
    config = None if model is None else model.config
    resolved = train_options.resolve_layout(corpus, options, config)
    seconds = options["time"]
    resolved["precision"] = autoconfig.choose_precision(resolved, config, seconds, draws)
    kernels = autoconfig.kernels(resolved, config, draws)
    choice = engines.choose(train_options.requested_engine(options), seconds=seconds, kernels=kernels)
    notify_compilation(choice.engine, kernels, quiet)  # now, since measuring the machine compiles
    return options | {"engine": choice.engine, "precision": resolved["precision"]}, choice.spared


def _notify_engine(options: TrainOptions, state: TrainingState, quiet: bool, draws: bool) -> None:
    """Notices about the engine of a resumed run with a `time`, which is the one that it began with, unless it is given.

    The other one rounds differently: a run that was resumed with it would not end where one without a break does.
    """
    if "time" not in options or quiet:
        return
    model, config = state.model_config, state.training_config
    precision = engines.precision_to_compile(options.get("precision", config.precision))
    both = (precision, "float32")  # the speed of evaluations is measured too
    kernels = frozenset().union(*(compile_time.training(model.cell, model.form, draws, each) for each in both))
    engine = options.get("engine", config.engine)
    notify_compilation(engine, kernels, quiet)
    if engine == "numpy" and "engine" not in options and engines.pays(options["time"], kernels):
        notifier(quiet)("continues with the NumPy engine, as the run began; --engine numba is faster")


def remaining_time(seconds: float, source: Source) -> float:
    """The time that remains for training if the whole program takes these seconds; waiting for stdin is free."""
    spent = 0.0 if STDIN in source.paths else time.monotonic() - STARTED
    return max(MIN_SECONDS, seconds - spent - INTERPRETER_SECONDS)


def command_words(
    paths: tuple[str, ...],
    read_options: dict[str, Any],
    init_from: Path | None,
    unknown: str | None,
    n_ranks: int | None = None,
) -> list[str]:
    """The command that begins a run, without its settings."""
    given = [f"--{name}={read_options[name]}" for name in ("encoding", "errors") if name in read_options]
    given += [f"--{name}={pattern}" for name in ("include", "exclude") for pattern in read_options.get(name, ())]
    if "normalization" in read_options:
        given.append(f"--normalize={read_options['normalization']}")
    if not read_options.get("record_form", LINES).is_lines:
        given += read_options["record_form"].words
    if read_options.get("table") == "conll":
        given.append("--conll")
    elif "table" in read_options:
        given.append(f"--{read_options['table']}={','.join(read_options['columns'])}")
    given += [f"--val-file={path}" for path in read_options.get("val_paths", ())]
    given += ["--bytes"] * read_options.get("as_bytes", False) + [f"--init-from={init_from}"] * (init_from is not None)
    given += [f"--unknown={unknown}"] * (unknown is not None)
    return [*_program(n_ranks), "train", *paths, *given, *(["--distributed"] if n_ranks else [])]


def _program(n_ranks: int | None) -> list[str]:
    """The words that start the program, on some ranks if there are several."""
    return ["mpiexec", "-n", str(n_ranks), "charrnn"] if (n_ranks or 1) > 1 else ["charrnn"]


def resume_command(
    source: Source | None,
    path: Path,
    log: Path | None = None,
    tensorboard: Path | None = None,
    n_ranks: int | None = None,
) -> str:
    """The command that continues a run and its logs; if the run reads stdin, the text has to be piped in again."""
    paths = source.paths if source is not None and STDIN in source.paths else ()
    words = [*_program(n_ranks), "train", *paths, "--resume", *(["--distributed"] if n_ranks else [])]
    words += ["--out", str(path)]
    for name, given in (("log", log), ("tensorboard", tensorboard)):
        words += [f"--{name}", str(given)] if given else []
    return ("… | " if paths else "") + shell_words.join(words)
