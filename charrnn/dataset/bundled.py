"""The files that come with the package."""

from pathlib import Path


def bundled_file(name: str) -> Path | None:
    """The path of a file of the folder `data`: inside the package in a wheel, beside it in a checkout.

    None if it is not there: whoever packages charrnn may leave such files out.
    """
    package = Path(__file__).parent.parent
    paths = [folder / "data" / name for folder in (package, package.parent)]
    return next((path for path in paths if path.is_file()), None)
