"""Counts of audit findings per id, and of verdicts, over modeling files of the installed transformers.

    python benchmarks/audit.py [--every N] [--offset K] [--jobs N] [--output FILE] [--list ID,…]
    python benchmarks/audit.py --table FILE… [--write]     what earlier runs over all files wrote

Error and warning findings must all be real. `benchmarks/tables/audit-real.md` has one line of why for each; a run over all
files (or `--table` with all its parts) fails where a finding has no row or no reason and where a row has no finding. `--write`
renews the table: reasons of rows that stay are kept, and for settings that nothing reads the reason is searched for anew in
the text of the library, by words alone and without anything of the audit.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import checkout  # noqa: F401

from benchmarks.families import digest
from specdiff import api
from specdiff.options import Options
from specdiff.project.targets import transformers_folder
from specdiff.results import ClassResult

LOUD = ("error", "warning")
REAL = Path(__file__).parent / "tables" / "audit-real.md"
HEAD = """# Findings at error or warning level that are real

Every error and warning of `benchmarks/audit.py` over all modeling files of transformers 5.23.0, with one line of why it is real.
`config.unread` rows were searched for by `--write` in the text of the model's folder, of the library around the models and of
the models whose configuration names this one; `build.error` and `shape.*` rows were tried with torch 2.13, which raises the
same; the others were read in the code.

| where | finding | what | why it is real |
|---|---|---|---|
"""
Key = tuple[str, str, str]
"""Finding, file, message; lines may move."""


def row(result: ClassResult) -> str:
    """One class as one line."""
    found = [
        [str(item.severity), item.id, item.primary.file, item.primary.line, item.message] for item in result.findings
    ]
    why = (
        [f"{item.file}:{item.line} {item.reason}" for item in result.undecided] if result.verdict == "undecided" else []
    )
    said = {"class": result.name, "file": result.file, "verdict": result.verdict, "findings": found}
    return json.dumps({**said, "missing": list(result.missing), "undecided": why[:6]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only every Nth file, files in the order of a digest")
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--output", type=Path, help="write one JSON line per class as it is done")
    parser.add_argument("--table", type=Path, nargs="+", help="only count what these files say")
    parser.add_argument(
        "--list", default="", help="print the findings of these ids too; `all` for every error and warning"
    )
    parser.add_argument("--write", action="store_true", help="renew the table of real findings")
    arguments = parser.parse_args()
    if arguments.table:
        rows = [json.loads(line) for path in arguments.table for line in path.open()]
    else:
        folder = transformers_folder() / "models"
        every = sorted(folder.glob("*/modeling_*.py"), key=lambda path: digest(path.name))
        files = every[arguments.offset :: arguments.every]
        rows = []
        options = Options(only=frozenset({"findings"}), jobs=arguments.jobs)
        for line in api.inspect_rows([str(path) for path in files], options, row):
            rows.append(json.loads(line))
            if arguments.output:
                with arguments.output.open("a") as file:
                    file.write(line + "\n")
    show(rows, set(arguments.list.split(",")))
    if arguments.table or (arguments.every == 1 and not arguments.offset):
        sys.exit(compared(rows, write=arguments.write))


def reasons() -> dict[Key, tuple[str, str]]:
    """The table: place and reason of each row."""
    found: dict[Key, tuple[str, str]] = {}
    for line in REAL.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            place, name, what, why = (cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:5])
            found[name, place.strip("`").rpartition(":")[0], what] = (place.strip("`"), why)
    return found


def loud(rows: list[dict[str, Any]]) -> dict[Key, str]:
    """Error and warning findings, each with its place."""
    return {
        (name, file, shortened(message)): f"{file}:{line}"
        for each in rows
        for severity, name, file, line, message in each["findings"]
        if severity in LOUD
    }


def shortened(message: str) -> str:
    """A message without the path of one of the parameters it speaks of, which differs between the classes of a file."""
    return re.sub(r" \([\w.]+\)$", "", message).strip()


def compared(rows: list[dict[str, Any]], *, write: bool) -> int:
    """Findings against the table; the exit code."""
    found, known = loud(rows), reasons()
    if write:
        lines = []
        for (name, file, what), place in sorted(found.items(), key=lambda item: (item[1].rpartition(":")[0], item[0])):
            why = known.get((name, file, what), ("", ""))[1]
            if name == "config.unread":
                why = searched(what) or ("" if why.startswith(SEARCHED) else why)
            cells = [cell.replace("|", "\\|") for cell in (what, why)]
            lines.append(f"| `{place}` | {name} | {cells[0]} | {cells[1]} |")
        REAL.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
        known = reasons()
    new = [f"{found[key]} {key[0]} {key[2]}" for key in found if not known.get(key, ("", ""))[1]]
    gone = [f"{known[key][0]} {key[0]} {key[2]}" for key in known if key not in found]
    for line in new:
        print(f"without a reason: {line}")
    for line in gone:
        print(f"a row without a finding: {line}")
    print(
        f"\n{len(found)} findings at error or warning level, {len(found) - len(new)} of them with a reason in {REAL.name}"
    )
    return 1 if new or gone else 0


SEARCHED = "searched: "


def searched(what: str) -> str:
    """What a search for a setting's name says: where else the text has it; empty where a reader may be among the places."""
    match = re.fullmatch(r"nothing reads the setting (\w+) of (\w+)", what)
    if match is None:
        return ""
    name, owner = match.groups()
    package = transformers_folder()
    texts = library_texts(package)
    home = next(
        path.parent
        for path, text in texts.items()
        if re.search(rf"^class {owner}\b", text, re.MULTILINE) and path.name.startswith("configuration")
    )
    kind = (
        re.search(
            rf"^class {owner}\b.*?^    model_type\s*=\s*[\"']([\w-]+)",
            texts[home / f"configuration_{home.name}.py"],
            re.MULTILINE | re.DOTALL,
        )
        if home / f"configuration_{home.name}.py" in texts
        else None
    )
    marks = [rf"\b{owner}\b", *([rf"[\"']{re.escape(kind[1])}[\"']"] if kind else [])]
    folders = {home} | {
        path.parent for path, text in texts.items()
        if path.name.startswith("configuration_") and path.parent.parent.name == "models" and path.parent.name != "auto" and any(re.search(mark, text) for mark in marks)
    }  # fmt: skip
    read = re.compile(rf"(?:\.\s*{name}\b(?!\s*=(?!=))|[\"']{name}[\"'])")
    hits = [
        f"{path.relative_to(package)}:{text.count(chr(10), 0, hit.start()) + 1}"
        for path, text in texts.items()
        if (path.parent in folders or "models" not in path.relative_to(package).parts)
        and not path.name.startswith(("configuration_", "modular_", "convert_", "__init__"))
        for hit in read.finditer(without_notes(text))
    ]
    around = f"{len(folders)} model folder{'s' * (len(folders) > 1)} and the library around the models"
    return f"{SEARCHED}no line of {around} reads the name" if not hits else ""


