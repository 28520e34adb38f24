"""Keys about the whole computation: what a draft pins down beside the named facts, and no source says in words."""

from __future__ import annotations

from specdiff.vocab.entries import BUILT, USED, group, listing
from specdiff.vocab.model import ValueType

_HERE = "a draft of this tool; no paper writes it down"

COMPUTATION = group(
    "computation",
    "Computation",
    "What `specdiff draft` writes so that any change of the computation shows, also one that no other key is about. Neither "
    "stands in a spec written from a paper, and neither is listed among extra facts.",
    listing(
        "computation.operations",
        ValueType.PARTS,
        "Every operation between the inputs and the outputs, layer by layer, each with a digest of its settings and of what "
        "it reads; names, comments and the order of independent lines do not count; dropout and where gradients end do.",
        _HERE,
        level=USED,
    ),
    listing(
        "computation.settings",
        ValueType.PARTS,
        "Which settings of the configuration reach which part of the model, by attribute that the constructor makes, the "
        "plain values that built modules keep, the numbers that parameters start with, and the settings' own values and names.",
        _HERE,
        level=BUILT,
    ),
    listing(
        "computation.dormant",
        ValueType.PARTS,
        "What the configuration leaves out of the code that the model brings along, function by function: the other side of "
        "each condition, factors that are one, functions that nothing calls or that make plain numbers, each with a digest of how it is written; local "
        "names, comments and messages do not count.",
        _HERE,
        level=BUILT,
    ),
)
