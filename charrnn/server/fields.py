"""The fields of a request: its JSON, checked field by field, with errors as the original words them."""

import json
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from charrnn.server.errors import ApiError

Check = Callable[[str, Any], Any]
"""Returns the value of the named field as the server uses it; raises `ApiError` if it can't be that."""


def read_object(body: bytes) -> dict[str, Any]:
    """The object in a body. Raises `ApiError` for anything else."""
    try:
        data = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise ApiError(f"the body of the request is not UTF-8: {error.reason} at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, json.JSONDecodeError) else "it can't be read"
        raise ApiError(f"the body of the request is not valid JSON: {why}") from None
    if not isinstance(data, dict):
        raise ApiError(f"the body of the request must be a JSON object, not {_kind(data)}")
    return data


def check_fields(data: dict[str, Any], checks: Mapping[str, tuple[Check, Any]]) -> dict[str, Any]:
    """The values of all fields: what the check returns, or the default of a field that is missing or null.

    Raises `ApiError` for a field that is not known, or has a value that it can't have.
    """
    if unknown := [name for name in data if name not in checks]:
        plural = "s" if len(unknown) > 1 else ""
        names = ", ".join(name[:60] for name in unknown[:5])
        raise ApiError(f"Unrecognized request argument{plural} supplied: {names}")
    return {
        name: default if data.get(name) is None else check(name, data[name])
        for name, (check, default) in checks.items()
    }


def whole(low: int, high: int) -> Check:
    """A whole number from `low` to `high`."""

    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(name, value, "integer")
        return int(_within(name, value, low, high))

    return check


def number(low: float, high: float, above: bool = False) -> Check:
    """A number from `low` to `high`; with `above`, it must be above `low`."""

    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(name, value, "number")
        found = float(_within(name, value, low, high))
        if above and found <= low:
            raise ApiError(f"{_shown(value)} must be above {low} - '{name}'", name)
        return found

    return check


def flag(name: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong_type(name, value, "boolean")
    return value


def text(name: str, value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise wrong_type(name, value, "string")
    return value


def choice(values: Collection[str]) -> Check:
    """One of some words."""

    def check(name: str, value: Any) -> str:
        if text(name, value) not in values:
            raise ApiError(f"{_shown(value)} is not one of {', '.join(values)} - '{name}'", name)
        return str(value)

    return check


def texts(most: int, longest: float = math.inf) -> Check:
    """A text, or a list of at most so many, each of a limited length."""

    def check(name: str, value: Any) -> list[str]:
        found = value if isinstance(value, list) else [value]
        if len(found) > most:
            raise ApiError(f"there are {len(found)} texts, and at most {most} may be given - '{name}'", name)
        for each in found:
            if len(text(name, each)) > longest:
                raise ApiError(f"a text has {len(each):,} characters, and may have {longest:,} - '{name}'", name)
        return found

    return check


def unsupported(*neutral: Any) -> Check:
    """What the original has and this server has not: only values that change nothing are taken."""

    def check(name: str, value: Any) -> None:
        if isinstance(value, bool) or not any(value == other and type(value) is type(other) for other in neutral):
            raise ApiError(f"this server has no {name}: leave it out", name, code="unsupported_parameter")

    return check


def wrong_type(name: str, value: Any, wanted: str) -> ApiError:
    """The error for a value of another type."""
    return ApiError(f"{_shown(value)} is not of type '{wanted}' - '{name}'", name)


def missing(name: str) -> ApiError:
    """The error for a field that has to be there."""
    return ApiError(f"you must provide a {name} parameter", name)


def _within(name: str, value: float, low: float, high: float) -> float:
    if value < low:
        raise ApiError(f"{_shown(value)} is less than the minimum of {low} - '{name}'", name)
    if value > high:
        raise ApiError(f"{_shown(value)} is greater than the maximum of {high} - '{name}'", name)
    return value


def _shown(value: Any) -> str:
    """The beginning of a value as it was written; a number of thousands of digits has none that can be shown."""
    if isinstance(value, int) and abs(value) >= 10**20:
        return "such a large number"
    shown = repr(value) if isinstance(value, int | float) else json.dumps(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


def _kind(value: Any) -> str:
    kinds = {list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")


def _no_constant(name: str) -> float:
    raise ValueError(name)
