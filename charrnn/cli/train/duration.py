"""The duration of a training run, as it is written on the command line."""

import re

import typer

DURATION = re.compile(r"(?:(\d+(?:\.\d*)?)h)?(?:(\d+(?:\.\d*)?)m)?(?:(\d+(?:\.\d*)?)s?)?")


def duration(text: str) -> float:
    """The seconds of a duration such as 90s, 3m or 1h30m."""
    found = DURATION.fullmatch(text.strip().lower())
    if not found or not any(found.groups()):
        raise typer.BadParameter(f"{text!r} is not a duration: write 90s, 3m or 1h")
    return sum(float(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True))
