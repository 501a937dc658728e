"""The types of files that are not text, recognised by their first bytes, and the commands that extract their text."""

from typing import NamedTuple

from charrnn.dataset import shell_words
from charrnn.errors import CorpusError

HEAD = 512
"""The bytes that are enough to recognise a file: a tar has its mark at 257."""
FAR = 1 << 16
"""The bytes in which a document that is a zip names its parts."""


class NotTextError(CorpusError):
    """A file is not text, and its type is known."""


class FileType(NamedTuple):
    """A type of files, and the command that extracts their text; without one they have none."""

    name: str
    command: str = ""
    """`{}` stands for the file."""


class Mark(NamedTuple):
    """Some bytes near the beginning of the files of a type."""

    raw: bytes
    type: FileType
    at: int = 0
    """Where they are."""
    is_word: bool = False
    """A text may begin like that too: the files of this type have a zero byte soon."""


ZIP = FileType("a zip archive", "unzip -p {}")
TAR = FileType("a tar archive", "tar -xOf {}")
WORD = FileType("a Word document", "pandoc -t plain {}")
SHEET = FileType("a spreadsheet", "libreoffice --headless --convert-to csv {}")
SLIDES = FileType("a presentation", "libreoffice --headless --convert-to pdf {}")
OPEN_DOCUMENT = FileType("an OpenDocument text", "pandoc -t plain {}")
EPUB = FileType("an e-book", "pandoc -f epub -t plain {}")
IMAGE = FileType("an image", "tesseract {} -")
SOUND, VIDEO = FileType("a sound"), FileType("a video")
PROGRAM = FileType("a compiled program", "strings {}")
DATABASE = FileType("an SQLite database", "sqlite3 {} .dump")
TENSORS = FileType("a file of tensors")
FONT = FileType("a font")

ZIP_START = b"PK\3\4"
ZIP_PARTS = (
    (b"mimetypeapplication/epub+zip", EPUB),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", OPEN_DOCUMENT),
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", SHEET),
    (b"mimetypeapplication/vnd.oasis.opendocument.presentation", SLIDES),
    (b"word/", WORD),
    (b"xl/", SHEET),
    (b"ppt/", SLIDES),
)
"""What is in a zip that is a document, and the type of that document."""
MARKS = (
    Mark(ZIP_START, ZIP),
    Mark(b"PK\5\6", ZIP),  # an empty one
    Mark(b"ustar", TAR, 257, True),
    Mark(b"7z\xbc\xaf\x27\x1c", FileType("a 7z archive", "7z x -so {}")),
    Mark(b"Rar!\x1a\x07", FileType("a rar archive", "unrar p -inul {}")),
    Mark(b"!<arch>\n", FileType("an ar archive", "ar p {}")),
    Mark(b"\x1f\x9d", FileType("a .Z file", "uncompress -c {}")),
    Mark(b"LZIP", FileType("an lzip file", "lzip -dc {}"), is_word=True),
    Mark(b"\x04\x22\x4d\x18", FileType("an lz4 file", "lz4 -dc {}")),
    Mark(b"%PDF-", FileType("a PDF", "pdftotext {} -")),
    Mark(b"{\\rtf1", FileType("an RTF document", "pandoc -f rtf -t plain {}")),
    Mark(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileType("an old Office document", "catdoc {}")),
    Mark(b"AT&TFORM", FileType("a DjVu document", "djvutxt {}"), is_word=True),
    Mark(b"BOOKMOBI", FileType("a Mobipocket e-book", "ebook-convert {} .txt"), 60, True),
    Mark(b"\x89PNG\r\n\x1a\n", IMAGE),
    Mark(b"\xff\xd8\xff", IMAGE, is_word=True),
    Mark(b"GIF8", IMAGE, is_word=True),
    Mark(b"BM", IMAGE, is_word=True),
    Mark(b"II*\0", IMAGE),
    Mark(b"MM\0*", IMAGE),
    Mark(b"WEBP", IMAGE, 8, True),
    Mark(b"ftypavif", IMAGE, 4, True),
    Mark(b"ftyphei", IMAGE, 4, True),
    Mark(b"ftypM4A", SOUND, 4, True),
    Mark(b"ID3", SOUND, is_word=True),
    Mark(b"\xff\xfb", SOUND, is_word=True),
    Mark(b"OggS", SOUND, is_word=True),
    Mark(b"fLaC", SOUND, is_word=True),
    Mark(b"WAVE", SOUND, 8, True),
    Mark(b"MThd", FileType("a MIDI file"), is_word=True),
    Mark(b"ftyp", VIDEO, 4, True),
    Mark(b"AVI ", VIDEO, 8, True),
    Mark(b"\x1aE\xdf\xa3", VIDEO),
    Mark(b"\x7fELF", PROGRAM),
    Mark(b"MZ", PROGRAM, is_word=True),
    Mark(b"\xcf\xfa\xed\xfe", PROGRAM),
    Mark(b"\xce\xfa\xed\xfe", PROGRAM),
    Mark(b"\xca\xfe\xba\xbe", PROGRAM),
    Mark(b"\0asm", PROGRAM),
    Mark(b"SQLite format 3\0", DATABASE),
    Mark(b"PAR1", FileType("a Parquet table", "parquet-tools csv {}"), is_word=True),
    Mark(b"\x93NUMPY", TENSORS),
    Mark(b"\x89HDF\r\n\x1a\n", TENSORS),
    Mark(b"GGUF", TENSORS, is_word=True),
    Mark(b'\0\0\0{"', TENSORS, 5),  # safetensors: the length of the header in eight bytes, and the header
    Mark(b"\0\1\0\0\0", FONT),
    Mark(b"OTTO", FONT, is_word=True),
    Mark(b"wOF", FONT, is_word=True),
)
"""The marks of each type, the special ones first."""


