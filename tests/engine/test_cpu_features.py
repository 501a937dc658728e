"""The instruction sets of a processor: what Linux and macOS tell of ARM's, which LLVM does not ask for."""

import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from charrnn.engine import cpu_features

CPUINFO = {"asimddp": "dotprod", "bf16": "bf16"}
"""Linux's names for the sets in a text that it has for people."""


class GetAuxval:
    """Linux's getauxval, on a processor with some bits in AT_HWCAP and AT_HWCAP2."""

    def __init__(self, hwcap: int, hwcap2: int):
        self.values = {16: hwcap, 26: hwcap2}

    def __call__(self, number: int) -> int:
        return self.values[number]


@pytest.mark.parametrize(
    ("hwcap", "hwcap2", "found"),
    [
        (0xFF, 0, set()),  # Cortex-A72
        (0x1 << 20 | 0xFF, 0, {"dotprod"}),  # Neoverse N1
        (0xFFFFFFFF, 0x1C000 | 0x2000, {"dotprod", "bf16"}),  # Neoverse V1
    ],
)
def test_linux_tells_of_arms_products(
    hwcap: int, hwcap2: int, found: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = SimpleNamespace(getauxval=GetAuxval(hwcap, hwcap2))
    monkeypatch.setattr(cpu_features, "IS_ARM", True)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    assert cpu_features.arm_features() == found


def test_macos_tells_of_arms_products(monkeypatch: pytest.MonkeyPatch) -> None:
    def sysctlbyname(name: bytes, value: Any, size: Any, new: None, new_size: Any) -> int:
        if name != b"hw.optional.arm.FEAT_DotProd":  # that of bfloat16 is not known to an older system
            return -1
        assert size._obj.value == ctypes.sizeof(value._obj)
        value._obj.value = 1
        return 0

    monkeypatch.setattr(cpu_features, "IS_ARM", True)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(sysctlbyname=sysctlbyname))
    assert cpu_features.arm_features() == {"dotprod"}


def test_this_system_tells_the_same_in_its_own_list() -> None:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    listed = next((line.split(":")[1].split() for line in lines if line.startswith("Features")), None)
    if cpu_features.IS_ARM and listed is None:
        pytest.skip("this system has no list of an ARM processor's features")
    wanted = {CPUINFO[name] for name in listed or () if name in CPUINFO} if cpu_features.IS_ARM else set()
    assert cpu_features.arm_features() == wanted
