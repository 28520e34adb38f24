"""Finds values and quotes for claims in a paper's text; proposals with their place, never verified by anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from specdiff import vocab
from specdiff.errors import Problem, SpecError
from specdiff.facts import FactSheet, Value
from specdiff.spec.terms import TERMS
from specdiff.vocab import ValueType

NEAR = 60
"""Characters between a term and its number: about ten words, a row of a small table."""
MOST = 3
"""Proposals per key."""
_QUOTE = 110
"""Characters of a quote."""
_NUMBER = re.compile(
    r"(?<![\w.])(\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?(?:e-?\d+)?)(?:\s?([KMBT])\b|\s?(billion|million|trillion))?(?![\w%])"
)
_SCALE = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_BLOCKS = frozenset({"p", "div", "li", "tr", "h1", "h2", "h3", "h4", "br", "table", "section", "pre", "figcaption"})


@dataclass(frozen=True, slots=True)
class Paper:
    """A document's text."""

    name: str
    lines: tuple[str, ...]
    unit: str
    """What a position counts: `line` or `page`."""
    positions: tuple[int, ...]
    """Position of each line, from 1."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A value that a text has near a key's term."""

    key: str
    value: float | str | None
    """None where the term stands there without a number."""
    quote: str
    paper: str
    position: str
    agrees: bool
    """Whether the code has the same value."""

    def __str__(self) -> str:
        said = (
            "" if self.value is None else f"{self.value:.12g}: " if isinstance(self.value, float) else f"{self.value}: "
        )
        mark = "same as the code" if self.agrees else "not verified"
        return f"{self.paper} {self.position}: {said}“{self.quote}” ({mark})"


def read(path: Path) -> Paper:
    """A paper's text: Markdown and plain text as they are, HTML without its tags, PDF page by page.

    Raises:
        SpecError: the file cannot be read, or the PDF reader is not installed.
    """
    try:
        if path.suffix.lower() == ".pdf":
            return _pdf(path)
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SpecError(Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")) from None
    if path.suffix.lower() in (".html", ".htm", ".xhtml"):
        parser = _Text()
        parser.feed(text)
        text = "".join(parser.pieces)
    lines = tuple(text.split("\n"))
    return Paper(path.name, lines, "line", tuple(range(1, len(lines) + 1)))


def _pdf(path: Path) -> Paper:
    try:
        import pypdf  # noqa: PLC0415 - an optional package, and slow to import
    except ImportError:
        raise SpecError(
            Problem(str(path), 0, 0, "reading PDF needs the package pypdf (pip install pypdf), or give its text")
        ) from None
    lines: list[str] = []
    positions: list[int] = []
    try:
        for number, page in enumerate(pypdf.PdfReader(path).pages, 1):
            for line in page.extract_text().split("\n"):
                lines.append(line)
                positions.append(number)
    except (pypdf.errors.PyPdfError, ValueError, KeyError) as error:
        raise SpecError(Problem(str(path), 0, 0, f"not a readable PDF: {error}")) from None
    return Paper(path.name, tuple(lines), "page", tuple(positions))


class _Text(HTMLParser):
    """Collects what a reader of a page sees; owned by one `read`."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Blocks begin a line; scripts and styles are not text."""
        if tag in ("script", "style"):
            self._hidden += 1
        elif tag in _BLOCKS:
            self.pieces.append("\n")
        elif tag in ("td", "th"):
            self.pieces.append(" | ")

    def handle_endtag(self, tag: str) -> None:
        """The end of what is not text."""
        if tag in ("script", "style") and self._hidden:
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        """Text on its way."""
        if not self._hidden:
            self.pieces.append(" ".join(data.split("\n")))


def propose(papers: Iterable[Paper], sheet: FactSheet) -> list[Proposal]:
    """What the papers' texts say near each key's terms, keys in the order of the table, best first."""
    found: list[Proposal] = []
    for key, terms in TERMS.items():
        entry = vocab.KEYS.get(key)
        if entry is None:
            continue
        fact = sheet.facts.get(key)
        value = fact.value if fact is not None else None
        pattern = re.compile("|".join(f"(?:{term})" for term in terms), re.IGNORECASE)
        numeric = entry.type in (ValueType.INT, ValueType.NUMBER)
        rows = [row for paper in papers for row in _in_paper(paper, key, pattern, numeric, value)]
        rows.sort(key=lambda row: (not row[0].agrees, row[1]))
        unique = list(dict.fromkeys((row[0].value, row[0].agrees) for row in rows))
        best = [next(row[0] for row in rows if (row[0].value, row[0].agrees) == each) for each in unique]
        found.extend(best[:MOST])
    return found


def comments(papers: Iterable[Paper], sheet: FactSheet) -> dict[str, list[str]]:
    """The proposals as comment lines per key."""
    lines: dict[str, list[str]] = {}
    for proposal in propose(tuple(papers), sheet):
        lines.setdefault(proposal.key, []).append(str(proposal))
    return lines


def _in_paper(
    paper: Paper, key: str, pattern: re.Pattern[str], numeric: bool, known: Value
) -> Iterator[tuple[Proposal, int]]:
    """(proposal, distance between term and number)."""
    for index, line in enumerate(paper.lines):
        for term in pattern.finditer(line):
            position = f"{paper.unit} {paper.positions[index]}"
            if not numeric:
                agrees = isinstance(known, str) and known in term[0].lower()
                yield Proposal(key, None, _quote(line, term.start(), term.end()), paper.name, position, agrees), 0
                continue
            for number in _NUMBER.finditer(line):
                distance = max(term.start() - number.end(), number.start() - term.end(), 0)
                if distance > NEAR or (number.start() < term.end() and term.start() < number.end()):
                    continue
                value = float(number[1].replace(",", "")) * _SCALE.get((number[2] or number[3] or ""), 1)
                quote = _quote(line, min(term.start(), number.start()), max(term.end(), number.end()))
                yield Proposal(key, value, quote, paper.name, position, _same(value, known, number[0])), distance


def _same(value: float, known: Value, written: str) -> bool:
    """Whether the text's number is the code's, as precisely as it is written (116.8B for 116,829,156,672)."""
    if not isinstance(known, int | float) or isinstance(known, bool):
        return False
    if value == known:
        return True
    digits = re.match(r"[\d,.]+", written)
    assert digits is not None
    places = len(digits[0].partition(".")[2])
    unit = value / float(digits[0].replace(",", "")) if float(digits[0].replace(",", "")) else 1.0
    return unit >= 1e3 and abs(value - known) <= 0.5 * unit * 10**-places


def _quote(line: str, start: int, end: int) -> str:
    """The words around a hit, cut at blanks."""
    room = max(0, _QUOTE - (end - start)) // 2
    first, last = max(0, start - room), min(len(line), end + room)
    while first > 0 and not line[first - 1].isspace():
        first -= 1
    while last < len(line) and not line[last].isspace():
        last += 1
    return " ".join(line[first:last].split())
