"""Makes the data sets of this folder: one for each form of sequence model, with the same bytes on every run.

    python data/make_datasets.py

It writes four files beside itself. Each is a list of lines `source TAB target` in random order, no source twice:

- `dates.tsv`: a date as people write it, and the same date as YYYY-MM-DD;
- `regions.tsv`: a place of `names.txt`, and the region where it lies;
- `tagged.tsv`: a sentence, and a tag for each of its characters;
- `sentiment.tsv`: an opinion, and whether it is positive or negative.

README.md beside it says what the targets mean. All lines come from the tables and templates below, and from the names
of `names.txt`.
"""

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

FOLDER = Path(__file__).resolve().parent
T = TypeVar("T")


class Draw:
    """Random choices from a seed, the same in every version of Python.

    All of them come from `Random.random`, the one method of which Python promises that a seed gives the same numbers in
    every version.
    """

    def __init__(self, seed: int):
        self._random = Random(seed).random

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1."""
        return int(self._random() * n)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random() < probability

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def word(self, text: str) -> str:
        """One of the words of a text."""
        return self.pick(text.split())

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in random order, as R. Fisher and F. Yates shuffle."""
        found = list(items)
        for last in range(len(found) - 1, 0, -1):
            other = self.below(last + 1)
            found[last], found[other] = found[other], found[last]
        return found


def lines_of(targets: dict[str, str], draw: Draw) -> str:
    """The text of a file: the sources and their targets in random order, one pair on each line."""
    return "".join(f"{source}\t{target}\n" for source, target in draw.shuffled([*targets.items()]))


def an(words: str) -> str:
    """The words after the indefinite article that they need."""
    return ("an " if words[0] in "aeiou" else "a ") + words


# Dates

