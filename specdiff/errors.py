"""Errors that a user can cause and mend; each prints as one line per problem."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the input."""

    file: str
    line: int
    """1-based; 0 where the problem has no line (a missing file)."""
    column: int
    """1-based; 0 where the problem has no column."""
    message: str
    """What is wrong and what to do, one line."""

    def __str__(self) -> str:
        place = self.file
        if self.line:
            place += f":{self.line}"
            if self.column:
                place += f":{self.column}"
        return f"{place}: {self.message}"


class SpecdiffError(Exception):
    """Indicates that the input is wrong; carries every problem found, so that all print at once."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class SpecError(SpecdiffError):
    """Indicates that a spec does not validate."""


class TargetError(SpecdiffError):
    """Indicates that a target, a class or a configuration file is not there or cannot be read."""


class SourceError(SpecdiffError):
    """Indicates that analysed source does not parse."""
