"""How a statement leaves its block."""

from __future__ import annotations

from typing import Any


class Leave:
    """`BREAK` or `CONTINUE`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


BREAK = Leave("break")
CONTINUE = Leave("continue")


class Returned:
    """``return value``."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value