DATES_PER_STYLE = 1000
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
ONES = (
    *("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
    "twenty": "twentieth",
    "thirty": "thirtieth",
}
"""The ordinal numbers that are more than the number and `th`."""
FIRST_YEAR, LAST_YEAR = 1900, 2099
PIVOT = 69
"""A year of two digits lies in 1969 to 2068, as in POSIX: from 69 on it belongs to the twentieth century."""

Style = Callable[[Draw, datetime.date], str]


def words_of(number: int, hyphen: str = "-") -> str:
    """A number from 1 to 99 in words."""
    if number < len(ONES):
        return ONES[number]
    tens, ones = divmod(number, 10)
    return TENS[tens] + (hyphen + ONES[ones] if ones else "")


def day_in_words(draw: Draw, day: int) -> str:
    """The day of a month as an ordinal number in words."""
    words = words_of(day, draw.pick("--- "))
    start = max(words.rfind("-"), words.rfind(" ")) + 1
    return words[:start] + ORDINALS.get(words[start:], words[start:] + "th")


def ordinal(day: int) -> str:
    """The day of a month as an ordinal number in digits."""
    return f"{day}{'th' if 10 < day < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"


def year_in_words(draw: Draw, year: int) -> str:
    """A year from 1900 to 2099 as it is spoken."""
    century, rest = divmod(year, 100)
    hundreds = "nineteen hundred" if century == 19 else "two thousand"
    if rest == 0:
        return hundreds
    hyphen = draw.pick("--- ")
    if draw.chance(0.3):
        return f"{hundreds} and {words_of(rest, hyphen)}"
    return f"{words_of(century)} {'oh ' if rest < 10 else ''}{words_of(rest, hyphen)}"


def month_of(draw: Draw, date: datetime.date, short: float = 0.5) -> str:
    """The name of the month, abbreviated with the probability `short`."""
    name = MONTHS[date.month - 1]
    if not draw.chance(short) or name == "May":
        return name
    if name == "September" and draw.chance(0.5):
        return draw.pick(("Sept", "Sept."))
    return name[:3] + draw.pick(("", "", "."))


def day_of(draw: Draw, date: datetime.date) -> str:
    """The day in digits, sometimes with a zero before it."""
    return f"{date.day:02}" if draw.chance(0.25) else str(date.day)


def comma(draw: Draw) -> str:
    return draw.pick((", ", ", ", ", ", ",", " ", " , "))


def month_first(draw: Draw, date: datetime.date) -> str:
    return f"{month_of(draw, date)} {day_of(draw, date)}{comma(draw)}{date.year}"


def day_first(draw: Draw, date: datetime.date) -> str:
    separator = draw.pick((" ", " ", " ", "-", "/", "  "))
    return separator.join((day_of(draw, date), month_of(draw, date), str(date.year)))


def ordinal_of(draw: Draw, date: datetime.date) -> str:
    the, before_year = draw.pick(("", "the ")), draw.pick((" ", " ", ", ", " in "))
    return f"{the}{ordinal(date.day)} of {month_of(draw, date, 0.25)}{before_year}{date.year}"


def dotted(draw: Draw, date: datetime.date) -> str:
    """Day, month and year, in this order, as much of Europe writes them; sometimes the month is a Roman number."""
    dot = draw.pick((".", ".", ". "))
    if draw.chance(0.25):
        return dot.join((str(date.day), ROMAN[date.month - 1], str(date.year)))
    zeros = "02" if draw.chance(0.4) else ""
    return dot.join((format(date.day, zeros), format(date.month, zeros), str(date.year)))


def year_first(draw: Draw, date: datetime.date) -> str:
    if draw.chance(0.1):
        return f"{date.year}{date.month:02}{date.day:02}"
    zeros, separator = "02" if draw.chance(0.5) else "", draw.pick("/-. ")
    return separator.join((str(date.year), format(date.month, zeros), format(date.day, zeros)))


def with_weekday(draw: Draw, date: datetime.date) -> str:
    name = WEEKDAYS[date.weekday()]
    name = name[:3] + draw.pick(("", ".")) if draw.chance(0.4) else name
    return name + draw.pick((", ", ", ", " ", ",")) + draw.pick((month_first, day_first))(draw, date)


def short_year(draw: Draw, date: datetime.date) -> str:
    day = draw.pick((day_of(draw, date), ordinal(date.day)))
    parts = draw.pick(((month_of(draw, date), day), (day, month_of(draw, date))))
    return f"{' '.join(parts)}{draw.pick((' ', ' ', ', '))}'{date.year % 100:02}"


def day_in_words_first(draw: Draw, date: datetime.date) -> str:
    day, month = day_in_words(draw, date.day), month_of(draw, date, 0.1)
    return f"{draw.pick((f'the {day} of {month}', f'{day} of {month}', f'{month} the {day}'))}{comma(draw)}{date.year}"


def year_then_month(draw: Draw, date: datetime.date) -> str:
    month, the = month_of(draw, date), draw.pick(("", "the "))
    rest = (f"{month} {the}{ordinal(date.day)}", f"{month} {day_of(draw, date)}", f"the {ordinal(date.day)} of {month}")
    return f"{date.year}{comma(draw)}{draw.pick(rest)}"


def all_in_words(draw: Draw, date: datetime.date) -> str:
    day, month, year = day_in_words(draw, date.day), month_of(draw, date, 0), year_in_words(draw, date.year)
    return draw.pick((f"the {day} of {month}", f"{month} the {day}", f"{month} {day}")) + draw.pick((" ", ", ")) + year


STYLES: tuple[Style, ...] = (
    *(month_first, day_first, ordinal_of, dotted, year_first),
    *(with_weekday, short_year, day_in_words_first, year_then_month, all_in_words),
)


def random_date(draw: Draw, style: Style) -> datetime.date:
    """A day from 1900 to 2099, or, in the style that leaves out the century, from 1969 to 2068."""
    first, last = (1900 + PIVOT, 1999 + PIVOT) if style is short_year else (FIRST_YEAR, LAST_YEAR)
    start = datetime.date(first, 1, 1)
    return start + datetime.timedelta(draw.below((datetime.date(last, 12, 31) - start).days + 1))


def dates() -> str:
    """`dates.tsv`: each style has the same number of lines."""
    draw, found = Draw(1), dict[str, str]()
    for style in STYLES:
        wanted = len(found) + DATES_PER_STYLE
        while len(found) < wanted:
            date = random_date(draw, style)
            text = style(draw, date)
            text = draw.pick((text,) * 6 + (text.lower(), text.lower(), text.upper()))
            found.setdefault(text, date.isoformat())
    return lines_of(found, draw)


# Tagged sentences

TAGGED_LINES = 3000
OUTSIDE, NAME, DATE, NUMBER = ".ND#"
"""The tags: outside, the name of a person or a place, a date, a number."""

FIRST_NAMES = """
    Ada Agnes Aisha Alan Alice Amir Anna Anton Art Arthur Astrid Ben Bill Bridget Carla Carlos Chloe Clara Colm Conor
    Daisy Daniel Dawn Deirdre Diego Edith Elena Ellen Emma Erik Esther Eva Faith Farid Fatima Fergus Fiona Frank Freya
    George Gita Gloria Grace Graham Greta Hannah Harry Hassan Heather Helen Henry Hope Hugh Ibrahim Ines Ingrid Iris
    Isaac Ivan Ivy Jack James Jasmine Jean Joan Joe Josef Julia Kate Keiko Kofi Lars Laura Leila Leo Lily Lucy Luka
    Magda Malcolm Marek Margaret Maria Mark Martha Mary Meera Mei Miles Miriam Mohan Molly Nadia Naomi Neil Nina Norah
    Olga Olive Omar Oscar Pat Paul Pearl Penny Peter Petra Priya Rachel Ray Rob Robin Rosa Rose Rory Ruth Sally Sam
    Sandy Sara Sean Sergei Sofia Stella Sue Tariq Tess Thomas Tom Ursula Vera Victor Violet Will Yasmin Yuki Zara Zoe
"""
"""Some of them are also words, such as Will and Rose; none is also a month."""
SURNAMES = """
    Ahmed Andersen Baker Banerjee Bell Brown Campbell Chen Cook Costa Davies Dubois Evans Fernandez Fischer Fox Garcia
    Gill Green Haddad Hall Hansen Hill Hughes Ito Jones Kaur Kelly Kim King Kovacs Lee Levy Lopez Martin Mensah Mills
    Murphy Nakamura Nguyen Novak Nowak O'Brien O'Neill Okafor Patel Pereira Petrov Price Rao Reid Rossi Santos Schmidt
    Shah Silva Singh Smith Stone Tanaka Taylor Walker Weber White Wood Wright Yilmaz Young
"""
SURNAME_STEMS = """
    Al Ash Bar Black Brad Bur Cal Clay Cor Dal Den Els Fair Fen Gar Gold Ham Hart Hol Kel Lang Lin Mar Mel Mor Nor Pem
    Pen Quin Rad Red Ring Sel Stan Sum Thorn Tre Wal Whit Win
"""
SURNAME_ENDINGS = """
    bourne bury by combe cott croft dale den field ford gate grove ham hurst land ley low man more ridge shaw stead ton
    ward well wick wood worth
"""
FAR_PLACES = (
    *("Accra", "Athens", "Bergen", "Berlin", "Buenos Aires", "Cairo", "Cape Town", "Copenhagen", "Cracow", "Dakar"),
    *("Geneva", "Hamburg", "Helsinki", "Hong Kong", "Kyoto", "Lagos", "Lima", "Lisbon", "Madrid", "Marseille"),
    *("Mexico City", "Montreal", "Nairobi", "Naples", "New York", "Odessa", "Oslo", "Paris", "Porto", "Prague"),
    *("Quito", "Riga", "Rome", "San Francisco", "Seville", "Singapore", "Stockholm", "Sydney", "Tokyo", "Vienna"),
)
THINGS = (
    *("bicycle", "boat", "box of nails", "bread", "camera", "carpet", "clock", "coat", "desk", "fiddle", "green lamp"),
    *("key", "kettle", "ladder", "letter", "map", "mirror", "wooden chair", "painting", "parcel", "piano", "radio"),
    *("red umbrella", "sack of flour", "saddle", "sewing machine", "stove", "suitcase", "telescope", "tent", "ticket"),
)
EVENTS = (
    *("auction", "ball", "concert", "court case", "exhibition", "fair", "flower show", "funeral", "harvest supper"),
    *("lecture", "match", "meeting", "play", "race", "regatta", "school trip", "strike", "wedding"),
)
JOBS = (
    *("baker", "carpenter", "chemist", "clerk", "dentist", "doctor", "builder", "farmer", "gardener", "grocer"),
    *("judge", "librarian", "mayor", "nurse", "painter", "pilot", "plumber", "postman", "sailor", "teacher"),
)
GOODS = (
    *("apples", "books", "bottles", "bricks", "buttons", "candles", "chairs", "coins", "eggs", "hens", "herrings"),
    *("kites", "letters", "marbles", "pencils", "people", "plums", "pots", "sheep", "shirts", "stamps", "tickets"),
)
TEMPLATES = (
    # People and places
    "{person} met {person} in {place}.",
    "{person} lives in {place}, not far from the {job}'s house.",
    "{person} moved from {place} to {place} in {year}.",
    "My friend {person} comes from {place} and hardly ever goes back.",
    "Mrs {surname} taught me how to mend a {thing}.",
    "Mr {surname} and {person} have not spoken since {month}.",
    "Dr {surname} keeps a {thing} behind the door.",
    "Old Miss {surname} was the {job} of {place} for {few} years.",
    "{person}'s brother is a {job} in {place}.",
    "The road from {place} to {place} is closed.",
    "Have you heard from {person} lately?",
    "Ask {person} whether the {event} in {place} is worth the journey.",
    "I bought the {thing} from {person}, the {job}.",
    "Is {place} larger than {place}?",
    "A {job} from {place} sold us this {thing}.",
    "{person}, {person} and {person} share a flat near the station.",
    "They say that {person} will never leave {place}.",
    "We passed through {place} and stopped in {place} for tea.",
    "{place} has a fine bridge and no railway.",
    "{place} and {place} are twin towns.",
    "{person} wrote to the {job}, but {person} answered.",
    # Dates
    "The {event} is on {day}.",
    "On {day} the {job} found the {thing}.",
    "The {event} in {place} began on {day} and ended on {day}.",
    "{person} was born on {day} in {place}.",
    "Please return the {thing} by {day}.",
    "It has not rained since {day}.",
    "Nothing happened in {year}.",
    "{place} was flooded in {year} and again in {year}.",
    "The {job} retires in {month}.",
    "Dated {day}, and signed by {person}.",
    "The shop in {place} opens again next {weekday}.",
    "Last {weekday} {person} lost a {thing} on the ferry.",
    "Between {year} and {year} the mill belonged to {person}.",
    "Every {weekday} the {job} walks to {place}.",
    "The lease runs from {day} to {day}.",
    # Numbers, sums and times
    "{person} counted {number} {goods}.",
    "There are {number} {goods} in the cellar.",
    "The {thing} costs {sum}, or {sum} with the lid.",
    "{person} paid {sum} for a {thing} in {place}.",
    "It is {number} miles from {place} to {place}.",
    "The train to {place} leaves at {time}.",
    "We left at {time} and arrived at {time}.",
    "Wake {person} at {time}, please.",
    "Add {figure} to {number}, then take away {figure}.",
    "What is {figure} + {figure}?",
    "About {share} of the {goods} were broken.",
    "Room {figure} is on the left, next to room {figure}.",
    "The {job} wants {number} {goods} before {time}.",
    "In {year} the {job} earned {sum} a week.",
    "Of {number} {goods}, {number} went to {person}.",
    "The {event} starts at {time} on {day}.",
    "{person} owes me {sum} since {day}.",
    "Call {person} on {weekday} at {time} about the {thing}.",
    "At {time} there were {number} {goods} on the pier of {place}.",
    # None of them, though some words are names and dates elsewhere
    "You may keep the {thing} if you mark the box.",
    "They will march to the well at dawn.",
    "The bill for the {thing} was a surprise.",
    "Hope alone will not mend the {thing}.",
    "The sun rose over the reading room.",
    "The {job} put the {thing} in the wall and went to bed.",
    "In the second drawer there is a {thing}.",
    "That may be the frank opinion of the {job}.",
    "A ray of light fell on the rose and the ivy.",
    "Nobody likes to pay a penny for a {thing}.",
    "The {event} was a battle, and the bath was cold.",
)
OPENERS = ("", "", "", "He wrote: ", "Remember: ", "From the diary: ", "One more thing: ", "P.S. ", "Breaking news: ")


def person(draw: Draw) -> str:
    """A first name, often with a surname; sometimes only its first letter."""
    first, form = draw.word(FIRST_NAMES), draw.below(8)
    if form < 3:
        return first
    return f"{f'{first[0]}.' if form == 3 else first} {surname(draw)}"


def surname(draw: Draw) -> str:
    """A surname: a common one, or one that is put together."""
    return draw.word(SURNAMES) if draw.chance(0.4) else draw.word(SURNAME_STEMS) + draw.word(SURNAME_ENDINGS)


def day(draw: Draw) -> str:
    """A date that can follow the word `on`, with or without its year."""
    date = random_date(draw, month_first)
    if draw.chance(0.6):
        return draw.pick((month_first, day_first, ordinal_of, dotted, with_weekday))(draw, date)
    month = month_of(draw, date, 0.2)
    the_day = (f"{date.day} {month}", f"the {ordinal(date.day)} of {month}", f"{month} {date.day}")
    return draw.pick((*the_day, WEEKDAYS[date.weekday()]))


def year(draw: Draw) -> str:
    """A year that has passed."""
    return str(FIRST_YEAR + draw.below(120))


def number(draw: Draw) -> str:
    """A number from 2 on, in words or digits."""
    return words_of(2 + draw.below(98)) if draw.chance(0.4) else figure(draw)


def figure(draw: Draw) -> str:
    """A number from 2 on in digits, small ones more often."""
    return f"{2 + draw.below(draw.pick((97, 997, 99_997))):,}"


def sum_of_money(draw: Draw) -> str:
    """Dollars, or dollars and cents."""
    return draw.pick((f"${1 + draw.below(5000):,}", f"${1 + draw.below(99)}.{draw.below(100):02}"))


def time_of_day(draw: Draw) -> str:
    """A time in digits or words."""
    hour, minute = 1 + draw.below(12), f"{draw.below(60):02}"
    spoken = draw.pick((f"half past {ONES[hour]}", f"quarter to {ONES[hour]}", f"{ONES[hour]} o'clock"))
    return draw.pick((f"{hour}:{minute}", f"{hour % 12 + 12}:{minute}", f"{hour}:{minute} pm", f"{hour} am", spoken))


def share(draw: Draw) -> str:
    """A percentage."""
    return f"{1 + draw.below(99)}{draw.pick(('', f'.{draw.below(10)}'))}%"


Slot = tuple[str, Callable[[Draw], str]]
"""What fills a slot of a template: its tag, and how its text is drawn."""


def slots(names: Sequence[str]) -> dict[str, Slot]:
    """The slots of the templates by name."""
    towns = [name for name in names if name not in MONTHS]  # there is a town of March
    return {
        "person": (NAME, person),
        "surname": (NAME, surname),
        "place": (NAME, lambda draw: draw.pick(FAR_PLACES if draw.chance(0.15) else towns)),
        "day": (DATE, day),
        "weekday": (DATE, lambda draw: draw.pick(WEEKDAYS)),
        "month": (DATE, lambda draw: draw.pick(MONTHS) + draw.pick(("", f" {year(draw)}"))),
        "year": (DATE, year),
        "number": (NUMBER, number),
        "figure": (NUMBER, figure),
        "few": (NUMBER, lambda draw: draw.pick((str, words_of))(2 + draw.below(58))),
        "sum": (NUMBER, sum_of_money),
        "time": (NUMBER, time_of_day),
        "share": (NUMBER, share),
        "thing": (OUTSIDE, lambda draw: draw.pick(THINGS)),
        "event": (OUTSIDE, lambda draw: draw.pick(EVENTS)),
        "job": (OUTSIDE, lambda draw: draw.pick(JOBS)),
        "goods": (OUTSIDE, lambda draw: draw.pick(GOODS)),
    }


def filled(template: str, draw: Draw, slots: dict[str, Slot]) -> tuple[str, str]:
    """The text of a template and its tags; raises `ValueError` if two spans touch, as their tags could not tell."""
    text = tags = ""
    for n, part in enumerate(re.split(r"\{(\w+)\}", template)):
        tag, word = OUTSIDE, part
        if n % 2:
            tag, text_of = slots[part]
            word = text_of(draw)
            if tag != OUTSIDE and tags.endswith((NAME, DATE, NUMBER)):
                raise ValueError(f"{part} follows another span in {template!r}")
        text, tags = text + word, tags + tag * len(word)
    return text[0].upper() + text[1:], tags


def tagged(names: Sequence[str]) -> str:
    """`tagged.tsv`: one sentence, or sometimes two; every other line has no capital letters."""
    draw, found, fill = Draw(3), dict[str, str](), slots(names)
    while len(found) < TAGGED_LINES:
        text, tags = filled(draw.pick(TEMPLATES), draw, fill)
        opener = draw.pick(OPENERS)
        text, tags = opener + text, OUTSIDE * len(opener) + tags
        if draw.chance(0.2):
            more, more_tags = filled(draw.pick(TEMPLATES), draw, fill)
            text, tags = f"{text} {more}", f"{tags}{OUTSIDE}{more_tags}"
        found.setdefault(text.lower() if len(found) % 2 else text, tags)
    return lines_of(found, draw)


# Opinions

OPINIONS = 2000


@dataclass(frozen=True)
class Topic:
    """What an opinion is about: words that fit together. `good` and `bad` suit the things and their parts."""

    things: tuple[str, ...]
    parts: tuple[str, ...]
    met: str
    """The past participle of what one does with it."""
    good: tuple[str, ...]
    bad: tuple[str, ...]
    praise: tuple[str, ...]
    """Clauses that can stand alone, of someone who is pleased; `blame` has those of someone who is not."""
    blame: tuple[str, ...]


TOPICS = (
    Topic(
        things=("book", "novel", "story", "biography", "travel diary"),
        parts=("plot", "ending", "dialogue", "first chapter", "translation"),
        met="read",
        good=("gripping", "witty", "moving", "clever"),
        bad=("dull", "clumsy", "predictable", "confused"),
        praise=("I could not put it down", "I read it twice", "I can't praise it enough", "I was sorry when it ended"),
        blame=("I gave up halfway", "I was glad when it ended", "I would not read it again", "I skipped whole pages"),
    ),
    Topic(
        things=("soup", "breakfast", "stew", "curry", "apple pie", "supper"),
        parts=("bread", "sauce", "pudding", "first course", "side dish"),
        met="eaten",
        good=("delicious", "fresh", "excellent", "well balanced"),
        bad=("bland", "stale", "dreadful", "greasy"),
        praise=(
            "I asked for more",
            "nothing was left on my plate",
            "I can't wait to come back",
            "we licked the spoons",
        ),
        blame=("I left most of it", "I will not come back", "even the dog refused it", "I asked for my money back"),
    ),
    Topic(
        things=("journey", "crossing", "flight", "train ride", "boat trip"),
        parts=("start", "first hour", "second half", "last part", "way back"),
        met="been on",
        good=("pleasant", "smooth", "comfortable", "relaxing"),
        bad=("tiring", "bumpy", "uncomfortable", "chaotic"),
        praise=(
            "I would go again tomorrow",
            "I wish it had lasted longer",
            "I can't recommend it enough",
            "we sang all the way",
        ),
        blame=(
            "I would not go again for free",
            "I wished it would end",
            "next time I will walk",
            "we never want to repeat it",
        ),
    ),
    Topic(
        things=("summer", "morning", "week", "afternoon", "holiday", "weekend"),
        parts=("sea air", "wind", "first day", "evening", "night"),
        met="had",
        good=("mild", "glorious", "splendid", "gentle"),
        bad=("dismal", "miserable", "bitter", "harsh"),
        praise=(
            "we ate outside every day",
            "nobody stayed indoors",
            "I did not miss my coat",
            "the children never came in",
        ),
        blame=("we never went outside", "everybody stayed indoors", "I missed my coat", "the children never went out"),
    ),
    Topic(
        things=("saw", "kettle", "tent", "lamp", "jacket", "pen", "bicycle pump"),
        parts=("handle", "clasp", "case", "design", "base"),
        met="owned",
        good=("sturdy", "handy", "reliable", "well made"),
        bad=("flimsy", "awkward", "unreliable", "shoddy"),
        praise=(
            "I have bought a second one",
            "I use it every day",
            "it has never let me down",
            "I would not part with it",
        ),
        blame=(
            "I sent it back",
            "it broke within a week",
            "I have never used it since",
            "I would not buy a second one",
        ),
    ),
)

DIRECT = (
    *("{it} was {adj}", "{it} was {adj}", "{it} was {very} {adj}", "{it} was as {adj} as ever"),
    *("{it} was not only {adj} but {other}", "{it} could not have been more {adj}"),
    *("nobody could deny that {it} was {adj}", "there was something {adj} about {it}"),
    "{it} was even more {adj} than I had {expected}",
)
"""Claims about a thing or its part that have the meaning of their adjective; `DENIED` have the opposite one."""
DENIED = (
    *("{it} was not {adj}", "{it} was never {adj}", "{it} was hardly {adj}", "{it} was far from {adj}"),
    *("{it} was anything but {adj}", "{it} was neither {adj} nor {other}", "{it} was by no means {adj}"),
    *("nobody could call {it} {adj}", "there was nothing {adj} about {it}"),
    *("{it} was less {adj} than I had {expected}", "{it} was not as {adj} as people say"),
)
DIRECT_VERDICTS = (
    *("this was {an_adj_thing}", "what {an_adj_thing} that was"),
    *("I have never {met} a more {adj} {thing}", "no {thing} was ever more {adj}"),
)
"""Claims about a thing as a whole, likewise."""
DENIED_VERDICTS = (
    "this was hardly {an_adj_thing}",
    "this was not {an_adj_thing}",
    "nobody would call this {an_adj_thing}",
)
WHICH = ("", "", "", " we chose", " last year", " this time")
VERY = ("very", "really", "quite", "truly", "rather")


def claim(draw: Draw, topic: Topic, thing: str, it: str, positive: bool) -> str:
    """A clause that says something good, or something bad, about `it`: the thing itself, or a part of it."""
    is_verdict, is_direct = it.startswith(f"the {thing}") and draw.chance(0.25), draw.chance(0.55)
    if is_direct:
        template = draw.pick(DIRECT_VERDICTS if is_verdict else DIRECT)
    else:
        template = draw.pick(DENIED_VERDICTS if is_verdict else DENIED)
    is_good = positive == is_direct
    adjective, other = draw.shuffled(topic.good if is_good else topic.bad)[:2]
    return template.format(
        it=it,
        adj=adjective,
        other=other,
        very=draw.pick(VERY),
        expected="hoped" if is_good else "feared",
        thing=thing,
        met=topic.met,
        an_adj_thing=an(f"{adjective} {thing}"),
    )


def opinion(draw: Draw, positive: bool) -> str:
    """A sentence of which the main clause, or the one after `but`, has the wanted meaning."""
    topic = draw.pick(TOPICS)
    thing = draw.pick(topic.things)
    main = claim(draw, topic, thing, f"the {thing}{draw.pick(WHICH)}", positive)
    part = claim(draw, topic, thing, f"the {draw.pick(topic.parts)}", not positive)
    feeling = draw.pick(topic.praise if positive else topic.blame)
    form = draw.below(20)
    if form < 8:
        text = main
    elif form < 11:
        text = f"{main}, and {feeling}"
    elif form < 14:
        text = f"{part}, but {main}"
    elif form < 16:
        text = f"although {part}, {main}"
    elif form < 18:
        text = f"{main}, even though {part}"
    elif form < 19:
        text = f"{part}, but {feeling}"
    else:
        text = f"{feeling}, although {part}"
    return text[0].upper() + text[1:] + draw.pick("....!")


def sentiment() -> str:
    """`sentiment.tsv`: as many positive as negative opinions."""
    draw, found = Draw(4), dict[str, str]()
    while len(found) < OPINIONS:
        positive = len(found) % 2 == 0
        found.setdefault(opinion(draw, positive), "positive" if positive else "negative")
    return lines_of(found, draw)


# Places


def regions(names: Sequence[str]) -> str:
    """`regions.tsv`; raises `ValueError` if a place is not in `names.txt`, or stands under two regions."""
    found = dict[str, str]()
    for region, text in PLACES.items():
        for place in " ".join(text.split()).split(", "):
            if place in found or place not in names:
                raise ValueError(f"{place} is not in names.txt, or has two regions")
            found[place] = region
    return lines_of(found, Draw(2))


def datasets() -> dict[str, str]:
    """The text of each file by its name."""
    names = (FOLDER / "names.txt").read_text(encoding="utf-8").splitlines()
    return {
        "dates.tsv": dates(),
        "regions.tsv": regions(names),
        "tagged.tsv": tagged(names),
        "sentiment.tsv": sentiment(),
    }


PLACES = {
    "England": """
        Abberley, Abbots Bromley, Abbots Langley, Abbotsbury, Abbotskerswell, Aberford, Abingdon-on-Thames,
        Abinger Hammer, Accrington, Ackworth, Acle, Acocks Green, Acton Burnell, Acton Trussell, Adderbury, Addingham,
        Addlestone, Adlestrop, Affpuddle, Aigburth, Ainderby Steeple, Aintree, Albrighton, Alcester, Alconbury,
        Aldborough, Aldbourne, Aldeburgh, Alderley Edge, Aldermaston, Alderminster, Aldershot, Aldridge, Alfreton,
        Alfriston, Alkborough, All Cannings, Allendale Town, Allesley, Allithwaite, Alnmouth, Alnwick, Alrewas, Alsager,
        Alsop en le Dale, Altarnun, Altrincham, Alvechurch, Ambleside, Ambrosden, Amersham, Amesbury, Ampleforth,
        Ampney Crucis, Ampthill, Ancaster, Andover, Andoversford, Angmering, Appleby-in-Westmorland, Appledore,
        Appletreewick, Ardingly, Arkengarthdale, Arlesey, Arundel, Ascott-under-Wychwood, Ashburton, Ashby-de-la-Zouch,
        Ashover, Ashtead, Ashton-in-Makerfield, Ashton-under-Lyne, Askrigg, Aspatria, Aston Clinton, Aston-on-Trent,
        Atherstone, Attenborough, Attleborough, Audlem, Avebury, Aveley, Axbridge, Axminster, Aylesbury, Aylesford,
        Aylsham, Ayot St Lawrence, Aysgarth, Bacup, Badminton, Bagshot, Baildon, Bainbridge, Bakewell, Baldock, Balham,
        Bamburgh, Bampton, Banbury, Banstead, Bardney, Barking, Barlaston, Barnard Castle, Barnet, Barnoldswick,
        Barnsley, Barnstaple, Barrow upon Soar, Barrow-in-Furness, Barton-upon-Humber, Barwick-in-Elmet, Basildon,
        Basingstoke, Baslow, Bassenthwaite, Bath, Batley, Battersea, Bawtry, Beaconsfield, Beadnell, Beaminster,
        Bebington, Beccles, Beckenham, Bedale, Bedford, Bedlington, Bedworth, Belper, Bembridge, Benenden, Bere Regis,
        Berkhamsted, Bermondsey, Berwick-upon-Tweed, Bethnal Green, Beverley, Bewdley, Bexhill-on-Sea, Bexley, Bibury,
        Bicester, Biddenden, Biddulph, Bideford, Bidford-on-Avon, Biggin Hill, Biggleswade, Billericay, Billingham,
        Billingshurst, Binbrook, Bingley, Birchington, Birdlip, Birkdale, Birkenhead, Birmingham, Birstall,
        Bishop Auckland, Bishop's Castle, Bishop's Cleeve, Bishop's Stortford, Bishop's Waltham, Blackpool,
        Blandford Forum, Blaydon, Bletchley, Blickling, Blidworth, Bloxham, Bodiam, Bodmin, Bognor Regis, Bollington,
        Bolsover, Bolton-le-Sands, Bootle, Bordon, Borehamwood, Boroughbridge, Borrowdale, Boscastle, Bosham,
        Boston Spa, Bournemouth, Bournville, Bourton-on-the-Water, Bovey Tracey, Bowness-on-Windermere, Brackley,
        Bracknell, Bradford-on-Avon, Brading, Braintree, Brampton Bryan, Brancaster, Branscombe, Braunton, Brentford,
        Brentwood, Bridgnorth, Bridgwater, Bridlington, Bridport, Brierley Hill, Brighouse, Brightlingsea, Brighton,
        Brigstock, Brinklow, Bristol, Brixham, Brixworth, Brize Norton, Broadstairs, Brockenhurst, Bromley, Bromsgrove,
        Bromyard, Broseley, Broxbourne, Bruton, Buckfastleigh, Buckhurst Hill, Buckingham, Bude, Budleigh Salterton,
        Bungay, Buntingford, Burford, Burgess Hill, Burnham Market, Burnham-on-Sea, Burnley, Burslem, Burton Latimer,
        Burton upon Trent, Bury St Edmunds, Buttermere, Buxton, Byfleet, Caistor, Calne, Camberley, Camborne, Cambridge,
        Camelford, Cannock, Canterbury, Canvey Island, Carlisle, Carnforth, Carterton, Cartmel, Castle Cary,
        Castle Combe, Castle Donington, Castleford, Caterham, Catford, Catterick, Cerne Abbas, Chagford,
        Chalfont St Giles, Chandler's Ford, Chapel-en-le-Frith, Chatham, Chatteris, Cheadle, Cheddar, Chelmsford,
        Cheltenham, Chertsey, Chesham, Cheshunt, Chester, Chester-le-Street, Chesterfield, Chew Magna, Chichester,
        Chippenham, Chipping Campden, Chipping Norton, Chipping Sodbury, Chislehurst, Chiswick, Chorley, Chorleywood,
        Chudleigh, Chulmleigh, Church Stretton, Cinderford, Cirencester, Clacton-on-Sea, Cleator Moor, Cleckheaton,
        Cleethorpes, Cleobury Mortimer, Clevedon, Cley next the Sea, Clitheroe, Clovelly, Coalbrookdale, Coalville,
        Cockermouth, Coggeshall, Colchester, Coleford, Coleshill, Colne, Colyton, Combe Martin, Congleton, Congresbury,
        Coningsby, Conisbrough, Coniston, Consett, Corbridge, Corby, Corfe Castle, Corsham, Cottesmore, Cottingham,
        Coventry, Cowes, Cramlington, Cranbrook, Cranleigh, Crediton, Crewe, Crewkerne, Cricklade, Cromer, Crowborough,
        Crowland, Crowthorne, Croydon, Cuckfield, Cullercoats, Cullompton, Dagenham, Darlaston, Darlington, Dartford,
        Dartmouth, Darwen, Daventry, Dawlish, Dedham, Deeping St James, Deptford, Derby, Dereham, Desborough, Devizes,
        Dewsbury, Didcot, Diss, Ditchling, Dorchester, Dorking, Dovercourt, Downham Market, Driffield, Droitwich Spa,
        Dronfield, Droylsden, Dudley, Dukinfield, Dulverton, Dungeness, Dunstable, Dunster, Dunwich, Durham, Dursley,
        Dymchurch, Ealing, Easingwold, East Grinstead, Eastbourne, Eastleigh, Edale, Edenbridge, Edgbaston, Edgware,
        Egham, Ellesmere Port, Emsworth, Epping, Epsom, Epworth, Esher, Evesham, Ewell, Exeter, Exmouth, Eyam, Eynsham,
        Fakenham, Falmouth, Fareham, Faringdon, Farnborough, Farnham, Faversham, Felixstowe, Filey, Finchley, Finedon,
        Fleetwood, Folkestone, Fordingbridge, Fotheringhay, Fowey, Framlingham, Frinton-on-Sea, Frodsham, Frome,
        Gainsborough, Garforth, Garstang, Gateshead, Gerrards Cross, Giggleswick, Glastonbury, Glossop, Gloucester,
        Goathland, Godalming, Godmanchester, Goole, Gosport, Goudhurst, Grange-over-Sands, Grantchester, Grantham,
        Grasmere, Grassington, Gravesend, Great Ayton, Great Dunmow, Great Malvern, Great Missenden, Great Torrington,
        Great Yarmouth, Greenwich, Grimsby, Guildford, Guisborough, Guiseley, Hackney, Hadleigh, Hailsham, Halesowen,
        Halesworth, Halifax, Haltwhistle, Hampstead, Harpenden, Harrogate, Hartlepool, Hartley Wintney, Harwich,
        Haslemere, Haslingden, Hastings, Hathersage, Havant, Haverhill, Hawkshead, Haworth, Haydon Bridge,
        Hayling Island, Haywards Heath, Headcorn, Heanor, Hebden Bridge, Heckmondwike, Helmsley, Helston,
        Hemel Hempstead, Hendon, Henley-in-Arden, Henley-on-Thames, Heptonstall, Hereford, Herne Bay, Hertford, Hexham,
        Heysham, High Wycombe, Higham Ferrers, Hinckley, Hitchin, Hoddesdon, Holbeach, Holmfirth, Holsworthy, Honiton,
        Hook Norton, Horncastle, Hornchurch, Hornsea, Horsforth, Horsham, Houghton Regis, Houghton-le-Spring, Hounslow,
        Hove, Hoylake, Hucknall, Huddersfield, Hungerford, Hunstanton, Huntingdon, Huyton, Hythe, Ilford, Ilfracombe,
        Ilkeston, Ilkley, Ilminster, Immingham, Ingatestone, Ipswich, Ironbridge, Irthlingborough, Islington, Ivybridge,
        Jarrow, Keighley, Kendal, Kenilworth, Kensington, Keswick, Kettering, Keynsham, Kidderminster, Kidlington,
        Kidsgrove, King's Lynn, Kingsbridge, Kingston upon Hull, Kingston upon Thames, Kirkby Lonsdale, Kirkby Stephen,
        Kirkby-in-Ashfield, Kirkbymoorside, Knaresborough, Knutsford, Lambourn, Lancaster, Launceston, Lavenham,
        Leamington Spa, Leatherhead, Lechlade, Ledbury, Leeds, Leek, Leicester, Leighton Buzzard, Leiston, Leominster,
        Letchworth, Lewes, Lewisham, Leyburn, Leyland, Lichfield, Lincoln, Liphook, Liskeard, Littlehampton, Liverpool,
        London, Long Eaton, Long Melford, Looe, Lostwithiel, Loughborough, Lowestoft, Ludlow, Luton, Lutterworth,
        Lydney, Lyme Regis, Lymington, Lyndhurst, Lynmouth, Lytham St Annes, Mablethorpe, Macclesfield, Maidenhead,
        Maidstone, Maldon, Malham, Malmesbury, Manchester, Manningtree, Mansfield, Margate, Market Bosworth,
        Market Deeping, Market Drayton, Market Harborough, Market Rasen, Market Weighton, Marlow, Marple, Maryport,
        Masham, Matlock, Mawnan Smith, Melksham, Melton Mowbray, Mevagissey, Mexborough, Middlesbrough, Middlewich,
        Midhurst, Midsomer Norton, Minchinhampton, Minehead, Morecambe, Moreton-in-Marsh, Moretonhampstead, Morpeth,
        Mousehole, Much Hadham, Much Wenlock, Mytholmroyd, Nailsea, Nailsworth, Nantwich, Needham Market,
        Newark-on-Trent, Newbiggin-by-the-Sea, Newbury, Newcastle upon Tyne, Newcastle-under-Lyme, Newhaven, Newlyn,
        Newport Pagnell, Newquay, Newton Abbot, Newton Aycliffe, Newton-le-Willows, North Shields, North Walsham,
        Northallerton, Northampton, Northfleet, Northleach, Northwich, Norwich, Nottingham, Nuneaton, Oadby, Oakham,
        Okehampton, Oldham, Olney, Ormskirk, Orpington, Ossett, Oswaldtwistle, Oswestry, Otley, Ottery St Mary, Oundle,
        Oxford, Oxted, Padstow, Paignton, Painswick, Pateley Bridge, Peacehaven, Penistone, Penkridge, Penrith, Penryn,
        Penzance, Pershore, Peterborough, Peterlee, Petersfield, Petworth, Pevensey, Pewsey, Pickering, Plymouth,
        Plympton, Pocklington, Polperro, Pontefract, Ponteland, Poole, Porlock, Portishead, Portsmouth, Potters Bar,
        Poulton-le-Fylde, Princes Risborough, Prudhoe, Puddletown, Pudsey, Rainford, Ramsbottom, Ramsgate, Raunds,
        Rawtenstall, Rayleigh, Redcar, Redditch, Redruth, Reigate, Retford, Richmond, Rickmansworth, Ringwood, Ripon,
        Robin Hood's Bay, Rochdale, Rochester, Romford, Romsey, Ross-on-Wye, Rotherham, Rottingdean,
        Royal Tunbridge Wells, Royal Wootton Bassett, Rugby, Rugeley, Runcorn, Rushden, Ryde, Rye, Saffron Walden,
        Salcombe, Salford, Salisbury, Saltash, Saltburn-by-the-Sea, Sandbach, Sandringham, Sawbridgeworth, Saxmundham,
        Scarborough, Scunthorpe, Seaford, Seaham, Sedbergh, Selby, Selsey, Settle, Sevenoaks, Shaftesbury, Shanklin,
        Sheerness, Sheffield, Shepton Mallet, Sherborne, Sheringham, Shifnal, Shipston-on-Stour, Shoreham-by-Sea,
        Shrewsbury, Sidcup, Sidmouth, Sittingbourne, Skegness, Skelmersdale, Skipton, Sleaford, Slough, Smethwick,
        Snodland, Solihull, South Molton, South Shields, Southampton, Southend-on-Sea, Southport, Southwark, Southwold,
        Spalding, Spennymoor, Spilsby, St Albans, St Austell, St Columb Major, St Helens, St Ives, St Leonards-on-Sea,
        St Mawes, St Neots, Staines-upon-Thames, Stalybridge, Stamford, Stevenage, Steyning, Stockport,
        Stockton-on-Tees, Stoke-on-Trent, Stourbridge, Stourport-on-Severn, Stow-on-the-Wold, Stowmarket,
        Stratford-upon-Avon, Sturminster Newton, Sunderland, Sutton Coldfield, Sutton-in-Ashfield, Swadlincote,
        Swaffham, Swanage, Swindon, Tadcaster, Tamworth, Taunton, Tavistock, Telford, Tenbury Wells, Tenterden, Tetbury,
        Tewkesbury, Thame, Thatcham, Thaxted, Thetford, Thirsk, Tidworth, Tilbury, Tiverton, Todmorden, Tonbridge,
        Torquay, Totnes, Towcester, Tring, Trowbridge, Truro, Twickenham, Tynemouth, Uckfield, Ulverston, Uppingham,
        Uttoxeter, Uxbridge, Ventnor, Wadebridge, Wakefield, Wallasey, Wallingford, Wallsend, Walsall, Waltham Abbey,
        Walthamstow, Walton-on-Thames, Walton-on-the-Naze, Wantage, Wareham, Warminster, Warrington, Warwick, Watchet,
        Watford, Wednesbury, Wellingborough, Wells-next-the-Sea, Welwyn Garden City, Wem, Wendover, West Bridgford,
        West Bromwich, Westerham, Weston-super-Mare, Wetherby, Weybridge, Weymouth, Whitby, Whitehaven, Whitley Bay,
        Whitstable, Whittlesey, Widnes, Wigan, Wigston, Wilmslow, Wimbledon, Wimborne Minster, Wincanton, Winchcombe,
        Winchester, Windermere, Windsor, Winsford, Wirksworth, Wisbech, Witham, Withernsea, Witney, Wiveliscombe,
        Wivenhoe, Woburn Sands, Woking, Wokingham, Wolverhampton, Woodbridge, Woodhall Spa, Wooler, Woolwich, Worcester,
        Workington, Worksop, Worthing, Wotton-under-Edge, Wymondham, Yarm, Yateley, Yeovil, York
    """,
    "Scotland": """
        Abbey St Bathans, Aberchirder, Aberdeen, Aberdour, Aberfeldy, Aberfoyle, Aberlady, Aberlour, Abernethy, Aboyne,
        Acharacle, Achiltibuie, Achnasheen, Airdrie, Allanton, Alloa, Alloway, Alness, Altnaharra, Alva, Alyth, Ancrum,
        Annan, Anniesland, Anstruther, Appin, Applecross, Arbroath, Archiestown, Ardersier, Ardgay, Ardrishaig,
        Ardrossan, Arinagour, Arisaig, Arnisdale, Arrochar, Ashkirk, Auchenblae, Auchencairn, Auchinleck, Auchmithie,
        Auchterarder, Auchtermuchty, Auldearn, Aultbea, Aviemore, Avoch, Ayr, Balerno, Balfron, Balivanich,
        Ballachulish, Ballantrae, Ballater, Ballinluig, Balloch, Balmacara, Balmaclellan, Balmedie, Balmerino,
        Balquhidder, Baltasound, Banavie, Banchory, Banff, Bankfoot, Barrhead, Barrhill, Barvas, Bathgate, Bearsden,
        Beattock, Beauly, Beith, Bellshill, Benderloch, Berriedale, Bettyhill, Bieldside, Birgham, Birnam, Bishopbriggs,
        Blackwaterfoot, Blair Atholl, Blairgowrie, Blantyre, Bo'ness, Boat of Garten, Boddam, Bonar Bridge,
        Bonchester Bridge, Bonnybridge, Bonnyrigg, Borgue, Bothwell, Bowmore, Braco, Brae, Braemar, Brechin,
        Bridge of Allan, Bridge of Earn, Bridge of Weir, Bridgeton, Brodick, Brora, Broughty Ferry, Broxburn, Buckhaven,
        Buckie, Bucksburn, Bunessan, Burghead, Burnmouth, Burntisland, Cairnbulg, Cairndow, Cairnryan, Callander,
        Callanish, Cambuslang, Campbeltown, Cannich, Canonbie, Carbost, Cardenden, Cardross, Carloway, Carluke,
        Carnoustie, Carnwath, Carradale, Carrbridge, Carsphairn, Carstairs, Castle Douglas, Castlebay, Cathcart,
        Catrine, Ceres, Chirnside, Clackmannan, Clarkston, Clydebank, Coatbridge, Cockburnspath, Cockenzie, Coldingham,
        Coldstream, Colinsburgh, Colinton, Collieston, Colmonell, Comrie, Connel, Conon Bridge, Corpach, Corrie,
        Corsock, Corstorphine, Coupar Angus, Cowdenbeath, Craigellachie, Craighouse, Craignure, Crail, Cramond, Crathie,
        Crawfordjohn, Creetown, Crianlarich, Crieff, Crinan, Crocketford, Cromarty, Crovie, Cruden Bay, Culloden,
        Culross, Cults, Cumbernauld, Cuminestown, Cummingston, Cumnock, Cupar, Currie, Dailly, Dairsie, Dalbeattie,
        Dalkeith, Dallas, Dalmally, Dalmellington, Dalry, Dalrymple, Dalwhinnie, Darnick, Darvel, Denholm, Dennistoun,
        Denny, Dervaig, Dingwall, Dirleton, Dollar, Dores, Dornie, Dornoch, Dounby, Doune, Drongan, Drumchapel,
        Drumelzier, Drummore, Drumnadrochit, Drumoak, Drymen, Dufftown, Duffus, Dumbarton, Dumfries, Dunbar, Dunbeath,
        Dunblane, Dundee, Dunfermline, Dunkeld, Dunlop, Dunning, Dunoon, Duns, Dunscore, Dunure, Dunvegan, Durness,
        Dyce, Dysart, Eaglesham, Earlsferry, Earlston, Easdale, East Calder, East Kilbride, East Linton, Easterhouse,
        Eastriggs, Ecclefechan, Echt, Eddleston, Edinburgh, Ednam, Edzell, Elgin, Elgol, Elie, Ellenabeich, Ellon,
        Errol, Eskdalemuir, Ettrick, Evanton, Eyemouth, Fairlie, Falkirk, Falkland, Fauldhouse, Fearnan, Ferryden,
        Fettercairn, Findhorn, Findochty, Finstown, Fintry, Fionnphort, Fochabers, Forfar, Forres, Fort Augustus,
        Fort William, Fortingall, Fortrose, Fraserburgh, Freuchie, Friockheim, Fyvie, Gairloch, Galashiels, Galston,
        Gardenstown, Garelochhead, Gargunnock, Garlieston, Garmouth, Garvald, Garve, Gatehouse of Fleet, Giffnock,
        Gifford, Girvan, Glamis, Glasgow, Glencoe, Glenelg, Glenfinnan, Glenluce, Glenrothes, Golspie, Gorbals,
        Gorebridge, Gourdon, Gourock, Govan, Grandtully, Grangemouth, Grantown-on-Spey, Greenlaw, Greenock, Gretna,
        Gretna Green, Guardbridge, Gullane, Halkirk, Hawick, Heiton, Helensburgh, Helmsdale, Hillswick, Hopeman,
        Howwood, Humbie, Huntly, Innellan, Innerleithen, Innerwick, Insch, Inverallochy, Inveraray, Inverbervie,
        Invergarry, Invergordon, Invergowrie, Inverkeilor, Inverkeithing, Inverkip, Invermoriston, Inverness, Inverurie,
        Irvine, Isle of Whithorn, Isleornsay, Jedburgh, John o' Groats, Johnshaven, Johnstone, Johnstonebridge,
        Juniper Green, Kames, Keith, Kelso, Kelty, Kelvinside, Kemnay, Kenmore, Kennoway, Kettlebridge, Kilbarchan,
        Kilbirnie, Kilchattan Bay, Kilchoan, Kilcreggan, Kildonan, Killearn, Killiecrankie, Killin, Kilmacolm,
        Kilmarnock, Kilmartin, Kilmaurs, Kilmelford, Kilsyth, Kiltarlity, Kilwinning, Kincardine, Kincardine O'Neil,
        Kincraig, Kinghorn, Kingsbarns, Kingussie, Kinloch Rannoch, Kinlochbervie, Kinlochewe, Kinlochleven, Kinloss,
        Kinross, Kintore, Kippen, Kippford, Kirk Yetholm, Kirkbean, Kirkcaldy, Kirkcolm, Kirkconnel, Kirkcowan,
        Kirkcudbright, Kirkintilloch, Kirkliston, Kirkwall, Kirriemuir, Knockando, Kyle of Lochalsh, Kyleakin, Ladybank,
        Ladysbridge, Lairg, Lamlash, Lanark, Langbank, Langholm, Larbert, Largs, Larkhall, Lasswade, Latheron, Lauder,
        Laurencekirk, Leadhills, Leith, Leitholm, Lennoxtown, Lenzie, Lerwick, Lesmahagow, Leswalt, Letham, Leuchars,
        Leverburgh, Lhanbryde, Lilliesleaf, Limekilns, Linlithgow, Livingston, Loanhead, Lochailort, Lochaline, Lochans,
        Lochboisdale, Lochcarron, Lochearnhead, Lochee, Lochgelly, Lochgilphead, Lochgoilhead, Lochinver, Lochmaben,
        Lochmaddy, Lochranza, Lochwinnoch, Lockerbie, Longformacus, Longniddry, Lossiemouth, Lower Largo, Lumphanan,
        Luss, Lybster, Macduff, Machrihanish, Mallaig, Markinch, Maryburgh, Maryhill, Mauchline, Maybole, Meigle,
        Melrose, Melvich, Menstrie, Methil, Methlick, Methven, Mid Calder, Milnathort, Milngavie, Milton of Campsie,
        Minard, Minnigaff, Mintlaw, Moffat, Moniaive, Monifieth, Montrose, Monymusk, Morar, Morebattle, Morningside,
        Mosstodloch, Motherwell, Muir of Ord, Muirkirk, Munlochy, Musselburgh, Muthill, Nairn, Neilston, Nethy Bridge,
        New Abbey, New Cumnock, New Deer, New Galloway, New Pitsligo, Newcastleton, Newmilns, Newport-on-Tay,
        Newton Mearns, Newton Stewart, Newtongrange, Newtonhill, Newtonmore, Newtown St Boswells, Newtyle,
        North Berwick, North Queensferry, Oban, Ochiltree, Old Deer, Oldmeldrum, Onich, Ormiston, Paisley, Partick,
        Pathhead, Patna, Peebles, Pencaitland, Penicuik, Penpont, Perth, Peterculter, Peterhead, Pirnmill, Pitlessie,
        Pitlochry, Pitmedden, Pittenweem, Plockton, Pollokshaws, Poolewe, Port Appin, Port Bannatyne, Port Charlotte,
        Port Ellen, Port Glasgow, Port Seton, Port William, Portgordon, Portknockie, Portlethen, Portmahomack,
        Portnahaven, Portpatrick, Portree, Portsoy, Prestonpans, Prestwick, Ratho, Rattray, Reay, Renfrew, Rhu, Rhynie,
        Rogart, Romannobridge, Rosehearty, Rosemarkie, Roslin, Rosneath, Rosyth, Rothes, Rothesay, Roxburgh, Roybridge,
        Rutherglen, Ruthwell, Saltcoats, Sandhead, Sanquhar, Sauchie, Scalloway, Scarinish, Scone, Sconser, Scourie,
        Selkirk, Shettleston, Shieldaig, Shotts, Skelmorlie, Skirling, Smailholm, Sorbie, Sorn, Spean Bridge,
        Spittal of Glenshee, Springburn, St Abbs, St Andrews, St Boswells, St Combs, St Cyrus, St Fillans,
        St John's Town of Dalry, St Margaret's Hope, St Monans, Staffin, Stenhousemuir, Stenton, Stevenston, Stewarton,
        Stirling, Stonehaven, Stoneykirk, Stornoway, Strachur, Stranraer, Strathaven, Strathblane, Strathdon,
        Strathkinness, Strathmiglo, Strathpeffer, Strathyre, Strichen, Stromness, Strontian, Tain, Tarbet, Tarbolton,
        Tarland, Tarves, Tayinloan, Taynuilt, Tayport, Tayvallich, Teviothead, Thornliebank, Thurso, Tighnabruaich,
        Tillicoultry, Tobermory, Tomatin, Tomintoul, Torphichen, Torphins, Torrance, Torridon, Town Yetholm, Tranent,
        Traquair, Tullibody, Turnberry, Turriff, Tweedbank, Tweedsmuir, Twynholm, Tyndrum, Uddingston, Udny Green, Uig,
        Ullapool, Uphall, Uplawmoor, Upper Largo, Walkerburn, Wanlockhead, Wemyss Bay, West Calder, West Kilbride,
        West Linton, Westruther, Whitehills, Whithorn, Whiting Bay, Whitsome, Wigtown, Windygates, Wormit
    """,
    "Wales": """
        Abbeycwmhir, Aberaeron, Aberavon, Abercarn, Abercastle, Abercraf, Abercych, Abercynon, Aberdare, Aberdaron,
        Aberdyfi, Aberedw, Abereiddy, Aberfan, Aberffraw, Abergavenny, Abergele, Abergorlech, Abergwesyn, Abergwili,
        Abergwyngregyn, Abergynolwyn, Aberkenfig, Abermule, Aberporth, Abersoch, Abersychan, Abertillery, Aberystwyth,
        Acrefair, Adpar, Alltwen, Amlwch, Ammanford, Amroth, Angle, Arthog, Bagillt, Baglan, Bala, Bancyfelin,
        Bangor-on-Dee, Bargoed, Barmouth, Bassaleg, Beaumaris, Beddau, Beddgelert, Bedlinog, Bedwas, Begelly, Beguildy,
        Benllech, Berriew, Bersham, Bettws Cedewain, Betws-y-Coed, Betws-yn-Rhos, Blaenau Ffestiniog, Blaenavon,
        Blaengarw, Blaina, Bodedern, Bodelwyddan, Bodfari, Bodorgan, Boncath, Bontddu, Bontnewydd, Bonvilston, Borth,
        Borth-y-Gest, Bosherston, Brechfa, Brecon, Briton Ferry, Broad Haven, Bronllys, Bronwydd, Brymbo, Brynamman,
        Brynberian, Bryncrug, Bryneglwys, Bryngwran, Brynmawr, Brynsiencyn, Builth Wells, Burry Port, Buttington, Bwlch,
        Bwlchgwyn, Cadoxton, Caerau, Caergeiliog, Caergwrle, Caerleon, Caernarfon, Caerphilly, Caersws, Caerwent,
        Caerwys, Caio, Caldicot, Camrose, Capel Bangor, Capel Curig, Cardiff, Cardigan, Carew, Carmarthen, Carno,
        Carreglefn, Carrog, Castlemartin, Cathays, Cefn Mawr, Cefn Meiriadog, Cefn-coed-y-cymmer, Cellan, Cemaes Bay,
        Cemmaes Road, Cenarth, Cerrigydrudion, Chepstow, Chirk, Church Village, Churchstoke, Chwilog, Cilcain,
        Cilgerran, Ciliau Aeron, Cilmery, Cilycwm, Clarach, Clarbeston Road, Clunderwen, Clydach, Clynnog Fawr, Clyro,
        Cockett, Coedpoeth, Coelbren, Coity, Colwyn Bay, Connah's Quay, Conwy, Corris, Corwen, Cosheston, Cowbridge,
        Creigiau, Cresselly, Criccieth, Crickhowell, Cross Hands, Crosskeys, Crymych, Crynant, Cwmafan, Cwmbran, Cwmdu,
        Cwmllynfell, Cwmyoy, Cwmystwyth, Cwrtnewydd, Cyffylliog, Cymmer, Cynwyd, Cynwyl Elfed, Defynnog, Deganwy,
        Deiniolen, Denbigh, Devauden, Devil's Bridge, Dinas Cross, Dinas Mawddwy, Dinas Powys, Dingestow, Dolfor,
        Dolgarrog, Dolgellau, Dolwyddelan, Dowlais, Drefach Felindre, Dunvant, Dwyran, Dyffryn Ardudwy, Dyserth,
        Ebbw Vale, Eglwysbach, Eglwyswrw, Elan Village, Erwood, Evenjobb, Ewloe, Fairbourne, Felindre, Felinfach,
        Felinfoel, Ferryside, Ferwig, Fforestfach, Fishguard, Flint, Freshwater East, Froncysyllte, Frongoch, Gaerwen,
        Garnant, Gelligaer, Gilwern, Gladestry, Glan Conwy, Glanamman, Glasbury, Glyn Ceiriog, Glyncorrwg, Glyndyfrdwy,
        Glynneath, Goginan, Goldcliff, Goodwick, Gorseinon, Govilon, Gowerton, Goytre, Gresford, Griffithstown, Gronant,
        Guilsfield, Gwalchmai, Gwaun-Cae-Gurwen, Gwbert, Gwernaffield, Gwernymynydd, Gwersyllt, Gwynfe, Hakin, Halkyn,
        Hanmer, Harlech, Haverfordwest, Hawarden, Hay-on-Wye, Henllan, Herbrandston, Hirwaun, Holyhead, Howey,
        Hundleton, Hundred House, Ilston, Jeffreyston, Kenfig Hill, Kidwelly, Kilgetty, Killay, Laleston, Lampeter,
        Lamphey, Landore, Laugharne, Lawrenny, Leeswood, Letterston, Libanus, Lisvane, Little Haven, Llan Ffestiniog,
        Llanaelhaearn, Llanarmon Dyffryn Ceiriog, Llanarmon-yn-Ial, Llanarth, Llanarthney, Llanbadarn Fawr,
        Llanbadarn Fynydd, Llanbedr, Llanbedr Dyffryn Clwyd, Llanbedrgoch, Llanbedrog, Llanberis, Llanbister, Llanboidy,
        Llanbradach, Llanbrynmair, Llandaff, Llanddaniel Fab, Llanddarog, Llandderfel, Llanddewi Brefi, Llanddona,
        Llanddulas, Llandegfan, Llandegla, Llandeilo, Llandinam, Llandissilio, Llandogo, Llandovery, Llandre,
        Llandrillo, Llandrindod Wells, Llandudno, Llandudno Junction, Llandybie, Llandyrnog, Llandysul, Llanelli,
        Llanerchymedd, Llanfachraeth, Llanfaelog, Llanfaethlu, Llanfair, Llanfair Caereinion, Llanfair Talhaiarn,
        Llanfairfechan, Llanfairpwll, Llanfarian, Llanfechain, Llanferres, Llanfoist, Llanfrynach, Llanfyllin,
        Llangadog, Llangain, Llangammarch Wells, Llangattock, Llangefni, Llangeitho, Llangennech, Llangennith,
        Llangernyw, Llangian, Llangoed, Llangollen, Llangorse, Llangrannog, Llangunnor, Llangurig, Llangwm, Llangybi,
        Llangynidr, Llangynog, Llanharan, Llanharry, Llanhilleth, Llanidloes, Llanigon, Llanilar, Llanishen,
        Llanllechid, Llanmadoc, Llanon, Llanover, Llanpumsaint, Llanrhaeadr, Llanrhaeadr-ym-Mochnant, Llanrhian,
        Llanrhidian, Llanrhuddlad, Llanrhystud, Llanrug, Llanrwst, Llansamlet, Llansannan, Llansantffraid-ym-Mechain,
        Llansawel, Llansteffan, Llanthony, Llantrisant, Llantwit Major, Llanuwchllyn, Llanvihangel Crucorney, Llanwddyn,
        Llanwnnen, Llanwrtyd Wells, Llanybydder, Llanystumdwy, Llawhaden, Llechryd, Llithfaen, Llwyngwril, Llyswen,
        Llysworney, Loughor, Lydstep, Machen, Machynlleth, Maenclochog, Maentwrog, Maerdy, Maesteg, Magor, Maindee,
        Malltraeth, Mallwyd, Mancot, Manorbier, Marchwiel, Margam, Marloes, Mathern, Mathry, Meidrim, Meifod, Meliden,
        Menai Bridge, Merthyr Mawr, Merthyr Tydfil, Milford Haven, Minera, Minffordd, Mitchel Troy, Moelfre, Mold,
        Monmouth, Montgomery, Morfa Bychan, Morfa Nefyn, Morriston, Mostyn, Mountain Ash, Moylgrove, Mumbles, Mwnt,
        Myddfai, Nannerch, Nantgaredig, Nantgwynant, Nantlle, Nantyglo, Narberth, Neath, Nefyn, Nevern, New Quay,
        New Radnor, New Tredegar, Newbridge-on-Wye, Newcastle Emlyn, Newgale, Neyland, Nolton, Northop, Northop Hall,
        Ogmore Vale, Ogmore-by-Sea, Old Colwyn, Old Radnor, Onllwyn, Overton-on-Dee, Oxwich, Oystermouth, Painscastle,
        Pembrey, Pembroke, Pembroke Dock, Penallt, Penally, Penarth, Penbryn, Pencader, Penclawdd, Pencoed, Pendine,
        Penley, Penllergaer, Penmachno, Penmaenmawr, Penmon, Pennal, Penparcau, Penrhiwceiber, Penrhyncoch,
        Penrhyndeudraeth, Pensarn, Pentraeth, Pentrefoelas, Pentyrch, Penybont, Penyffordd, Penygraig, Penygroes,
        Penysarn, Peterston-super-Ely, Pontardawe, Pontarddulais, Ponterwyd, Pontfaen, Pontllanfraith,
        Pontrhydfendigaid, Pontrhydygroes, Pontyates, Pontyberem, Pontyclun, Pontycymer, Pontypool, Pontypridd,
        Port Eynon, Port Talbot, Porth, Porthcawl, Porthgain, Porthmadog, Portmeirion, Portskewett, Prestatyn,
        Presteigne, Pumsaint, Puncheston, Pwllheli, Pwllmeyric, Radyr, Raglan, Red Wharf Bay, Resolven, Reynoldston,
        Rhandirmwyn, Rhayader, Rhiw, Rhiwbina, Rhoose, Rhos-on-Sea, Rhoscolyn, Rhosesmor, Rhosllanerchrugog, Rhosneigr,
        Rhossili, Rhostryfan, Rhosybol, Rhuddlan, Rhyd-Ddu, Rhydlewis, Rhyl, Rhymney, Risca, Roath, Roch, Rogerstone,
        Rogiet, Rosebush, Rossett, Ruabon, Ruthin, Saundersfoot, Sennybridge, Shirenewton, Silian, Skenfrith, Sketty,
        Skewen, Solva, Southerndown, Splott, St Asaph, St Athan, St Brides Major, St Clears, St Davids, St Dogmaels,
        St Fagans, St Florence, St Harmon, St Ishmaels, Stackpole, Sully, Swansea, Sychdyn, Taff's Well, Tal-y-bont,
        Talacre, Talbot Green, Talgarth, Tallarn Green, Talley, Talsarn, Talybont, Talybont-on-Usk, Talysarn, Tenby,
        Three Cocks, Tintern, Tondu, Tongwynlais, Tonypandy, Tonyrefail, Towyn, Trawsfynydd, Tre'r-ddol, Trealaw,
        Trearddur, Trecastle, Tredegar, Trefecca, Trefeglwys, Trefin, Trefnant, Trefor, Treforest, Trefriw, Tregaron,
        Tregarth, Tregynon, Treharris, Treherbert, Trelawnyd, Trelech, Trellech, Tremadog, Tremeirchion, Treorchy,
        Tresaith, Tretower, Treuddyn, Trimsaran, Troedyrhiw, Tudweiliog, Tumble, Tycroes, Tylorstown, Tywyn, Undy, Usk,
        Waunfawr, Welshpool, Whitland, Wiseman's Bridge, Wolf's Castle, Worthenbury, Wrexham, Y Felinheli, Ysbyty Ifan,
        Ystalyfera, Ystrad Meurig, Ystrad Mynach, Ystradgynlais
    """,
    "Ireland": """
        Abbeydorney, Abbeyfeale, Abbeyknockmoy, Abbeylara, Abbeyleix, Abbeyshrule, Achill Sound, Aclare, Adare,
        Adrigole, Aghada, Aghadowey, Aghagallon, Aghalee, Aghamore, Aglish, Ahakista, Ahascragh, Ahoghill, Allihies,
        Annacotty, Annagassan, Annaghdown, Annagry, Annalong, Annamoe, Annascaul, Annestown, Antrim, Ardagh, Ardara,
        Ardattin, Ardboe, Ardee, Ardfert, Ardfinnan, Ardglass, Ardgroom, Ardrahan, Arigna, Arklow, Armagh, Armoy,
        Arthurstown, Articlave, Artigarvan, Arvagh, Asdee, Askeaton, Athboy, Athea, Athenry, Athlacca, Athleague,
        Athlone, Athy, Aughavas, Augher, Aughnacliffe, Aughnacloy, Aughrim, Avoca, Bagenalstown, Bailieborough,
        Balbriggan, Baldoyle, Balla, Ballaghaderreen, Ballina, Ballinacarrow, Ballinafad, Ballinagar, Ballinagh,
        Ballinakill, Ballinalee, Ballinamallard, Ballinameen, Ballinamore, Ballinamuck, Ballinascarthy, Ballinasloe,
        Ballincollig, Ballindine, Ballineen, Ballingarry, Ballingeary, Ballinhassig, Ballinlough, Ballinode, Ballinrobe,
        Ballinskelligs, Ballinspittle, Ballintober, Ballintogher, Ballintoy, Ballintra, Ballintubber, Ballitore,
        Ballivor, Ballon, Ballsbridge, Ballybay, Ballybofey, Ballyboughal, Ballybunion, Ballycanew, Ballycastle,
        Ballyclare, Ballyconneely, Ballyconnell, Ballycotton, Ballycroy, Ballycumber, Ballydehob, Ballydesmond,
        Ballyduff, Ballyfarnon, Ballyferriter, Ballyforan, Ballyfoyle, Ballygally, Ballygar, Ballygarrett, Ballygawley,
        Ballygowan, Ballyhack, Ballyhackamore, Ballyhahill, Ballyhaise, Ballyhalbert, Ballyhale, Ballyhaunis,
        Ballyheigue, Ballyhooly, Ballyjamesduff, Ballykelly, Ballylanders, Ballyleague, Ballyliffin, Ballylinan,
        Ballylongford, Ballymacarbry, Ballymacelligott, Ballymacoda, Ballymahon, Ballymena, Ballymoney, Ballymore,
        Ballymore Eustace, Ballymote, Ballymun, Ballymurn, Ballynacally, Ballynacargy, Ballynagore, Ballynahinch,
        Ballyneety, Ballynoe, Ballynure, Ballyporeen, Ballyragget, Ballyroan, Ballyronan, Ballysadare, Ballyshannon,
        Ballyvaughan, Ballyvourney, Ballywalter, Balrothery, Baltimore, Baltinglass, Baltray, Banagher, Banbridge,
        Bandon, Bangor Erris, Bannow, Bansha, Banteer, Bantry, Barefield, Barna, Barraduff, Bartlemy, Bawnboy, Bekan,
        Belcoo, Belfast, Belgooly, Bellacorick, Bellaghy, Bellanagare, Bellarena, Belleek, Belleeks, Bellharbour,
        Belmullet, Beltra, Belturbet, Benburb, Bennettsbridge, Beragh, Bessbrook, Bettystown, Birr, Blacklion, Blacksod,
        Blanchardstown, Blarney, Blennerville, Blessington, Bodyke, Boherbue, Bohola, Bonniconlon, Bornacoola, Borris,
        Borris-in-Ossory, Borrisokane, Borrisoleigh, Boyle, Breaffy, Brittas Bay, Brookeborough, Brosna, Broughshane,
        Bruckless, Bruff, Bruree, Bryansford, Bunbeg, Bunclody, Buncrana, Bundoran, Bunmahon, Bunnahowen, Bunninadden,
        Bunratty, Burtonport, Bushmills, Butlersbridge, Butlerstown, Buttevant, Bweeng, Cabra, Cadamstown, Caherconlish,
        Caherdaniel, Cahersiveen, Cahir, Callan, Caltra, Calverstown, Camlough, Camolin, Campile, Cappamore, Cappawhite,
        Cappoquin, Caragh, Carbury, Carlanstown, Carlingford, Carlow, Carna, Carndonagh, Carnew, Carnlough, Carracastle,
        Carraroe, Carrick-on-Bannow, Carrick-on-Shannon, Carrick-on-Suir, Carrickboy, Carrickfergus, Carrickmacross,
        Carrickmore, Carrigadrohid, Carrigaholt, Carrigaline, Carrigallen, Carrigart, Carrigkerry, Carrigtwohill,
        Carryduff, Cashel, Castlebar, Castlebellingham, Castleblayney, Castlebridge, Castlecaulfield, Castlecomer,
        Castleconnell, Castlecoote, Castlecove, Castledawson, Castlederg, Castledermot, Castlefin, Castlegregory,
        Castleisland, Castleknock, Castlelyons, Castlemaine, Castlemartyr, Castlepollard, Castlerea, Castlereagh,
        Castlerock, Castletownbere, Castletownroche, Castletownshend, Castletroy, Castlewellan, Cavan, Celbridge,
        Chapelizod, Cheekpoint, Clane, Clarecastle, Claregalway, Claremorris, Clarina, Clarinbridge, Clashmore, Claudy,
        Cleggan, Clifden, Cliffony, Clogh, Cloghan, Cloghane, Clogheen, Clogher, Clogherhead, Clonakilty, Clonaslee,
        Clonbullogue, Clonbur, Clondalkin, Clondra, Clonea, Clonee, Cloneen, Clonegal, Clones, Clonfert, Clonlara,
        Clonmacnoise, Clonmany, Clonmel, Clonmellon, Clonroche, Clontarf, Cloonacool, Cloone, Cloonfad, Cloughey,
        Cloughjordan, Cloughmills, Cloyne, Coachford, Coagh, Coalisland, Cobh, Coleraine, Collinstown, Collon,
        Collooney, Comber, Cong, Conna, Cookstown, Coolaney, Coolderry, Coolock, Cooraclare, Cootehall, Cootehill, Cork,
        Cornamona, Corofin, Corrandulla, Cortoon, Courtmacsherry, Courtown, Craigavon, Cratloe, Craughwell,
        Crawfordsburn, Creeslough, Creggs, Crolly, Crookhaven, Croom, Crossakiel, Crossbarry, Crossdoney, Crossgar,
        Crosshaven, Crossmaglen, Crossmolina, Crusheen, Culdaff, Cullahill, Cullybackey, Cullyhanna, Curracloe, Currow,
        Cushendall, Cushendun, Daingean, Dalkey, Darkley, Delgany, Delvin, Derrinturn, Derrybeg, Derrygonnelly,
        Derrylin, Derrytrasna, Dervock, Desertmartin, Doagh, Donabate, Donaghadee, Donaghcloney, Donaghmore, Donegal,
        Donemana, Doneraile, Donnybrook, Donore, Donoughmore, Dooagh, Doochary, Doohamlet, Doolin, Doonbeg, Dooradoyle,
        Downpatrick, Dowra, Drangan, Draperstown, Drimnagh, Drimoleague, Drinagh, Dripsey, Drogheda, Dromahair, Dromara,
        Dromina, Dromod, Dromore, Dromore West, Drumahoe, Drumaness, Drumbo, Drumcliff, Drumcollogher, Drumcondra,
        Drumcong, Drumconrath, Drumkeeran, Drumlish, Drumquin, Drumshanbo, Drumsna, Duagh, Dualla, Dublin, Dugort,
        Duleek, Dun Laoghaire, Dunboyne, Duncannon, Duncormick, Dundalk, Dundrum, Dunfanaghy, Dungannon, Dungarvan,
        Dungiven, Dungloe, Dunkerrin, Dunkineely, Dunlavin, Dunleer, Dunloy, Dunmanway, Dunmore East, Dunmurry, Dunquin,
        Dunsany, Dunshaughlin, Durrow, Durrus, Easky, Edenderry, Ederney, Edgeworthstown, Effin, Emly, Emyvale, Ennis,
        Enniscorthy, Enniscrone, Enniskeane, Enniskerry, Enniskillen, Ennistymon, Errill, Eyeries, Eyrecourt, Fahan,
        Falcarragh, Fanore, Farranfore, Feakle, Fedamore, Feenagh, Fenagh, Fenit, Feohanagh, Ferbane, Fermoy, Ferns,
        Fethard, Fethard-on-Sea, Finaghy, Finglas, Finnea, Fintona, Fintown, Firies, Fivemiletown, Flagmount,
        Florencecourt, Forkhill, Foxford, Foxrock, Foynes, Freemount, Frenchpark, Frosses, Fuerty, Furbo, Galbally,
        Galmoy, Galway, Garristown, Garvagh, Geashill, Geesala, Geevagh, Glandore, Glangevlin, Glanmire, Glanworth,
        Glaslough, Glasnevin, Glenamaddy, Glenamoy, Glenarm, Glenavy, Glenbeigh, Glencolumbkille, Glendalough, Gleneely,
        Glenfarne, Glenflesk, Glengarriff, Glengormley, Glenties, Gneeveguilla, Goleen, Goresbridge, Gormanston, Gort,
        Gortahork, Gortin, Gortnahoe, Gowran, Graiguenamanagh, Granard, Granlahan, Greenisland, Greenore, Greyabbey,
        Greysteel, Greystones, Groomsport, Gulladuff, Gurteen, Gweedore, Hacketstown, Hamiltonsbawn, Harold's Cross,
        Headford, Helen's Bay, Herbertstown, Hollyford, Hollymount, Horseleap, Howth, Inagh, Inchicore, Inchigeelagh,
        Inistioge, Inniscarra, Innishannon, Inniskeen, Inverin, Irvinestown, Islandmagee, Johnstownbridge, Julianstown,
        Kanturk, Katesbridge, Keadue, Keady, Kealkill, Kells, Kenagh, Kenmare, Kerrykeel, Kesh, Keshcarrigan, Kilbeggan,
        Kilbrittain, Kilcar, Kilchreest, Kilcloon, Kilcock, Kilcolgan, Kilconnell, Kilcoole, Kilcormac, Kilcorney,
        Kilcrohane, Kilcullen, Kildare, Kildimo, Kildorrery, Kildysart, Kilfenora, Kilfinane, Kilflynn, Kilgarvan,
        Kilkee, Kilkeel, Kilkelly, Kilkenny, Kilkerrin, Kilkieran, Kilkishen, Killala, Killaloe, Killarga, Killarney,
        Killasser, Killeagh, Killeevan, Killenaule, Killeshandra, Killeshin, Killester, Killeter, Killimer, Killimor,
        Killinchy, Killiney, Killorglin, Killoscully, Killough, Killucan, Killybegs, Killyclogher, Killygordon,
        Killylea, Killyleagh, Kilmacanogue, Kilmacow, Kilmacrennan, Kilmacthomas, Kilmaine, Kilmainham, Kilmaley,
        Kilmallock, Kilmeaden, Kilmeague, Kilmeena, Kilmessan, Kilmihil, Kilmoganny, Kilmore Quay, Kilmovee,
        Kilmuckridge, Kilnaboy, Kilnaleck, Kilrane, Kilrea, Kilreekil, Kilronan, Kilrush, Kilsheelan, Kiltealy,
        Kilteely, Kiltegan, Kilternan, Kiltimagh, Kiltoom, Kiltyclogher, Kilwaughter, Kinawley, Kincasslagh, Kingscourt,
        Kinlough, Kinnegad, Kinnitty, Kinsale, Kinvara, Kircubbin, Knockbridge, Knockcroghery, Knocklong, Knockloughrim,
        Knockmore, Knocknagoshel, Knocknagree, Knocktopher, Knockvicar, Labane, Labasheeda, Laghey, Lahardane, Lahinch,
        Lanesborough, Largydonnell, Larne, Lattin, Lauragh, Laurelvale, Laurencetown, Laytown, Lecanvey, Lecarrow,
        Leenane, Leighlinbridge, Leitrim, Leixlip, Lemybrien, Letterbreen, Letterfrack, Letterkenny, Lettermacaward,
        Lettermore, Lifford, Limavady, Limerick, Lisbellaw, Lisburn, Liscannor, Liscarroll, Lisdoonvarna, Lisnarick,
        Lisnaskea, Lispole, Lissycasey, Listowel, Lixnaw, Loghill, Londonderry, Lorrha, Lough Gowna, Loughbrickland,
        Loughgall, Loughglynn, Loughrea, Louisburgh, Lurgan, Lusk, Lyreacrompane, Macosquin, Macroom, Maghera,
        Magherafelt, Magilligan, Maguiresbridge, Malahide, Malin, Mallow, Manorcunningham, Manorhamilton, Markethill,
        Maynooth, Mayobridge, Meelick, Meelin, Menlough, Midleton, Millisle, Millstreet, Milltownpass, Miltown Malbay,
        Minane Bridge, Mitchelstown, Moate, Mohill, Monaghan, Monasteraden, Monasterboice, Monasterevin, Monea,
        Moneygall, Moneymore, Monivea, Mooncoin, Mountbellew, Mountcharles, Mountcollins, Mountmellick, Mountnorris,
        Mountnugent, Mountrath, Mountshannon, Moville, Moycullen, Moylough, Moynalty, Moyvane, Muff, Mulhuddart,
        Mullaghbawn, Mullaghmore, Mullinahone, Mullinavat, Mullingar, Mulranny, Multyfarnham, Mungret, Murrintown,
        Murrisk, Murroe, Myshall, Naas, Naul, Navan, Nenagh, Newbliss, Newcastle West, Newmarket-on-Fergus, Newry,
        Newtownabbey, Newtownards, Newtownbutler, Newtowncashel, Newtowncunningham, Newtownforbes, Newtowngore,
        Newtownhamilton, Newtownmountkennedy, Newtownstewart, Ninemilehouse, Nobber, Nurney, O'Brien's Bridge,
        Ogonnelloe, Old Leighlin, Omagh, Omeath, Oola, Oranmore, Oughterard, Oulart, Oylegate, Pallasgreen, Pallaskenry,
        Palmerstown, Parknasilla, Partry, Passage East, Passage West, Patrickswell, Paulstown, Pettigo, Phibsborough,
        Piercestown, Piltown, Plumbridge, Pollatomish, Pomeroy, Pontoon, Portadown, Portaferry, Portarlington,
        Portavogie, Portglenone, Portlaoise, Portlaw, Portmagee, Portmarnock, Portnablagh, Portnoo, Portrane, Portroe,
        Portrush, Portsalon, Portstewart, Portumna, Poyntzpass, Puckaun, Quigley's Point, Quilty, Quin, Raharney,
        Raheny, Ramelton, Randalstown, Ranelagh, Raphoe, Rasharkin, Rathangan, Rathcoole, Rathcormac, Rathdowney,
        Rathdrum, Rathduff, Rathfarnham, Rathfriland, Rathgormack, Rathkeale, Rathmines, Rathmullan, Rathnew, Rathowen,
        Rathvilly, Ratoath, Reaghstown, Rearcross, Reenascreena, Renvyle, Ringsend, Riverstown, Rochfortbridge,
        Rockchapel, Rockcorry, Rooskey, Roscommon, Roscrea, Rosenallis, Rosmuc, Rossaveal, Rosscarbery, Rosses Point,
        Rossinver, Rosslare, Rosslea, Rossnowlagh, Rossport, Rostrevor, Roundfort, Roundstone, Saggart, Saintfield,
        Sallins, Salthill, Sandymount, Santry, Scarriff, Scartaglin, Scarva, Schull, Scotshouse, Scotstown, Scramoge,
        Seskinore, Shanagarry, Shanagolden, Shanballymore, Shankill, Shannon, Shannonbridge, Shantonagh, Shercock,
        Shillelagh, Shinrone, Shrule, Silvermines, Sion Mills, Sixmilebridge, Sixmilecross, Skibbereen, Skryne, Slane,
        Slieverue, Sligo, Smithborough, Sneem, Spanish Point, Spiddal, St Johnston, Stamullen, Stewartstown, Stillorgan,
        Strabane, Stradbally, Stradone, Straffan, Strandhill, Strangford, Stranmillis, Stranorlar, Strokestown,
        Suncroft, Swanlinbar, Swatragh, Swords, Taghmon, Tallaght, Tallanstown, Tandragee, Tarmonbarry, Teelin,
        Templeboy, Templederry, Templeglantine, Templemore, Templepatrick, Templetuohy, Tempo, Terenure, Termonfeckin,
        Terryglass, The Loup, Thomastown, Threemilehouse, Thurles, Timahoe, Timoleague, Timolin, Tinahely, Tinryland,
        Tipperary, Tobermore, Tomhaggard, Toome, Toomevara, Tourmakeady, Tournafulla, Tralee, Tramore, Trillick, Trim,
        Tuam, Tuamgraney, Tubbercurry, Tullaghan, Tullamore, Tullow, Tully Cross, Tullyallen, Tullyvin, Tulsk, Tuosist,
        Turlough, Turloughmore, Tydavnet, Tynagh, Tynan, Tyrrellspass, Upperlands, Urlingford, Valleymount, Ventry,
        Villierstown, Walsh Island, Waringstown, Warrenpoint, Watergrasshill, Wellingtonbridge, Wexford, Whiteabbey,
        Wicklow, Windgap, Youghal
    """,
}
"""Places of `names.txt` of which the region is certain and that share their name with no place in another region.

Ireland is the island.
"""


if __name__ == "__main__":
    for name, text in datasets().items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
