"""A change's review for machines."""

from __future__ import annotations

import json

from specdiff.facts import Evidence
from specdiff.report import fits, wording
from specdiff.report.json_v1 import plain
from specdiff.review.model import Review, Standing

SCHEMA = "specdiff/review/1"


def document(result: Review) -> str:
    """The whole review as JSON text."""
    return json.dumps(_document(result), indent=1, ensure_ascii=False) + "\n"


def _document(result: Review) -> dict[str, object]:
    def steps(evidence: tuple[Evidence, ...]) -> list[dict[str, object]]:
        return [{"file": s.file, "line": s.line, "end_line": s.end_line, "what": s.what} for s in evidence]

    return {
        "schema": SCHEMA,
        "base": result.base,
        "head": result.head,
        "files": list(result.files),
        "fails": result.fails,
        "classes": [
            {
                "class": each.name,
                "file": each.file,
                "standing": str(each.standing),
                "through": each.why,
                "failed": each.failed,
                "facts": [
                    {"key": c.key, "kind": c.kind, "before": plain(c.before), "after": plain(c.after), "reason": c.reason,
                     "before_evidence": steps(c.before_evidence), "after_evidence": steps(c.after_evidence)}
                    for c in each.facts
                ],
                "parameters": [
                    {"name": p.name, "kind": p.kind, "before": None if p.before is None else list(p.before),
                     "after": None if p.after is None else list(p.after)}
                    for p in each.parameters
                ],
                "findings": [
                    {"id": f.id, "severity": str(f.severity), "message": f.message, "primary": steps((f.primary,))[0]}
                    for f in each.findings
                ],
                "resolved": [f.id for f in each.resolved],
                "operations": [
                    {"part": o.part, "before": list(o.before), "after": list(o.after), "reads": o.reads,
                     "before_evidence": steps(o.before_evidence), "after_evidence": steps(o.after_evidence)}
                    for o in each.operations
                ],
                "compared": each.compared,
                "proven": each.proven,
                "was": each.was,
                "reached": each.reached,
                "unreached": [
                    {"place": steps((g.place,))[0], "settings": list(g.settings), "configurations": g.configurations,
                     "values": [list(map(plain, values)) for values in g.values]}
                    for g in each.gates
                ],
                "added": {key: {"value": plain(fact.value), "level": str(fact.level), "evidence": steps(fact.evidence)}
                          for key, fact in sorted(each.after.sheet.facts.items())}
                if each.standing is Standing.ADDED and each.after is not None else {},
            }
            for each in result.classes
        ],
        "checks": [{"name": c.name, "verdict": str(c.verdict), "summary": wording.summary(c)} for c in result.checks],
        "problems": list(result.problems),
        "edits": steps(result.edits),
        "closest": [
            {"file": c.file, "models": [{"file": name, "share": round(share, 4)} for name, share in c.models],
             "same": [{"class": own, "as": other} for own, other in c.same], "differences": list(c.differences),
             "apart": [{"class": own, "nearest": other, "differs": words} for own, other, words in c.apart]}
            for c in result.closest
        ],
        "notes": list(result.notes),
        "behind": list(result.behind),
        "unread": list(result.unread),
        "checkpoints": [fits.document(each) for each in result.fits],
    }  # fmt: skip
