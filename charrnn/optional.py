"""The optional libraries: imported where they are used; a missing one is an error that says what to install."""

import sys
from importlib.util import find_spec
from types import ModuleType

from charrnn.errors import MissingLibraryError


def is_installed(name: str) -> bool:
    """Whether a library is there to be imported, by the name of its module; imports at most the packages around it.

    A folder that only has its name, such as `numba` in the current folder, does not count, though Python imports any
    folder as a package without content.
    """
    try:
        spec = find_spec(name)
    except ImportError:  # there is no package around it
        return False
    except ValueError:  # it has been imported, and says nothing about itself
        return True
    return spec is not None and spec.origin is not None


def import_optional(name: str) -> ModuleType:
    """Imports a library by the name of its module. Raises `ImportError` if it is not installed."""
    if not is_installed(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    __import__(name)
    return sys.modules[name]


def require(use: str, *names: str) -> None:
    """Raises `MissingLibraryError` if one of these libraries can't be imported; `use` says what needs them."""
    try:
        for name in names:
            import_optional(name)
    except ImportError as error:
        libraries = ", ".join(names[:-1]) + " and " * (len(names) > 1) + names[-1]
        raise MissingLibraryError(f"{use} needs {libraries}: pip install {' '.join(names)}", name=error.name) from None
