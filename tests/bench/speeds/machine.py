"""The machine: what the figures were taken on, and with which versions of everything."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SETTINGS = ("OPENBLAS_", "BLIS_", "MKL_", "ONEDNN_", "DNNL_", "ATEN_", "OMP_", "GOMP_", "KMP_", "CHARRNN_")
"""How variables begin that change what the libraries, or our program, do of their own accord."""


def forget_settings() -> list[str]:
    """Takes such variables out of the environment, of new processes too; returns their names.

    It must be called before NumPy is imported, which reads them then.
    """
    found = sorted(name for name in os.environ if name.startswith(SETTINGS))
    for name in found:
        del os.environ[name]
    return found


def facts() -> dict[str, str]:
    """Names and values, for the report's head."""
    from charrnn.engine import available_cores

    return {
        "CPU": f"{cpu()}, {available_cores()} cores",
        "Python": f"{platform.python_version()} on {platform.system()}",
        "NumPy": f"{_version('numpy')}, BLAS: {numpy_blas()}",
        "numba": _version("numba"),
        "PyTorch": _version("torch"),
        "load at the start": load(),
    }


def cpu() -> str:
    """The processor's name, as well as it can be found out."""
    try:
        for row in Path("/proc/cpuinfo").read_text().splitlines():
            if row.startswith("model name"):
                return row.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def numpy_blas() -> str:
    """The library that multiplies NumPy's matrices, and the processor that it takes this one for."""
    import numpy  # noqa: F401 - loads it
    from threadpoolctl import threadpool_info

    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return (
        ", ".join(
            f"{library['internal_api']} {library['version']} ({library.get('architecture', 'unknown')})"
            for library in found
        )
        or "unknown to threadpoolctl"
    )


def busy() -> bool:
    """Whether others seem to be at work on this machine: then nothing that is measured means much."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.3


def load() -> str:
    """How many processes wanted to run in the last minute."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
