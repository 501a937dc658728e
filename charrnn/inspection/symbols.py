"""The symbols: characters and bytes in a form that can be seen."""

from charrnn.dataset.vocabulary import Vocabulary

SYMBOLS = {" ": "␣", "\n": "⏎", "\t": "⇥"}


def symbol(character: str) -> str:
    """A character by itself: whitespace as a symbol, other invisible characters as escapes."""
    return SYMBOLS.get(character, character if character.isprintable() else ascii(character)[1:-1])


def character_names(vocabulary: Vocabulary) -> list[str]:
    """The characters of a vocabulary in the order of their ids; a byte that is not ASCII is `\\xNN`."""
    if not vocabulary.is_bytes:
        return list(vocabulary.characters)
    return [chr(v) if v < 128 else f"\\x{v:02x}" for v in range(256)]
