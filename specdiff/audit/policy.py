"""What a project makes of findings: severities per id from ``pyproject.toml``, and a baseline of what is known."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from specdiff.audit.rules import RULES
from specdiff.errors import Problem, SpecdiffError
from specdiff.results import Finding, Severity

BASELINE_SCHEMA = "specdiff/audit-baseline/1"
OFF = "off"


@dataclass(frozen=True, slots=True)
class Policy:
    """Severities by id (or by family, as `source`); None switches a finding off."""

    severities: Mapping[str, Severity | None] = field(default_factory=dict)

    def apply(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings with their severities as the project wants them."""
        kept = []
        for item in findings:
            name = next((each for each in (item.id, item.id.partition(".")[0]) if each in self.severities), None)
            severity = item.severity if name is None else self.severities[name]
            if severity is not None:
                kept.append(replace(item, severity=severity))
        return kept


def read_policy(start: Path) -> Policy:
    """The `[tool.specdiff.audit]` table of the nearest ``pyproject.toml`` at or above a folder.

    Raises:
        SpecdiffError: the file is not TOML, or names an id or a severity that does not exist.
    """
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            return _policy(path)
    return Policy()


def _policy(path: Path) -> Policy:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SpecdiffError(Problem(str(path), 0, 0, f"not TOML: {error}")) from None
    table = document.get("tool", {}).get("specdiff", {})
    rows = table.get("audit", {}) if isinstance(table, dict) else {}
    problems: list[Problem] = []
    severities: dict[str, Severity | None] = {}
    families = {name.partition(".")[0] for name in RULES}
    for name, value in _flat(rows):
        if name not in RULES and name not in families:
            problems.append(Problem(str(path), 0, 0, f"tool.specdiff.audit: there is no finding {name!r}"))
        elif value == OFF:
            severities[name] = None
        elif value in {str(each) for each in Severity}:
            severities[name] = Severity(value)
        else:
            known = ", ".join([*map(str, Severity), OFF])
            problems.append(Problem(str(path), 0, 0, f"tool.specdiff.audit.{name}: {value!r} is none of {known}"))
    if problems:
        raise SpecdiffError(*problems)
    return Policy(severities)


def _flat(rows: object, prefix: str = "") -> list[tuple[str, object]]:
    """Rows with dotted names, whether the TOML quotes them or nests tables."""
    if not isinstance(rows, dict):
        return []
    found: list[tuple[str, object]] = []
    for name, value in rows.items():
        if isinstance(value, dict):
            found.extend(_flat(value, f"{prefix}{name}."))
        else:
            found.append((f"{prefix}{name}", value))
    return found


def fingerprint(item: Finding) -> str:
    """What identifies a finding when lines move."""
    message = re.sub(r"\bline \d+", "line", item.message)
    return hashlib.sha256(f"{item.id}\n{item.primary.file}\n{message}".encode()).hexdigest()[:20]


def baseline_text(findings: Iterable[Finding]) -> str:
    """A baseline file of findings."""
    rows = [
        {"fingerprint": fingerprint(item), "id": item.id, "file": item.primary.file, "message": item.message}
        for item in findings
    ]
    return json.dumps({"schema": BASELINE_SCHEMA, "findings": rows}, indent=1, ensure_ascii=False) + "\n"


def read_baseline(path: Path) -> frozenset[str]:
    """The fingerprints of a baseline file.

    Raises:
        SpecdiffError: it is not there or is no baseline.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecdiffError(Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")) from None
    except ValueError:
        raise SpecdiffError(Problem(str(path), 0, 0, "not a baseline: not JSON")) from None
    if not isinstance(document, dict) or document.get("schema") != BASELINE_SCHEMA:
        raise SpecdiffError(Problem(str(path), 0, 0, f"not a baseline: its schema is not {BASELINE_SCHEMA}"))
    rows = document.get("findings", [])
    return frozenset(str(row.get("fingerprint")) for row in rows if isinstance(row, dict))
