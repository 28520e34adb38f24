"""Every operation as one fact, for drafts: what no other key names shows here when it changes."""

from __future__ import annotations

from hashlib import blake2b

from specdiff.cache import analysis_version
from specdiff.detect.scene import Scene
from specdiff.facts import Evidence
from specdiff.graph.canonical import Step, canonical, listed

_MOST_STEPS = 6_000
"""Steps that are written out; where there are more, each part becomes one step."""


def operations(scene: Scene) -> None:
    """`computation.operations`."""
    key = "computation.operations"
    if scene.operations is None:
        scene.unsure(key, scene.why_not or "forward was not followed")
        return
    found = listed(canonical(scene.operations, scene.lost))
    whole = sum(len(item.part.steps) for item in found) <= _MOST_STEPS
    value = [f"analysis: {analysis_version()}"]
    evidence: list[Evidence] = []
    for item in found:
        steps = [_written(step) for step in item.part.steps] if whole else [_summary(item.part.steps)]
        value.append(f"{item.label}: {' | '.join(steps)}")
        evidence.extend(
            Evidence(step.file, step.line, step.line, text) for step, text in zip(item.part.steps, steps, strict=False)
        )
    scene.fact(key, tuple(value), evidence)


def _written(step: Step) -> str:
    return f"{step.text.replace('|', '/').replace('#', '')}#{step.digest}"


def _summary(steps: tuple[Step, ...]) -> str:

    whole = blake2b("".join(sorted(step.digest for step in steps)).encode(), digest_size=5).hexdigest()
    return f"{len(steps)} operations#{whole}"
