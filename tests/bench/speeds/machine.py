"""The machine: the processor and the library versions behind the figures."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SETTINGS = ("OPENBLAS_", "BLIS_", "MKL_", "ONEDNN_", "DNNL_", "ATEN_", "OMP_", "GOMP_", "KMP_", "CHARRNN_")
"""The prefixes of variables that change the defaults of the libraries or of charrnn."""


def remove_settings() -> list[str]:
    """Removes such variables from the environment, for new processes too; returns their names.

    Call it before the import of NumPy, which reads them.
    """
    found = sorted(name for name in os.environ if name.startswith(SETTINGS))
    for name in found:
        del os.environ[name]
    return found


def facts() -> dict[str, str]:
    """Names and values for the head of the report."""
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
    """The processor's name, family and model, if the system reports them."""
    try:
        rows = (row.partition(":") for row in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines())
        found = {name.strip(): value.strip() for name, _, value in rows}
        return f"{found['model name']} (family {found['cpu family']} model {found['model']})"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def numpy_blas() -> str:
    """NumPy's BLAS library, and the processor for which it has chosen its kernels."""
    import numpy  # noqa: F401 - loads the library
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
    """Whether other programs seem to be computing on this machine: then the figures mean little."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.3


def load() -> str:
    """The load average of the last minute."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
