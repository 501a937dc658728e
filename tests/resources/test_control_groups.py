"""Control groups: the limits of cores and memory in trees of files as systems have them."""

import math
import os
from pathlib import Path

import psutil
import pytest

from charrnn.resources import control_groups, cores, memory

MB = 1 << 20
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate"
HOSTS_V1 = """\
31 23 0:28 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/unified rw,relatime shared:10 - cgroup2 cgroup2 rw
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:11 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/memory rw,relatime shared:12 - cgroup cgroup rw,memory
35 31 0:32 / /sys/fs/cgroup/cpuset rw,relatime shared:13 - cgroup cgroup rw,cpuset"""
DOCKERS_V1 = """\
41 40 0:30 /docker/5f /sys/fs/cgroup/cpu,cpuacct ro,relatime master:11 - cgroup cgroup rw,cpu,cpuacct
42 40 0:31 /docker/5f /sys/fs/cgroup/memory ro,relatime master:12 - cgroup cgroup rw,memory"""
SESSION_V1 = (
    "5:memory:/user.slice/a.scope\n4:cpuset:/\n3:cpu,cpuacct:/user.slice\n1:name=systemd:/user.slice\n0::/user.slice"
)
DOCKER_V1 = "5:memory:/docker/5f\n3:cpu,cpuacct:/docker/5f\n1:name=systemd:/docker/5f\n0::/docker/5f"


def tree(root: Path, group: str, mounts: str, files: dict[str, str]) -> Path:
    """The root of a file system with the files of control groups, which are given below /sys/fs/cgroup."""
    given = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    given |= {"proc/self/cgroup": group, "proc/self/mountinfo": mounts}
    for name, text in given.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


