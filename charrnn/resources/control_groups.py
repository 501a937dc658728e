"""Control groups: where Linux keeps the limits of a container, a service or a session, in versions 1 and 2.

`/proc/self/cgroup` names the group of this process in each hierarchy, and `/proc/self/mountinfo` says where the
hierarchies are mounted. A group is a folder there. The limits of the groups around it, up to the root, hold for it too.
"""

import re
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path("/")


@cache
def folders(controller: str, root: Path = ROOT) -> tuple[Path, ...]:
    """The folders in which `cpu` or `memory` may limit this process: those of its groups, the innermost first.

    They may lack any file. There are none on other systems. `root` is the root of the file system.
    """
    try:
        groups, mounts = (
            (root / "proc/self" / name).read_text(errors="surrogateescape").splitlines()
            for name in ("cgroup", "mountinfo")
        )
        # The path of the group in each hierarchy, by the names of its controllers; version 2 names none
        paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in groups)}
        found: list[Path] = []
        for line in mounts:
            left, _, right = line.partition(" - ")
            top, place = map(_unescape, left.split()[3:5])  # the group that is mounted, and where
            kind, _, options = right.split()[:3]
            path = paths.get("") if kind == "cgroup2" else None
            if kind == "cgroup" and controller in options.split(","):
                path = next((path for names, path in paths.items() if controller in names.split(",")), None)
            if path is not None:
                found += _upwards(root / place.lstrip("/"), _within(path, top))
    except (OSError, ValueError):  # no such file, or one of another form
        return ()
    return tuple(found)


def _unescape(text: str) -> str:
    r"""A path of `mountinfo`, where a blank is \040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _within(path: str, top: str) -> PurePosixPath:
    """The path of a group below the one that is mounted; empty for a group elsewhere, that of another container."""
    relative = PurePosixPath()
    with suppress(ValueError):
        relative = PurePosixPath(path).relative_to(top)
    return PurePosixPath() if ".." in relative.parts else relative


def _upwards(place: Path, path: PurePosixPath) -> list[Path]:
    """The folder of a group and those around it, up to the place where its hierarchy is mounted."""
    return [place / path, *(place / parent for parent in path.parents)]
