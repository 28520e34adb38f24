"""Further runs of ``forward`` with other inputs, and what of the facts they leave standing."""

from __future__ import annotations

from specdiff.detect import detect
from specdiff.detect.longer import with_longer_prompt, with_other_numbers, without_longer_prompt
from specdiff.detect.scene import Scene
from specdiff.facts import Evidence, FactSheet
from specdiff.graph.operations import Operations
from specdiff.project.build import Built
from specdiff.project.forward import Forwarded, longer, renumbered
from specdiff.project.modules import Program


def with_prompt_beyond(program: Program, built: Built, ran: Forwarded, scene: Scene, sheet: FactSheet) -> FactSheet:
    """The sheet with what shows only in a prompt that is longer than what the code compares its length with."""
    context = sheet.facts.get("context_length")
    again = longer(
        program, built, ran, context.value if context is not None and isinstance(context.value, int) else None
    )
    if again is None:
        return sheet
    number = again.length[0] - 1
    place = ran.limits[number]
    words = f"the prompt's length is compared with {number}"
    limit = Evidence(place.file, place.line, place.line, words)
    if again.failure is not None or again.trace is None:
        return without_longer_prompt(sheet, again.failure.message if again.failure is not None else "", limit)
    found = detect(scene.of_longer(Operations(again.trace.ops, again.nodes, again.trace.constants), again.length))
    return with_longer_prompt(sheet, found, limit)


def without_examples(program: Program, built: Built, ran: Forwarded, scene: Scene, sheet: FactSheet) -> FactSheet:
    """The sheet without what only the example of a number shows that the entry takes."""
    found = renumbered(program, built, ran)
    if found is None:
        return sheet
    again, names = found
    if again.trace is None:
        return sheet
    other = detect(scene.of_other_numbers(Operations(again.trace.ops, again.nodes, again.trace.constants)))
    file, line = scene.here
    return with_other_numbers(sheet, other, names, Evidence(file, line, line, "the class"))
