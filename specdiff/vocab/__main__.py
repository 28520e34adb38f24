"""`python -m specdiff.vocab [--write]`: compare the generated pages with the tables, or write them anew."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from specdiff.vocab.pages import reference, schema

_DOCS = Path(__file__).resolve().parents[2] / "docs"


def main() -> int:
    """Returns 0 where the pages in `docs/` are up to date (or were written), 1 where they have drifted."""
    parser = argparse.ArgumentParser(prog="python -m specdiff.vocab", description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/vocabulary.md and docs/spec.schema.json")
    write = parser.parse_args().write
    drifted = 0
    for path, text in ((_DOCS / "vocabulary.md", reference()), (_DOCS / "spec.schema.json", schema())):
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if write:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        else:
            print(f"{path.name} has drifted: run python -m specdiff.vocab --write", file=sys.stderr)
            drifted = 1
    return drifted


if __name__ == "__main__":
    sys.exit(main())
