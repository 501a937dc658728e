"""The optional libraries: imported where they are used; a missing one is an error that says what to install."""

import sys
from importlib.util import find_spec
from types import ModuleType

from charrnn.errors import MissingLibraryError

EXTRAS = {
    "encodings": ("charset_normalizer",),
    "fast": ("numba",),
    "llm": ("llm",),
    "match": ("regex",),
    "mpi": ("mpi4py",),
    "onnx": ("onnx",),
    "page": ("jinja2", "matplotlib"),
    "plot": ("matplotlib",),
    "serve": ("starlette", "uvicorn", "httptools"),
    "tensorboard": ("tensorboardX",),
    "zstd": ("backports.zstd",),
}
"""The modules that the libraries of each extra bring; pip knows some of these libraries by other names."""


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


def install(extra: str) -> str:
    """The command that installs what an extra has, beside this copy or another one, as a shell takes it."""
    return f"pip install 'charrnn-text[{extra}]'"


def require(use: str, extra: str) -> None:
    """Raises `MissingLibraryError` if a library of an extra can't be imported; `use` says what needs it."""
    names = EXTRAS[extra]
    for name in names:
        try:
            import_optional(name)
        except ImportError as error:
            raise MissingLibraryError(f"{use} needs {name}: {install(extra)}", name=error.name) from None
