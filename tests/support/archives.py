"""Archives for tests, as bytes."""

import io
import tarfile
import zipfile
from collections.abc import Iterable


def zipped(names: Iterable[str], content: str = "a text") -> bytes:
    """A zip of files with these names and the same content, which is not compressed."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as file:
        for name in names:
            file.writestr(name, content)
    return raw.getvalue()


def tarred(name: str, content: bytes = b"a text") -> bytes:
    """A tar of one file."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as file:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        file.addfile(info, io.BytesIO(content))
    return raw.getvalue()
