"""The detection of encodings: what a text that is not in the expected one may be in. It is only ever a suggestion.

Each candidate decodes a sample, and the most plausible text wins: one whose words are in one script and in usual case,
with few letters beyond ASCII in Latin words, all of which belong to as few languages as possible. If charset-normalizer
is installed, which knows more encodings, it is asked too.
"""

import itertools
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from charrnn.optional import import_optional

SINGLE_BYTE = (
    *("cp1251", "koi8-r", "cp866", "cp1252", "latin-1", "cp1250", "cp1254", "cp1257", "iso8859-2"),
    *("mac-roman", "cp850", "cp1253", "cp1255", "cp1256"),
)
"""The encodings of alphabets; of those that are alike, the more usual one first."""
MULTI_BYTE = ("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr")
"""In these, texts in the alphabets of the others are plausible too, so they count only if none of those does."""
MAX_NAMED = 4
"""The most encodings that are suggested."""
MAX_WORD = 12
"""The most characters of a word that shows how an encoding reads a text."""
MIN_WIDE = 8
"""The fewest bytes that are recognised as UTF-16 or UTF-32."""
MIN_UTF8, FEW_UTF8 = 8, 3
"""The fewest characters beyond ASCII by which UTF-8 is recognised where another encoding is expected; and the fewest in
a whole text where that is one of single bytes, in which they would be twice as many letters and signs."""
MAX_SAMPLE = 1 << 12
"""The bytes that each candidate decodes."""
GUESS_SIZE = 1 << 15
"""The bytes on either side of an error from which the encoding is guessed."""
MIN_PLAUSIBILITY = 0.5
NEAR = 0.1
"""How much less plausible than the best an encoding can be that is suggested too."""
ALPHABETS = (
    *("àâæçèéêëîïôùûüÿœ", "áéíñóúü", "àâãáçéêíóõôúü", "äöüß", "àèéìíòóùú", "áéèêëïóöúü", "àçéèíïóòúü"),
    *("åäöéü", "æøåéèêòóôü", "áðéíóúýþæö", "äõöüšž"),  # Danish and Norwegian are one, and so are Swedish and Finnish
    *("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîșțşţ", "čćđšž", "çë"),
    *("âçğıîöşüûİ", "ąčęėįšųūž", "āčēģīķļņšūž"),
)
"""The letters beyond ASCII of languages: French, Spanish, Portuguese, German, Italian, Dutch, Catalan; Swedish, Danish,
Icelandic, Estonian; Polish, Czech, Slovak, Hungarian, Romanian, Croatian, Albanian; Turkish, Lithuanian, Latvian."""
PLAIN = frozenset("\t\n\f\r\x1b")
"""Control characters that a text may have."""
PUNCTUATION = frozenset("“”„‘’‚–—…«»‹›№§©®€£°•\u00a0¿¡、。「」『』，？！：；（）・ー")
"""Characters beyond ASCII that are usual between words."""


