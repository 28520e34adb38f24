"""What a run is asked for; plain data that every layer above the stages may hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Told: TypeAlias = Callable[[int, int], None]
"""Called with how many of how many files (or specs) are done."""


@dataclass(frozen=True)
class Options:
    """What a run is asked for."""

    classes: tuple[str, ...] = ()
    config: Path | None = None
    settings: tuple[tuple[str, object], ...] = ()
    only: frozenset[str] = frozenset()
    """Parts of the result to compute; empty means all."""
    attention: str = "eager"
    mode: str = "prefill"
    """What ``forward`` is followed with: a prompt, one token after a prompt, or a training step."""
    jobs: int = 0
    """Processes; 0 means one per core."""
    computation: bool = False
    """Whether every operation is to become a fact of its own (`computation.operations`)."""
    operations: bool = False
    """Whether results are to hold every operation (`ClassResult.computed`), for comparing two of them."""
    use_cache: bool = True
    debug: bool = False
