"""The signs: characters and bytes as they can be seen."""

from charrnn.dataset.vocabulary import Vocabulary

SYMBOLS = {" ": "␣", "\n": "⏎", "\t": "⇥"}


def symbol(character: str) -> str:
    """A character by itself, fit to be seen: blanks as signs, control characters as escapes."""
    return SYMBOLS.get(character, printable(character))


def printable(character: str) -> str:
    """A character within a text: line ends and tabs as they are, and what else can't be seen as an escape."""
    return character if character.isprintable() or character in "\n\t" else ascii(character)[1:-1]


def character_names(vocabulary: Vocabulary) -> list[str]:
    """The characters of a vocabulary; a byte that is no ASCII as `\\xNN`."""
    if not vocabulary.is_bytes:
        return list(vocabulary.characters)
    return [chr(v) if v < 128 else f"\\x{v:02x}" for v in range(256)]