def wide_encoding(sample: bytes) -> str | None:
    """UTF-16 or UTF-32, if a sample from the start of a text without a byte order mark is in one of these.

    In UTF-16, a NUL is the high byte of a letter of ASCII, a space or a newline: so all are at even places, or all at
    odd ones, where most of the other bytes are small too, since the alphabets are in the first blocks of Unicode.
    """
    if len(sample) < MIN_WIDE:
        return None
    fours = np.frombuffer(sample[: len(sample) // 4 * 4], np.uint8).reshape(-1, 4)
    for name, (first, second, *rest) in (("utf-32-le", (3, 2, 1, 0)), ("utf-32-be", (0, 1, 2, 3))):
        if not fours[:, first].any() and (fours[:, second] <= 0x10).all() and fours[:, rest].any():
            return name
    twos = fours.reshape(-1, 2)
    for name, high, low in (("utf-16-le", 1, 0), ("utf-16-be", 0, 1)):
        n_high, n_low = (int(np.count_nonzero(twos[:, place] == 0)) for place in (high, low))
        if n_high > 20 * n_low and np.mean(twos[:, high] < 0x20) > 0.7:
            return name
    return None


def likely_encodings(sample: bytes) -> list[str]:
    """What a sample is probably in, the likeliest first; empty if nothing is plausible."""
    if found := wide_encoding(sample):
        return [found]
    is_utf8, is_text = _utf8_or_binary(sample)
    around = _around_the_most(sample)
    if 0 in around:
        return [name for name in ("utf-16-le", "utf-16-be") if _plausibility(around, name)[0] > 1 - NEAR]
    if is_utf8 or not is_text:
        return ["utf-8"] * is_utf8
    names = _most_plausible(around, SINGLE_BYTE)
    others = names or _most_plausible(around, MULTI_BYTE)
    return _settled(sample, others, is_sure=bool(names))[:MAX_NAMED]


def encoding_advice(sample: bytes) -> str:
    """What to do about a text that is in another encoding than it should be."""
    names = likely_encodings(sample)
    if not names:
        return "give its `encoding`"
    if len(names) == 1:
        return f'it looks like {names[0]}, so give `encoding="{names[0]}"`'
    words = differing_words(sample, names)
    shown = [f"{name} ({word})" if word else name for name, word in zip(names, words, strict=True)]
    return f"it looks like {' or '.join(shown)}, so give one of these as its `encoding`"


def differing_words(sample: bytes, encodings: list[str]) -> list[str]:
    """What the first word that tells some encodings apart is in each of them, up to `MAX_WORD` characters.

    Empty strings if there is none.
    """
    texts = (sample.decode(name, "replace") for name in encodings)
    columns = itertools.zip_longest(*map(_words_beyond_ascii, texts), fillvalue="")
    words = next((words for words in columns if len(set(words)) > 1 and all(words)), [""] * len(encodings))
    return [word[:MAX_WORD] for word in words]


def _words_beyond_ascii(text: str) -> Iterator[str]:
    return (word for word in text.split() if not word.isascii() and "\ufffd" not in word)


def _utf8_or_binary(sample: bytes) -> tuple[bool, bool]:
    """Whether a sample is UTF-8; and whether it may be a text in another encoding, which it is not if most is UTF-8."""
    text = sample.decode("utf-8", "replace")
    n_bad = text[4:-4].count("\ufffd")  # the sample may begin and end within a character
    n_good = sum(not c.isascii() for c in text) - text.count("\ufffd")
    controls = sum(c < " " and c not in PLAIN for c in text)
    return n_good > 0 and n_bad == 0, controls * 50 <= len(text) and n_good <= 4 * n_bad


def _around_the_most(sample: bytes) -> bytes:
    """The `MAX_SAMPLE` bytes of a sample, from a multiple of that on, which have the most characters beyond ASCII."""
    starts = range(0, max(1, len(sample)), MAX_SAMPLE)
    pieces = (sample[start : start + MAX_SAMPLE] for start in starts)
    return max(pieces, key=lambda piece: sum(byte > 0x7F for byte in piece))


def _most_plausible(sample: bytes, encodings: tuple[str, ...]) -> list[str]:
    """Those in which a sample is about as plausible as in any; only one of those in which it is the same text.

    Latin letters are plausible in most encodings of Latin letters, but not all together: French in `cp1250` would be in
    Czech, Polish and Hungarian at once.
    """
    rated = [(*_plausibility(sample, name), name) for name in encodings]
    best = max(rate for rate, _, _ in rated)
    found: dict[str, str] = {}
    for rate, text, name in rated:
        if rate >= max(MIN_PLAUSIBILITY, best - NEAR):
            found.setdefault(text, name)
    n_languages = {name: _languages(text) for text, name in found.items()}
    fewest = min((n for n in n_languages.values() if n), default=0)
    return [name for name, n in n_languages.items() if n <= fewest + (fewest > 1)]  # a text in several tells less


def _languages(text: str) -> int:
    """The fewest languages that have the Latin letters beyond ASCII of a text; one more for each letter of none."""
    left = {c for c in text if not c.isascii() and _is_letter(c) and _script(c) == "LATIN"}
    left = {c.lower() if len(c.lower()) == 1 else c for c in left}
    n = 0
    while left:
        most = max((left.intersection(alphabet) for alphabet in ALPHABETS), key=len)
        left = left - most if most else set(sorted(left)[1:])
        n += 1
    return n


def _plausibility(sample: bytes, encoding: str) -> tuple[float, str]:
    """About 1 if all characters beyond ASCII of a sample are plausible in an encoding, and less otherwise; the text."""
    for cut in range(4):  # the sample may end within a character
        try:
            text = sample[: len(sample) - cut].decode(encoding)
            break
        except UnicodeError:
            continue
    else:
        return -1.0, ""
    total = n = 0.0
    for is_word, run in itertools.groupby(text, _is_letter):
        characters = "".join(run)
        beyond = [c for c in characters if not c.isascii()]
        n += len(beyond)
        if is_word:
            total += _rate_word(characters, beyond)
        else:
            total += sum(0.5 if c in PUNCTUATION else -1.0 for c in beyond)
    return (total / n if n else -1.0), text


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"


def _rate_word(word: str, beyond: list[str]) -> float:
    """How plausible a word is, times the number of its letters beyond ASCII."""
    if not beyond:
        return 0.0
    scripts = {_script(c) for c in word}
    is_usual = word[1:] == word[1:].lower() or word == word.upper()
    if len(scripts) > 1 or not is_usual or _is_foreign(scripts, word, beyond):
        return -float(len(beyond))
    # Capitals are rarer than small letters, which tells KOI8-R from CP1251
    return sum(0.9 if c != c.lower() else 1.0 for c in beyond)


def _is_foreign(scripts: set[str], word: str, beyond: list[str]) -> bool:
    """Whether a word would be Latin, but has hardly a letter of ASCII."""
    return scripts == {"LATIN"} and len(word) > 2 and 4 * len(beyond) > 3 * len(word)


@lru_cache(maxsize=1 << 12)
def _script(character: str) -> str:
    """The script of a letter; those of Japanese and Chinese, which share words, are one."""
    script = unicodedata.name(character, "unknown").partition(" ")[0]
    return "CJK" if script in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "COMBINING") else script


def _settled(sample: bytes, names: list[str], is_sure: bool) -> list[str]:
    """Some encodings, or what charset-normalizer makes of a sample, if it is installed: the one that both name.

    If they don't agree, it knows encodings of several bytes better, and alphabets, of which we are sure, less well.
    """
    if is_sure:
        return names
    try:
        charset_normalizer = import_optional("charset_normalizer")
    except ImportError:
        return names
    found = charset_normalizer.from_bytes(sample).best()
    if found is None:
        return names
    agreed = [name for name in names if name.replace("-", "_") in found.could_be_from_charset]
    return agreed[:1] or [str(found.encoding)]
