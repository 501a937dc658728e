"""The arguments of the benchmarks: their types, whose errors argparse prints in one line."""

import argparse
import json
from typing import Any

import typer

from charrnn.cli.train.duration import duration


def seconds(text: str) -> float:
    """A duration such as 10m, in seconds."""
    try:
        return duration(text)
    except typer.BadParameter as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def several_seconds(text: str) -> list[float]:
    """Durations that are separated by commas, in seconds."""
    return [*map(seconds, text.split(","))]


def count(text: str) -> int:
    """A number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def counts(text: str) -> list[int]:
    """Numbers from 1 that are separated by commas."""
    return [*map(count, text.split(","))]


def value(text: str) -> Any:
    """The text as a number, true or false, if it is one."""
    try:
        return json.loads(text)
    except ValueError:
        return text
