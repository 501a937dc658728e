"""Groups: all items in order, and texts alone where texts are asked for."""

import pytest

import charrnn
from charrnn.dataset.groups import in_groups, texts_in_groups
from charrnn.errors import ConfigError
from support.readmes import DOCS


def test_items_come_in_lists_of_a_size():
    assert [*in_groups(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert [*in_groups([], 2)] == []
    assert [*texts_in_groups(iter(["a", "b", "c"]), 2, "classify")] == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ("a", "takes several texts: give a list of them, not a single text"),
        (b"a", "takes several texts: give a list of them, not bytes"),
        (3, "takes several texts: give a list of them, not of the type int"),
        (None, "takes several texts: give a list of them, not None"),
        (["a", b"b"], "takes texts, and number 2 is bytes: decode it first"),
        (["a", "b", 3], "takes texts, and number 3 is of the type int"),
        ([None], "takes texts, and number 1 is None"),
        ([["a"]], "takes texts, and number 1 is of the type list"),
    ],
)
@pytest.mark.parametrize(("name", "function"), [("classifier", "classify"), ("tagger", "tag"), ("dates", "translate")])
def test_what_is_no_text_is_refused(name, function, texts, why):
    model = charrnn.load(DOCS / f"{name}.safetensors").model
    with pytest.raises(ConfigError, match=f"^{function} {why}$"):
        [*getattr(charrnn, function)(model, texts)]
