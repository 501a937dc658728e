"""Folders: the files below them that are texts, chosen by patterns, each once."""

import codecs
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from charrnn.dataset.compression import text_blocks
from charrnn.dataset.file_decoder import MARKS
from charrnn.dataset.file_types import NotTextError
from charrnn.errors import CorpusError, closed_folder, why

SNIFF = 1 << 13
"""The first bytes of a file that tell whether it is text."""
BYTE_ORDER_MARKS = {mark: encoding for mark, encoding in MARKS.items() if encoding != "utf-8"}
"""The marks of encodings whose texts have zero bytes."""
MODEL_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class FileFilter:
    """Which of the files below a folder are read: those that aren't hidden, aren't models, and are texts."""

    include: tuple[str, ...] = ()
    """Patterns of the files that are read; without any, all are."""
    exclude: tuple[str, ...] = ()
    """Patterns of the files and folders that are left out."""
    encoding: str = "utf-8"
    """The encoding of the texts: those of UTF-16 have zero bytes, as no others have."""
    as_bytes: bool = False
    """Whether files are read that are no texts."""
    separate: bool = True
    """False for runs that began before files were separate texts: they read binary files and files that are reached
    twice, and follow no links to folders."""

    def excludes(self, path: str) -> bool:
        """Whether a file or folder, by its path below the folder, is left out."""
        return _matches(path, self.exclude)

    def includes(self, path: str) -> bool:
        """Whether a file is read, if it isn't excluded."""
        return not self.include or _matches(path, self.include)

    def described(self) -> str:
        """The patterns, for a message."""
        options = [f"`include={pattern!r}`" for pattern in self.include]
        return " ".join(options + [f"`exclude={pattern!r}`" for pattern in self.exclude])

    def is_text(self, path: str) -> bool:
        """Whether a file is a text, as far as its first bytes tell; a compressed one, as far as those of its content.

        Raises `CorpusError` for a file that can't be read.
        """
        if self.as_bytes or not self.separate:
            return True
        try:
            with open(path, "rb") as file:
                blocks = text_blocks(path, iter(lambda: file.read(SNIFF), b""), SNIFF)
                head = next(blocks, b"")
        except NotTextError:
            return False
        except OSError as error:
            raise unreadable(path, error) from None
        return b"\0" not in head or head.startswith((*BYTE_ORDER_MARKS,)) or b"\0" in newline(self.encoding)


ALL_TEXTS = FileFilter()
"""All texts, in UTF-8."""


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern matches a path below a folder, or its last part; a `*` matches any characters, even a `/`."""
    names = (path.replace(os.sep, "/"), os.path.basename(path))
    return any(fnmatchcase(name, pattern.rstrip("/")) for pattern in patterns for name in names)


def newline(encoding: str, character: str = "\n") -> bytes:
    """A newline in an encoding, without a mark; that of UTF-8 in an unknown one, which is an error elsewhere."""
    try:
        name = codecs.lookup(encoding).name
        return character.encode({"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(name, name))
    except (LookupError, ValueError):
        return character.encode()


def unreadable(path: str, error: OSError) -> CorpusError:
    """The error for a file that can't be read."""
    return CorpusError(f"can't read {path or repr(path)}: {why(error, path)}")


@dataclass
class FileList:
    """The files to read, in order, each once; `notice` says what was skipped in each folder."""

    filter: FileFilter
    notice: Callable[[str], None]
    files: list[str] = field(default_factory=list)
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def add(self, path: str) -> None:
        """Adds a file, unless it was reached already."""
        if self._is_new(path):
            self.files.append(path)
        else:
            self.notice(f"skipped {path}: it is read already")

    def add_folder(self, folder: str) -> None:
        """Adds the files below a folder, sorted, that the filter chooses, unless the folder was reached already.

        Raises `CorpusError` for a folder that holds no files, if there are no patterns.
        """
        if not self._is_new(folder):
            self.notice(f"skipped {folder}: it is read already")
            return
        skipped: Counter[str] = Counter()
        n_found = 0
        for path in self._below(folder, "", skipped):
            if not self.filter.is_text(path):
                skipped["binary"] += 1
            else:
                n_found += 1
                if self._is_new(path):
                    self.files.append(path)
                else:
                    skipped["twice"] += 1
        if what := _skipped(skipped):
            self.notice(f"skipped {what} in {folder}")
        if not n_found and not self.filter.described():
            found = f"no text files: {what} {'is' if skipped.total() == 1 else 'are'} skipped" if what else "no files"
            raise CorpusError(f"the folder {folder} holds {found}: give one with text files")

    def _is_new(self, path: str) -> bool:
        """Whether a file, or a folder, is reached for the first time."""
        if not self.filter.separate:
            return True
        try:
            found = os.stat(path)
        except OSError:
            return True  # reading it is an error
        key = (found.st_dev, found.st_ino)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _below(self, folder: str, prefix: str, skipped: Counter[str]) -> Iterator[str]:
        """The regular files below a folder, sorted: those of each folder before those of its folders.

        `prefix` is the path of this folder below the one that was given.
        """
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise unreadable(error.filename or folder, error) from None
        if entries and (closed := closed_folder(entries[0].path)):  # it can be listed, and its files can't be read
            raise CorpusError(f"can't read {folder}: {closed}")
        below = []
        for entry in entries:
            path = os.path.join(prefix, entry.name)
            if self.filter.excludes(path):
                continue
            is_folder = os.path.isdir(entry.path)
            if not is_folder and not self.filter.includes(path):
                continue
            if entry.name.startswith("."):
                skipped["hidden"] += 1
            elif is_folder:
                below.append((entry.path, path))
            elif entry.name.endswith(MODEL_SUFFIX):
                skipped["model"] += 1
            elif os.path.isfile(entry.path):
                yield entry.path
            else:  # such as a pipe, which may never end
                skipped["special" if os.path.exists(entry.path) else "broken"] += 1
        for path, name in below:
            if (self.filter.separate or not os.path.islink(path)) and self._is_new(path):  # no link leads back to it
                yield from self._below(path, name, skipped)


def _skipped(counts: Counter[str]) -> str:
    """What was skipped, such as `3 binary files and 2 hidden ones`."""
    hidden = ("hidden one", "hidden ones") if counts["binary"] else ("hidden file or folder", "hidden files or folders")
    forms = {
        "binary": ("binary file", "binary files"),
        "hidden": hidden,
        "model": ("model", "models"),
        "broken": ("broken link", "broken links"),
        "special": ("pipe or device", "pipes or devices"),
        "twice": ("file reached twice", "files reached twice"),
    }
    found = [f"{counts[kind]:,} {names[counts[kind] > 1]}" for kind, names in forms.items() if counts[kind]]
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
