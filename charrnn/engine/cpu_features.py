"""The instruction sets of this processor, by LLVM's names: those that LLVM finds, and those that only the system knows.

LLVM asks neither Linux nor macOS for ARM's products of narrow numbers. Its models of processors have them, but it takes
a processor that is newer than itself for the plainest of all.
"""

import ctypes
import platform
import sys

IS_ARM = platform.machine().lower() in ("aarch64", "arm64") and sys.maxsize > 1 << 32
ON_LINUX = {"dotprod": (16, 1 << 20), "bf16": (26, 1 << 14)}
"""Where Linux tells a program of a set: the number of a value, AT_HWCAP or AT_HWCAP2, and the bit in it."""
ON_MACOS = {"dotprod": b"hw.optional.arm.FEAT_DotProd", "bf16": b"hw.optional.arm.FEAT_BF16"}
"""The names by which macOS tells of them."""


def host_features() -> frozenset[str]:
    """The instruction sets of this processor that are known; none where neither LLVM nor we can ask the system."""
    from llvmlite import binding

    try:
        found = binding.get_host_cpu_features()
    except RuntimeError:  # LLVM cannot query this system
        found = {}
    return frozenset(name for name, has in found.items() if has) | arm_features()


def arm_features() -> frozenset[str]:
    """Which of ARM's products of narrow numbers this system tells of."""
    if IS_ARM and sys.platform == "linux":
        value = ctypes.CDLL(None).getauxval
        value.restype, value.argtypes = ctypes.c_ulong, [ctypes.c_ulong]
        return frozenset(name for name, (number, bit) in ON_LINUX.items() if value(number) & bit)
    if IS_ARM and sys.platform == "darwin":
        return frozenset(name for name, key in ON_MACOS.items() if _sysctl(key))
    return frozenset()


def _sysctl(key: bytes) -> int:
    """The number that macOS has under a name; 0 if it has none."""
    number = ctypes.c_int32(0)
    size = ctypes.c_size_t(ctypes.sizeof(number))
    ctypes.CDLL(None).sysctlbyname(key, ctypes.byref(number), ctypes.byref(size), None, ctypes.c_size_t(0))
    return number.value
