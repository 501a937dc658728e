"""`charrnn warm-up`: compiles what the other commands need, so that none of them has to."""

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.terminal.console import default_interrupt, notifier, spinning
from charrnn.cli.terminal.help import MOST_USED, either, option
from charrnn.config import CELLS, one_of

NAME = "warm-up"
COMMANDS = ("train", "sample", "score", "classify", "tag", "adapt")
HELP = "Compile what the other commands need into the cache."
EXAMPLES = """\b
The numba engine is compiled for your processor when it is first used, and
kept in the folder that this command prints. Run it where nothing can be kept
later, such as in the image of a container, with NUMBA_CACHE_DIR set to a
folder there.
Each option can come from the environment too: CHARRNN_WARM_UP_CELL=lstm.

\b
Examples:
  charrnn warm-up
  charrnn warm-up sample score --cell lstm
  NUMBA_CACHE_DIR=/opt/cache charrnn warm-up
  charrnn warm-up --check --quiet || echo "not compiled yet"
"""


def command(
    commands: Annotated[
        list[str] | None,
        typer.Argument(help=f"Commands to compile for, of {', '.join(COMMANDS)}. [all]", show_default=False),
    ] = None,
    cell: Annotated[
        list[str] | None, option(MOST_USED, f"Cell of the models: {either(CELLS)}; repeatable. [all]", values=CELLS)
    ] = None,
    check: Annotated[
        bool, option(MOST_USED, "Compile nothing; exit code 1 if the cache lacks anything.", "--check")
    ] = False,
    as_json: Annotated[
        bool, option(MOST_USED, "Print the results as a JSON object.", "--json", envvar="CHARRNN_WARM_UP_JSON")
    ] = False,
    quiet: Annotated[bool, option(MOST_USED, "Print nothing but errors on stderr.", "--quiet", "-q")] = False,
) -> None:
    from charrnn.cli.warm_up.jobs import kernels
    from charrnn.engine import compile_cache
    from charrnn.engine.selection import problem_with_numba
    from charrnn.errors import EngineError

    wanted, cells = list(dict.fromkeys(commands or COMMANDS)), list(dict.fromkeys(cell or CELLS))
    for name in wanted:
        one_of("a command to compile for", name, COMMANDS)
    for name in cells:
        one_of("--cell", name, CELLS)
    if problem := problem_with_numba():
        raise EngineError(f"the numba engine {problem}")
    began, notice = time.monotonic(), notifier(quiet)
    needed, before = kernels(wanted, cells), compile_cache.compiled()
    if not check:
        compile_jobs(wanted, cells, is_complete=needed <= before, quiet=quiet)
    now, seconds = compile_cache.compiled(), time.monotonic() - began
    missing, size = sorted(needed - now), compile_cache.size()
    folder = next(filter(os.path.isdir, compile_cache.folders()), None)
    if as_json:
        row = {"folder": folder and str(folder), "bytes": size, "compiled": len(now - before), "missing": missing}
        typer.echo(json.dumps(row | {"seconds": round(seconds, 3)}))
    elif folder is not None:
        typer.echo(str(folder))
    if missing:
        notice(f"not compiled yet: {', '.join(missing)}; charrnn warm-up without --check compiles them")
        raise typer.Exit(1)
    done = f"compiled {len(now - before)} functions in {seconds:.0f} s" if now - before else "everything is compiled"
    notice(f"{done}: {size / 1e6:.1f} MB")


def compile_jobs(commands: list[str], cells: list[str], is_complete: bool, quiet: bool) -> None:
    """Runs the jobs, with a notice after each. Raises `EngineError` if what they compile can't be kept.

    `is_complete` says that the cache lacks nothing, so that it need not be writable.
    """
    from charrnn.cli.terminal.engine import no_folder, notify_failure
    from charrnn.cli.warm_up.jobs import jobs
    from charrnn.engine import compile_cache, on_compilation
    from charrnn.errors import EngineError

    advice = f"set {compile_cache.VARIABLE} to a folder that can be written to"
    if not is_complete and compile_cache.writable_folder() is None:
        raise EngineError(f"can't keep what is compiled, as {no_folder()}: {advice}")
    failed: list[Path] = []

    def fail(folder: Path, error: OSError) -> None:
        failed.append(folder)
        if compile_cache.writable_folder() is not None:
            notify_failure(folder, error)

    on_compilation(lambda: None, lambda: None, fail)
    every = list(jobs(commands, cells))
    for n, job in enumerate(every, 1):
        name, began = f"{job.command} {job.cell}", time.monotonic()
        with spinning(f"compiling {n} of {len(every)}: {name}", quiet), default_interrupt():
            job.run()
        if failed and compile_cache.writable_folder() is None:
            raise EngineError(f"can't keep what is compiled, as {no_folder()}: make room there, or {advice}")
        notifier(quiet)(f"{n} of {len(every)}: {name}, {time.monotonic() - began:.1f} s")
