"""Groups: all items in order, and texts alone where texts are asked for."""

import pytest

import charrnn
from charrnn.dataset.groups import in_blocks, in_groups, map_batches, texts_in_groups
from charrnn.errors import ConfigError, CorpusError
from support.readmes import DOCS


def test_items_come_in_lists_of_a_size():
    assert [*in_groups(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert [*in_groups([], 2)] == []
    assert [*texts_in_groups(iter(["a", "b", "c"]), 2, "classify")] == [["a", "b"], ["c"]]


def test_items_come_in_lists_of_a_total_size():
    words = ["aaa", "b", "", "cc", "ddddd", "e"]
    assert [*in_blocks(words, len, 4)] == [["aaa", "b"], ["", "cc", "ddddd"], ["e"]]
    assert [*in_blocks(words, len, 1)] == [["aaa"], ["b"], ["", "cc"], ["ddddd"], ["e"]]
    assert [*in_blocks(words, len, 99)] == [words]
    assert [*in_blocks([], len, 4)] == []


def test_no_item_is_taken_before_it_is_asked_for():
    for grouped in (lambda items: in_groups(items, 2), lambda items: in_blocks(items, lambda item: 1, 2)):
        rest = iter(range(5))
        assert next(grouped(rest)) == [0, 1]
        assert next(rest) == 2


@pytest.mark.parametrize("error", [ConfigError, CorpusError, ValueError, OSError])
@pytest.mark.parametrize("n", range(6))
def test_what_comes_before_an_error_is_not_lost(n, error):
    def items():
        yield from range(n)
        raise error("why")

    def square(number, item):
        assert number == item + 1
        if item == n:
            raise error("why")
        return item * item

    squares = map_batches(square, [[0, 1], [], [2], [3, 4, 5]])
    for grouped, wanted in (
        (in_groups(items(), 2), [*range(n)]),
        (in_blocks(items(), lambda item: 1, 2), [*range(n)]),
        (squares, [item * item for item in range(n)]),
    ):
        found = []
        with pytest.raises(error, match="why"):
            found.extend(grouped)
        assert [item for group in found for item in group] == wanted
        assert all(len(group) == 2 for group in found[: n // 2] if grouped is not squares)


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ("a", "takes several texts: give a list of them, not a single text"),
        (b"a", "takes several texts: give a list of them, not bytes"),
        (3, "takes several texts: give a list of them, not a value of the type int"),
        (None, "takes several texts: give a list of them, not None"),
        (["a", b"b"], "takes texts, and number 2 is bytes: decode it first"),
        (["a", "b", 3], "takes texts, and number 3 is a value of the type int"),
        ([None], "takes texts, and number 1 is None"),
        ([["a"]], "takes texts, and number 1 is a value of the type list"),
    ],
)
@pytest.mark.parametrize(("name", "function"), [("classifier", "classify"), ("tagger", "tag"), ("dates", "translate")])
def test_what_is_no_text_is_refused(name, function, texts, why):
    model = charrnn.load(DOCS / f"{name}.safetensors").model
    with pytest.raises(ConfigError, match=f"^{function} {why}$"):
        [*getattr(charrnn, function)(model, texts)]