def without_notes(text: str) -> str:
    """Text without comments and long strings, lines kept."""
    text = re.sub(r"(?s)\"{3}.*?\"{3}", lambda found: "\n" * found[0].count("\n"), text)
    return re.sub(r"#[^\n]*", "", text)


@lru_cache
def library_texts(package: Path) -> dict[Path, str]:
    """All Python files of the library."""
    return {path: path.read_text(encoding="utf-8", errors="replace") for path in sorted(package.rglob("*.py"))}


def show(rows: list[dict[str, Any]], wanted: set[str]) -> None:
    verdicts = Counter(each["verdict"] for each in rows)
    unique = {tuple(item[1:]): item[0] for each in rows for item in each["findings"]}
    counts = Counter((severity, item[0]) for item, severity in unique.items())
    files = {each["file"] for each in rows}
    said = ", ".join(f"{n} {v}" for v, n in verdicts.most_common())
    print(f"{len(files)} files, {len(rows)} classes: {said}\n")
    print("| severity | finding | places |\n|---|---|---|")
    for (severity, name), count in sorted(counts.items()):
        print(f"| {severity} | {name} | {count} |")
    for (name, file, line, message), severity in sorted(unique.items()):
        if name in wanted or ("all" in wanted and severity in LOUD):
            print(f"{severity} {name} {file}:{line} {message}")
    if "undecided" in wanted:
        for each in rows:
            if each["verdict"] == "undecided":
                print(f"undecided {each['file']} {each['class']}: {'; '.join(each['undecided'][:2])}")


if __name__ == "__main__":
    main()
