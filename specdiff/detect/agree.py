"""Facts that all layers must agree on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from specdiff.detect.scene import Scene, see
from specdiff.interp.trace import Op


def agreed(
    scene: Scene,
    key: str,
    readings: Iterable[tuple[Any, Op, str]],
    transform: Callable[[Any], Any] = lambda value: value,
) -> None:
    """A fact that all layers agree on, with the first layer's line; undecided where one differs or is not known."""
    first: tuple[Any, Op, str] | None = None
    for value, op, words in readings:
        if value is None:
            scene.unsure(key, f"{words} is not known here", op)
            return
        if first is None:
            first = (value, op, words)
        elif value != first[0]:
            both = (transform(first[0]), transform(value))
            scene.unsure(key, f"it differs between layers: {first[0]} and {value}", op, both)
            return
    if first is not None:
        scene.fact(key, transform(first[0]), [see(first[1], first[2])])
