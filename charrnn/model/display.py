"""The display: what a notebook shows of an object, made by a function that a later folder provides."""

from collections.abc import Callable
from typing import Any, ClassVar


class Displayed:
    """An object that Jupyter and other notebooks show as HTML.

    What makes the HTML draws samples, and so it belongs to a later folder, of which nothing is imported here. The
    public face of the package provides it.
    """

    make_html: ClassVar[Callable[[Any], str] | None] = None
    """Makes the HTML of an object; without it, a notebook shows the object's `repr`."""

    def _repr_html_(self) -> str | None:
        make_html = Displayed.make_html
        return None if make_html is None else make_html(self)
