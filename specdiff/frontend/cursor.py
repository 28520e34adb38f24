"""Finds the line of each leaf while a tree is lowered in source order.

libcst's own position provider generates the whole code again, which costs twice the parse. The lowering
visits names, numbers and strings in the order of the text, so a walk over the text's tokens is enough.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
    \#[^\n]*
  | (?:[rRbBuUfFtT]{1,2})?(?:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?:0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d[\d_]*)?[jJ]?)
  | [^\W\d]\w*
  | \.\.\.
  | [)\]}]
  | \n
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTES = "\"'"
MAX_SKIP = 400
"""How far ahead a leaf is looked for before it keeps the current line (it is then out of source order)."""


def last_start(text: str, lines: int) -> int:
    """How many line ends stand before the last of the adjacent string tokens that a text begins with.

    Args:
        text: From the first token on.
        lines: How many line ends the tokens and what is between them have; the rest of the text is not looked at.
    """
    number = found = 0
    for token in _TOKEN.findall(text):
        if token == "\n":
            number += 1
        elif token[-1] in _QUOTES and token[0] != "#":
            found = number
            number += token.count("\n")
        if number > lines:
            break
    return found


class Cursor:
    """A position in a text that moves forward."""

    __slots__ = ("_at", "_lines", "_tokens", "line", "yields")

    def __init__(self, text: str, offset: int) -> None:
        self.yields = "yield" in text
        """Whether there can be a generator in the text."""
        self._tokens: list[str] = []
        self._lines: list[int] = []
        number = offset + 1
        for token in _TOKEN.findall(text):
            if token == "\n":
                number += 1
            elif token[0] != "#":
                self._tokens.append(token)
                self._lines.append(number)
                if "\n" in token:
                    number += token.count("\n")
        self._at = 0
        self.line = offset + 1
        """Line of the leaf reached last, 1-based."""

    def find(self, leaf: str) -> int:
        """Move to the next token that is ``leaf`` and return its line; stay where there is none near."""
        tokens = self._tokens
        at = self._at
        if at < len(tokens) and tokens[at] == leaf:
            self._at = at + 1
            self.line = self._lines[at]
            return self.line
        for index in range(at, min(at + MAX_SKIP, len(tokens))):
            if tokens[index] == leaf:
                self._at = index + 1
                self.line = self._lines[index]
                return self.line
        return self.line

    def string(self, start: str) -> int:
        """Move to the next string token that begins with a prefix and quotes (an f-string, whose inside has no tokens)."""
        tokens = self._tokens
        for index in range(self._at, min(self._at + MAX_SKIP, len(tokens))):
            if tokens[index].startswith(start):
                self._at = index + 1
                self.line = self._lines[index]
                return self.line
        return self.line

    def close(self) -> int:
        """Move over closing brackets that directly follow, and return the line of the last one."""
        tokens = self._tokens
        while self._at < len(tokens) and tokens[self._at] in ")]}":
            self.line = self._lines[self._at]
            self._at += 1
        return self.line
