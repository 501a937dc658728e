"""The kept figures of a benchmark: a JSON file that is written whole or not at all, since it may hold days of work."""

import json
from pathlib import Path
from typing import Any

from charrnn.checkpoint.atomic_file import AtomicFile


def read(path: Path | None, default: Any) -> Any:
    """What the file holds, or the default if there is none."""
    return json.loads(path.read_text()) if path is not None and path.exists() else default


def write(path: Path | None, figures: Any) -> None:
    """Puts figures in the file in place of what it holds."""
    if path is not None:
        with AtomicFile(path, json.dumps(figures, indent=1).encode()) as file:
            file.commit()
