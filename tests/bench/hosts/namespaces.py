"""The hosts: network namespaces of one machine, each with a card of its own, behind a switch with a rate.

    host 1 ─ eth0 ══ port 1 ┐
    host 2 ─ eth0 ══ port 2 ┤ bridge, in a namespace of its own
    host 3 ─ eth0 ══ port 3 ┘

Each cable is a pair of virtual Ethernet devices. A token bucket (`tc tbf`) at both of its ends lets bytes through at a
rate, each way. What a host sends waits for it as in a real card. That bytes also take time on their way is not
modelled: few kernels have the discipline for that (`netem`). Each host has one of the machine's cores, in turn.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from charrnn.resources.cores import available_cores

NETWORK = "10.213.77"
"""The first three numbers of the hosts' addresses."""
BURST, LATENCY = "256kb", "100ms"
"""The bytes that a bucket lets through at once, and the longest time for which it keeps others."""
AGENT = """#!/bin/sh
# What mpiexec calls instead of ssh: host, command
host=$1
shift
number=${{host##*-h}}
set_core() {{
    shift $(((number - 1) % $#))
    core=$1
}}
set_core {cores}
exec taskset -c $core ip netns exec "$host" unshare --uts sh -c "hostname $host; $*"
"""


def missing() -> str:
    """Why this machine can't have such hosts; empty if it can."""
    for tool in ("ip", "tc", "taskset", "unshare"):
        if shutil.which(tool) is None:
            return f"{tool} is missing: apt-get install iproute2 util-linux"
    name = f"charrnn-{os.getpid()}-try"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"no network namespace can be made: {done.stderr.strip()}"
    try:
        _run("tc", "-n", name, "qdisc", "add", "dev", "lo", "root", "tbf", *_bucket("1gbit"))
    except subprocess.CalledProcessError as error:
        return f"the kernel has no token bucket: {error.stderr.strip()}"
    finally:
        _run("ip", "netns", "del", name)
    return ""


class Hosts:
    """n hosts whose cables have a rate, such as `1gbit`, or none, from the beginning of a `with` block to its end."""

    def __init__(self, n: int, rate: str | None, folder: Path):
        """`folder` is for a script that `mpiexec` calls."""
        self.names = [f"charrnn-{os.getpid()}-h{k}" for k in range(1, n + 1)]
        self.rate, self.agent = rate, folder / "agent"
        self.switch = f"charrnn-{os.getpid()}-sw"

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def address(self, k: int) -> str:
        """The address of host k, from 0."""
        return f"{NETWORK}.{k + 1}"

    def _build(self) -> None:
        self.agent.write_text(AGENT.format(cores=" ".join(map(str, sorted(os.sched_getaffinity(0))))))
        self.agent.chmod(0o755)
        _run("ip", "netns", "add", self.switch)
        _run("ip", "-n", self.switch, "link", "add", "bridge", "type", "bridge")
        _run("ip", "-n", self.switch, "link", "set", "bridge", "up")
        for k, name in enumerate(self.names):
            port = f"port{k + 1}"
            _run("ip", "netns", "add", name)
            _run(*f"ip -n {name} link add eth0 type veth peer name {port} netns {self.switch}".split())
            _run(*f"ip -n {self.switch} link set {port} master bridge up".split())
            _run(*f"ip -n {name} addr add {self.address(k)}/24 dev eth0".split())
            for device in ("lo", "eth0"):
                _run("ip", "-n", name, "link", "set", device, "up")
            if self.rate is not None:
                for where, device in ((name, "eth0"), (self.switch, port)):
                    _run(*f"tc -n {where} qdisc add dev {device} root tbf".split(), *_bucket(self.rate))
            etc = Path("/etc/netns", name)  # what `ip netns exec` shows in /etc
            etc.mkdir(parents=True)
            named = (f"{self.address(j)} {other}\n" for j, other in enumerate(self.names))
            (etc / "hosts").write_text("".join(("127.0.0.1 localhost\n", *named)))

    def _remove(self) -> None:
        for name in (*self.names, self.switch):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
            shutil.rmtree(Path("/etc/netns", name), ignore_errors=True)

    def on(self, k: int, words: Sequence[str]) -> list[str]:
        """The command that runs another one on host k."""
        return [str(self.agent), self.names[k], shlex.join(words)]

    def mpiexec(self, words: Sequence[str], program: str) -> list[str]:
        """The command that runs a rank of a command on each host; `program` is Open MPI's mpiexec."""
        settings = {"plm_ssh_agent": str(self.agent), "prte_if_include": "eth0", "hwloc_default_binding_policy": "none"}
        given = [word for name, value in settings.items() for word in ("--prtemca", name, value)]
        network = {"pml": "ob1", "btl": "self,tcp", "btl_tcp_if_include": "eth0"}
        if len(self.names) > available_cores():  # Open MPI can't see that the hosts share cores, and would spin
            network["mpi_yield_when_idle"] = "1"
        for name, value in network.items():
            given += ["--mca", name, value]
        places = ",".join(f"{name}:1" for name in self.names)
        return self.on(0, [program, *given, "--host", places, "-n", str(len(self.names)), *words])


def _bucket(rate: str) -> list[str]:
    return ["rate", rate, "burst", BURST, "latency", LATENCY]


def _run(*words: str) -> None:
    subprocess.run(words, capture_output=True, text=True, check=True)


def bits_per_second(rate: str) -> float:
    """The rate of a cable as a number."""
    units = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
    for unit, factor in units.items():
        if rate.endswith(unit):
            return float(rate.removesuffix(unit)) * factor
    sys.exit(f"{rate} is no rate: write 100mbit or 1gbit")
