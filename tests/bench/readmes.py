"""Runs the commands of the READMEs that take minutes in full, and compares what they print with what is shown.

    python tests/bench/readmes.py

`tests/test_readmes.py` runs the same commands in a shorter form. Here each training takes its full time. A faster
machine takes more steps and may choose a larger network, so only the form of the output and the validation loss are
compared. The models of `tests/fixtures/docs/` are trained again too: on the machine that made them they are the same,
byte for byte. Exit code 1 if anything else differs.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from charrnn.checkpoint import model_file
from support import readmes
from support.readmes import DOCS, Block

MAX_SECONDS = 1800
"""The longest time of a command."""
AGAIN = "-again"
"""What the README of the models adds to the name of a model that is trained again."""


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(command: str, folder: Path) -> str:
    """The output of a command that runs in full; raises `SystemExit` if it fails."""
    progress(f"$ {command.strip()}")
    began = time.monotonic()
    code, found = readmes.run(command, folder, readmes.shell_environment(folder, short=False), MAX_SECONDS)
    progress(f"  {time.monotonic() - began:.0f} s")
    if code:
        raise SystemExit(f"{command} ended with {code}:\n{found}")
    return found


def compare(block: Block, folder: Path) -> list[str]:
    """Runs a console block that has a long training; returns the differences, and prints both outputs."""
    wrong = []
    for example in readmes.examples(block):
        is_long = readmes.shortened(example.command, folder) != example.command
        found = run(example.command, folder)
        print(f"## {block.place}\n\n$ {example.command}\n\nshown:\n\n{example.output}\nfound:\n\n{found}\n", flush=True)
        if is_long:  # what comes after it depends on a model that has taken other steps
            wrong.append(readmes.difference_beyond_speed(example, found))
    return [text for text in wrong if text]


def train_models_again(folder: Path) -> list[str]:
    """Runs the commands of the README of the models; returns how their losses differ."""
    wrong = []
    for block in readmes.blocks(DOCS / "README.md", "sh"):
        for statement in readmes.statements(block):
            run(statement, folder)
    for path in sorted(DOCS.glob("*.safetensors")):
        again = folder / f"{path.stem}{AGAIN}.safetensors"
        losses = [model_file.load(each).history[-1].val_loss or 0.0 for each in (path, again)]
        same = "the same bytes" if path.read_bytes() == again.read_bytes() else "other bytes"
        print(f"{path.name}: validation loss {losses[0]:.4f}, trained again {losses[1]:.4f}, {same}", flush=True)
        if abs(losses[1] / losses[0] - 1) > readmes.SIMILAR_LOSSES:
            wrong.append(f"{path.name}: a validation loss of {losses[1]:.4f}, where its file has {losses[0]:.4f}")
    return wrong


def main() -> None:
    """Prints what is shown and what was found; exit code 1 if they differ by more than speed explains."""
    argparse.ArgumentParser(description="Runs the long commands of the READMEs in full.").parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "models"
        readmes.prepare(folder)
        wrong = train_models_again(folder)
        for number, document in enumerate(readmes.documents()):
            folder = Path(work) / str(number)
            for block in readmes.blocks(document, "console"):
                if any(readmes.shortened(e.command, Path(work)) != e.command for e in readmes.examples(block)):
                    if not folder.exists():
                        readmes.prepare(folder)
                    wrong += compare(block, folder)
    if wrong:
        raise SystemExit("\n\n".join(wrong))


if __name__ == "__main__":
    main()