def file_type(head: bytes) -> FileType | None:
    """The type of a file that is not text, by its first bytes; None for a text, and for an unknown type."""
    has_zero = b"\0" in head[:HEAD]
    for mark in MARKS:
        if head.startswith(mark.raw, mark.at) and (has_zero or not mark.is_word):
            return _document(head) if mark.type is ZIP else mark.type
    return None


def _document(head: bytes) -> FileType:
    """The type of document that a zip holds, or else `ZIP`."""
    return next((found for part, found in ZIP_PARTS if part in head[:FAR]), ZIP)


def may_begin(head: bytes) -> bool:
    """Whether a few first bytes are too few to tell a type: they may begin a mark, or the header of a tar."""
    if head.startswith(ZIP_START):  # it is no text: more may tell which document it is
        return len(head) < FAR
    if len(head) >= HEAD:
        return False
    if any(
        len(head) < mark.at + len(mark.raw) and mark.raw.startswith(head[mark.at :]) for mark in MARKS if not mark.at
    ):
        return True
    name, zero, rest = head[:100].partition(b"\0")  # a tar begins with a name, filled up with zeros
    return bool(name and zero) and not rest.strip(b"\0")


def refuse(path: str, head: bytes, wrapped: str = "") -> None:
    """Raises `NotTextError` for a file that is not text; `wrapped` is the program that decompresses it, if any."""
    found = file_type(head)
    if found is None:
        return
    shown, file = ("stdin", "FILE") if path == "-" else (path, shell_words.quote(path))
    what = f"{shown} is {found.name}{', compressed' if wrapped else ''}"
    if not found.command:
        raise NotTextError(
            f"{what}, which has no text: give a text; a model reads such files only if it was trained with `as_bytes`"
        )
    command = found.command.format(file)
    if wrapped and found is not TAR:  # which tar decompresses itself
        command = f"{wrapped} -dc {file} > copy; {found.command.format('copy')}"
    raise NotTextError(f"{what}, not text: extract its text first, for instance with `{command}`")
