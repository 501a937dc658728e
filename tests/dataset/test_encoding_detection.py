"""The detection of encodings: texts in several languages are recognised; for what is no text nothing is suggested."""

import sys
from types import SimpleNamespace

import pytest

from charrnn.dataset.encoding_detection import differing_words, encoding_advice, likely_encodings

TEXTS = {
    "russian": "Мой дядя самых честных правил, когда не в шутку занемог, он уважать себя заставил.",
    "bulgarian": "Всички хора се раждат свободни и равни по достойнство и права.",
    "french": "Les élèves étaient à l'école; où était le garçon? « Là-bas », répondit-il.",
    "german": "Überall grünt es, schöne Mädchen lächeln süß; die Bäume blühen.",
    "french words": "été déjà, être là où l'élève très âgé rêve",
    "italian": "Perché è così? Più tardi andrò là, però non so se potrò.",
    "spanish": "El niño comió mañana con su papá en el jardín.",
    "portuguese": "A educação não é só isso: há razões, coração, mãe, às avós.",
    "swedish": "Alla människor är födda fria och lika i värde. Så är det på sjön.",
    "icelandic": "Hver maður er borinn frjáls og jafn öðrum. Það er þó æ.",
    "english": "A naïve café with a façade, by Brontë: “quoted”, it’s",
    "czech": "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Žluťoučký kůň.",
    "hungarian": "Minden emberi lény szabadon születik és egyenlő méltósága van; tűrő.",
    "romanian": "Toate fiinţele umane se nasc libere şi egale în demnitate; mâine, ăsta.",
    "turkish": "Bütün insanlar hür doğarlar. Akıl ve vicdana sahiptirler, çocuğun İstanbul.",
    "latvian": "Visi cilvēki piedzimst brīvi; viņi ir apveltīti ar saprātu, ķēķis, ģimene.",
    "several": "Les élèves étaient là. El niño comió en el jardín. Überall grünt es, schöne Mädchen süß.",
    "hebrew": "בראשית ברא אלהים את השמים ואת הארץ",
    "polish": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    "greek": "Η ελευθερία και η δημοκρατία είναι σημαντικές για όλους τους ανθρώπους",
    "arabic": "في البدء خلق الله السموات والأرض وكانت الأرض خربة",
    "japanese": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "chinese": "道可道,非常道。名可名,非常名。無名天地之始;有名萬物之母。",
}


@pytest.fixture(autouse=True)
def _without_charset_normalizer(monkeypatch):
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("russian", "cp1251"),
        ("russian", "koi8-r"),
        ("russian", "cp866"),
        ("bulgarian", "cp1251"),
        ("french", "cp1252"),
        ("german", "cp1252"),
        *((name, "cp1252") for name in ("french words", "italian", "spanish", "portuguese", "swedish", "icelandic")),
        *((name, encoding) for name in ("french", "italian", "english") for encoding in ("cp1252", "mac-roman")),
        *((name, "cp850") for name in ("french", "spanish", "portuguese", "several")),
        ("several", "cp1252"),
        *((name, encoding) for name in ("polish", "czech") for encoding in ("cp1250", "iso8859-2")),
        ("hungarian", "cp1250"),
        ("romanian", "cp1250"),
        ("turkish", "cp1254"),
        ("latvian", "cp1257"),
        ("greek", "cp1253"),
        ("arabic", "cp1256"),
        ("chinese", "big5"),
        ("chinese", "utf-16-be"),
        *((name, encoding) for name in ("russian", "german", "japanese") for encoding in ("utf-8", "utf-32-le")),
    ],
)
def test_the_likeliest_encoding_is_the_right_one(name, encoding):
    assert likely_encodings(TEXTS[name].encode(encoding))[0] == encoding
    assert likely_encodings((TEXTS[name] * 100).encode(encoding))[0] == encoding


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("japanese", "shift_jis"), ("japanese", "euc_jp"), ("hebrew", "cp1255"), ("several", "cp1252")],
)
def test_the_right_encoding_is_among_those_that_are_named(name, encoding):
    sample = TEXTS[name].encode(encoding)
    names = likely_encodings(sample)
    assert encoding in names
    words = differing_words(sample, names)
    assert len(set(words)) > 1
    assert words[names.index(encoding)] in TEXTS[name]


def test_a_word_shows_how_each_encoding_reads_a_text():
    assert differing_words("fée, élève".encode("cp1252"), ["cp1252", "cp1250"]) == ["élève", "élčve"]
    assert differing_words("fée".encode("cp1252"), ["cp1252", "cp1250"]) == ["", ""]
    assert encoding_advice("très bien".encode("cp1252")) == (
        "it looks like cp1252 (très) or cp1250 (trčs), so give one of these as its `encoding`"
    )


@pytest.mark.parametrize("name", ["french words", "spanish", "swedish", "several"])
def test_charset_normalizer_does_not_overrule_the_alphabets(monkeypatch, name):
    sample = TEXTS[name].encode("cp1252")
    best = SimpleNamespace(encoding="cp1250", could_be_from_charset=["cp1250"])
    fake = SimpleNamespace(from_bytes=lambda sample: SimpleNamespace(best=lambda: best))
    monkeypatch.setitem(sys.modules, "charset_normalizer", fake)
    assert likely_encodings(sample)[0] == "cp1252"


def test_latin_1_is_named_where_windows_has_no_character():
    assert likely_encodings("café, thé\x81 à l'été, déjà là".encode("latin-1"))[0] == "latin-1"


@pytest.mark.parametrize(
    "sample",
    [
        b"",
        b"abc",
        bytes(range(256)),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\b\6\0\0\0",
        TEXTS["russian"].encode() * 3 + b"\xff" + TEXTS["russian"].encode(),  # UTF-8, but for one byte
    ],
)
def test_nothing_is_suggested_for_what_is_no_text(sample):
    assert likely_encodings(sample) == []


def test_charset_normalizer_is_asked_if_it_is_installed(monkeypatch):
    def installed(encoding, *possible):
        best = encoding and SimpleNamespace(encoding=encoding, could_be_from_charset=[encoding, *possible])
        fake = SimpleNamespace(from_bytes=lambda sample: SimpleNamespace(best=lambda: best))
        monkeypatch.setitem(sys.modules, "charset_normalizer", fake)

    japanese = TEXTS["japanese"].encode("shift_jis")
    names = likely_encodings(japanese)
    assert len(names) > 1
    installed(None)
    assert likely_encodings(japanese) == names
    installed("cp932", "shift_jis")  # our guess is one of its own
    assert likely_encodings(japanese) == ["shift_jis"]
    installed("johab")
    assert likely_encodings(japanese) == ["johab"]
    installed("iso8859_5")  # which we don't know
    assert likely_encodings(TEXTS["russian"].encode("iso8859-5")) == ["iso8859_5"]
    for other in ("mac_cyrillic", "cp1257"):  # it is less sure of alphabets
        installed(other)
        assert likely_encodings(TEXTS["russian"].encode("cp1251")) == ["cp1251"]


def test_a_guess_looks_where_most_is_beyond_ascii():
    sample = b"plain text. " * 1000 + TEXTS["russian"].encode("koi8-r") * 20
    assert likely_encodings(sample) == ["koi8-r"]