SHARES = {
    "a container of version 2": ("0::/", V2, {"cpu.max": "50000 100000"}, 0.5),
    "its limit is max": ("0::/", V2, {"cpu.max": "max 100000"}, math.inf),
    "a scope of systemd": ("0::/user.slice/a.scope", V2, {"user.slice/a.scope/cpu.max": "150000 100000"}, 1.5),
    "a limit around the scope": (
        "0::/user.slice/a.scope",
        V2,
        {"user.slice/a.scope/cpu.max": "max 100000", "user.slice/cpu.max": "20000 10000"},
        2,
    ),
    "the tightest of three": (
        "0::/a/b/c",
        V2,
        {"a/b/c/cpu.max": "300000 100000", "a/b/cpu.max": "70000 100000", "a/cpu.max": "900000 100000"},
        0.7,
    ),
    "a group beside it": ("0::/a", V2, {"b/cpu.max": "50000 100000"}, math.inf),
    "a path with blanks": (
        "0::/my app",
        V2.replace("/sys/fs/cgroup", r"/sys/fs/cgroup/x\040y"),
        {"x y/my app/cpu.max": "1000 2000"},
        0.5,
    ),
    "a group outside the container": ("0::/../other", V2, {"cpu.max": "50000 100000"}, 0.5),
    "a session of version 1": (
        SESSION_V1,
        HOSTS_V1,
        {"cpu,cpuacct/user.slice/cpu.cfs_quota_us": "250000", "cpu,cpuacct/user.slice/cpu.cfs_period_us": "100000"},
        2.5,
    ),
    "no limit in version 1": (
        SESSION_V1,
        HOSTS_V1,
        {"cpu,cpuacct/user.slice/cpu.cfs_quota_us": "-1", "cpu,cpuacct/user.slice/cpu.cfs_period_us": "100000"},
        math.inf,
    ),
    "both versions": (
        SESSION_V1,
        HOSTS_V1,
        {
            "cpu,cpuacct/cpu.cfs_quota_us": "300000",
            "cpu,cpuacct/cpu.cfs_period_us": "100000",
            "unified/user.slice/cpu.max": "100000 100000",
        },
        1,
    ),
    "the limit of another controller": (
        SESSION_V1,
        HOSTS_V1,
        {"cpuset/cpu.cfs_quota_us": "1000", "cpuset/cpu.cfs_period_us": "100000"},
        math.inf,
    ),
    "a container of version 1": (
        DOCKER_V1,
        DOCKERS_V1,
        {"cpu,cpuacct/cpu.cfs_quota_us": "150000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
        1.5,
    ),
    "a file of another form": ("0::/", V2, {"cpu.max": "?"}, math.inf),
    "no colons in the list of groups": ("?", V2, {"cpu.max": "50000 100000"}, math.inf),
    "a mount of another form": ("0::/", f"{V2[:30]}\n{V2}", {"cpu.max": "50000 100000"}, math.inf),
}


@pytest.mark.parametrize("name", SHARES)
def test_the_tightest_limit_of_cpu_time_holds(name: str, tmp_path: Path) -> None:
    group, mounts, files, expected = SHARES[name]
    root = tree(tmp_path, group, mounts, files)
    assert min(map(cores.share, control_groups.folders("cpu", root)), default=math.inf) == expected
    allowed = cores.available_cores(tmp_path / "none")
    assert allowed == (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    assert cores.available_cores(root) == min(allowed, 10**6 if expected == math.inf else math.ceil(expected))


LIMITS = {
    "a container of version 2": ("0::/", V2, {"memory.max": 90, "memory.current": 20}, 70),
    "cached files": ("0::/", V2, {"memory.max": 90, "memory.current": 60, "memory.stat": 50}, 80),
    "a limit that slows down": ("0::/", V2, {"memory.max": 90, "memory.high": 50, "memory.current": 20}, 30),
    "a service and its slice": (
        "0::/a.slice/b.service",
        V2,
        {
            "a.slice/b.service/memory.max": 90,
            "a.slice/b.service/memory.current": 10,
            "a.slice/memory.max": 100,
            "a.slice/memory.current": 60,
        },
        40,
    ),
    "more is used than allowed": ("0::/", V2, {"memory.high": 50, "memory.current": 60}, 0),
    "a container of version 1": (
        DOCKER_V1,
        DOCKERS_V1,
        {"memory/memory.limit_in_bytes": 64, "memory/memory.usage_in_bytes": 60, "memory/memory.stat": 20},
        24,
    ),
    "a scope of version 1, and its slice": (
        SESSION_V1,
        HOSTS_V1,
        {
            "memory/user.slice/a.scope/memory.limit_in_bytes": 64,
            "memory/user.slice/a.scope/memory.usage_in_bytes": 4,
            "memory/user.slice/memory.limit_in_bytes": 80,
            "memory/user.slice/memory.usage_in_bytes": 30,
        },
        50,
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_the_tightest_limit_of_memory_holds(name: str, tmp_path: Path) -> None:
    group, mounts, sizes, expected = LIMITS[name]
    files = {path: str(size * MB) for path, size in sizes.items()}
    for path in files:
        if path.endswith("memory.stat"):
            cached = "total_inactive_file" if mounts == DOCKERS_V1 else "inactive_file"
            files[path] = f"anon 12345\n{cached} {files[path]}\nfile 1"
    assert memory.available(tree(tmp_path, group, mounts, files)) == expected * MB


@pytest.mark.parametrize("limit", ["max", str(1 << 62), "?"])
def test_memory_without_a_limit_is_what_is_free(limit: str, tmp_path: Path) -> None:
    root = tree(tmp_path, "0::/", V2, {"memory.max": limit, "memory.current": str(MB)})
    assert memory.available(root) == pytest.approx(psutil.virtual_memory().available, rel=0.5)


def test_a_system_without_control_groups_has_no_limits(tmp_path: Path) -> None:
    assert control_groups.folders("cpu", tmp_path) == control_groups.folders("memory", tmp_path) == ()
    assert memory.available(tmp_path) > MB
