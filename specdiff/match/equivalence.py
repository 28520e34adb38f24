"""Different words for the same numbers: pairs of facts that satisfy a claim worded otherwise."""

from __future__ import annotations

from collections.abc import Mapping

from specdiff import vocab
from specdiff.facts import FactSheet, Value
from specdiff.match.judge import Judgement
from specdiff.spec.model import Claim, Exactly

_SOFTMAX_ORDERS = {"softmax_then_topk", "topk_then_softmax"}
_BROAD = {"score_then_topk": "softmax_then_topk", "topk_then_score": "topk_then_softmax"}
"""A claim that leaves the score open, read as softmax where the code's score is one."""

_POSITION_SHOWN = {
    "learned": "position.table_size",
    "conv": "position.conv_kernel",
    "relative_bias": "relative_bias.per_layer",
}
"""Keys that only a model with this kind of position has a fact for."""

_SAME = "softmax over all experts, renormalised over the chosen, equals softmax over the chosen"


def also_holds(
    claim: Claim, claimed: Mapping[str, Claim], value: Value, judgement: Judgement, sheet: FactSheet
) -> Judgement:
    """The judgement again, or a better one where other facts or claims make the words mean the same.

    Args:
        claim: The claim that its own fact does not satisfy.
        claimed: All claims of the spec, by key.
        value: The fact's value.
        judgement: What plain comparison says.
        sheet: All facts.
    """
    name = vocab.split_tower(claim.key)[1]
    if name == "moe.router.order":
        return _router_order(claim, claimed, value, judgement, sheet)
    if name == "position":
        return _another_position(claim, judgement, sheet)
    return judgement


def _another_position(claim: Claim, judgement: Judgement, sheet: FactSheet) -> Judgement:
    """A model may know positions in two ways (a table at the input, and a bias by distance): each may be claimed."""
    tower = vocab.split_tower(claim.key)[0]
    shown = _POSITION_SHOWN.get(str(claim.expectation.value)) if isinstance(claim.expectation, Exactly) else None
    fact = sheet.facts.get(f"{tower}.{shown}" if tower else shown) if shown is not None else None
    if fact is None:
        return judgement
    return Judgement(True, judgement.expected, f"beside what {claim.key} says, the code has {fact.key} {fact.value}")


def _router_order(
    claim: Claim, claimed: Mapping[str, Claim], value: Value, judgement: Judgement, sheet: FactSheet
) -> Judgement:
    """Softmax over all experts, renormalised over the chosen, is softmax over the chosen.

    exp(x_i)/Z for the chosen, divided by their sum: Z cancels (Mixtral, arXiv:2401.04088, section 2.1, writes
    Softmax(TopK(x)); implementations do either). The chosen experts are the same, since softmax is monotone.
    """
    if not isinstance(claim.expectation, Exactly):
        return judgement
    wanted = _BROAD.get(str(claim.expectation.value), claim.expectation.value)
    if {wanted, value} != _SOFTMAX_ORDERS:
        return judgement
    tower = vocab.split_tower(claim.key)[0]
    normalise = f"{tower}.moe.router.normalise" if tower else "moe.router.normalise"
    if value == "topk_then_softmax":
        # The claimed words mean the same only if the source renormalises too.
        other = claimed.get(normalise)
        renormalised = other is not None and isinstance(other.expectation, Exactly) and other.expectation.value is True
        return Judgement(True, judgement.expected, _SAME) if renormalised else judgement
    fact = sheet.facts.get(normalise)
    if fact is not None:
        return Judgement(True, judgement.expected, _SAME) if fact.value is True else judgement
    if normalise in sheet.absences:
        return judgement
    reason = "the code has softmax_then_topk, and whether it renormalises over the chosen is not known"
    return Judgement(None, judgement.expected, reason)
