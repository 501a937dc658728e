"""The boards of partners: those that a test's runs have used, to see whether a partner has helped."""

from typing import Any

import pytest

PATIENCE = 100
"""The seconds after which a partner, which a busy machine may keep from helping, counts as broken."""


def recorded_boards(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A list that gets each board that is made from now on."""
    from charrnn.engine.kernels import partner  # needs numba

    boards, new_board = list[Any](), partner.new_board

    def recorded() -> Any:
        boards.append(new_board())
        return boards[-1]

    monkeypatch.setattr(partner, "new_board", recorded)
    return boards
