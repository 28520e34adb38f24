"""An architecture in a few words: what a reader wants to know first of a model that is new to them."""

from __future__ import annotations

from collections.abc import Iterator

from specdiff import vocab
from specdiff.facts import FactSheet, Value
from specdiff.report import wording

_MECHANISMS = {
    "attention.qk_norm": "norms on queries and keys", "attention.sinks": "sinks", "attention.output_gate": "an output gate",
    "attention.softcap": "a soft cap on scores", "logits.softcap": "a soft cap on logits",
}  # fmt: skip


def brief(sheet: FactSheet) -> Iterator[tuple[str, str]]:
    """(tower, one line) of each tower that has layers; the main one has no name.

    `32 layers of width 4,096: 32 heads of 128 (8 of keys and values), rope of base 10,000; gated silu MLP of 14,336; rms norm`
    """
    towers = dict.fromkeys(["", *(vocab.split_tower(key)[0] for key in sorted(sheet.facts))])
    for tower in towers:
        known = {
            vocab.split_tower(key)[1]: fact.value
            for key, fact in sheet.facts.items()
            if vocab.split_tower(key)[0] == tower
        }
        if "layers" not in known:
            continue  # what has no layers is no tower to describe: a configuration's part, a class alone
        parts = [part for part in (_stack(known), *_attention(known), *_feed_forward(known), _norm(known)) if part]
        if len(parts) > 1:
            yield tower, f"{parts[0]}: {'; '.join(parts[1:])}"


def _stack(known: dict[str, Value]) -> str:
    width = f" of width {_said(known, 'hidden_size')}" if known.get("hidden_size") else ""
    pattern = known.get("layers.pattern")
    kinds = f" ({wording.value(pattern)})" if isinstance(pattern, tuple) and len(set(pattern)) > 1 else ""
    return f"{_said(known, 'layers')} layers{width}{kinds}"


def _attention(known: dict[str, Value]) -> Iterator[str]:
    heads, shared = known.get("attention.heads"), known.get("attention.kv_heads")
    if heads:
        words = f"{_said(known, 'attention.heads')} heads"
        words += f" of {_said(known, 'attention.head_dim')}" if known.get("attention.head_dim") else ""
        words += f", {_said(known, 'attention.kv_heads')} of keys and values" if shared not in (None, heads) else ""
        kind = known.get("attention.kind")
        yield words + (f" ({kind})" if kind not in (None, "mha", "gqa", "mqa") else "")
    if known.get("attention.window.size"):
        yield f"a window of {_said(known, 'attention.window.size')}"
    for key, what in _MECHANISMS.items():
        if known.get(key) not in (None, False, "none"):
            yield what
    position = known.get("position")
    if position:
        base = f" of base {_said(known, 'rope.theta')}" if position == "rope" and known.get("rope.theta") else ""
        yield ("no positions" if position == "none" else f"{position} positions") + base
    for key, what in (("ssm.kind", "state space"), ("linear_attention.kind", "linear attention")):
        if known.get(key) not in (None, "none"):
            yield f"{what} {_said(known, key)}"


def _feed_forward(known: dict[str, Value]) -> Iterator[str]:
    experts = known.get("moe.experts")
    if experts:
        words = f"{_said(known, 'moe.experts')} experts"
        words += f", {_said(known, 'moe.experts_per_token')} a token" if known.get("moe.experts_per_token") else ""
        yield words + (f", {_said(known, 'moe.shared_experts')} shared" if known.get("moe.shared_experts") else "")
    if known.get("mlp.kind") or known.get("mlp.size"):
        words = " ".join(str(known[key]) for key in ("mlp.kind", "mlp.activation") if known.get(key))
        yield f"{words} MLP".strip() + (f" of {_said(known, 'mlp.size')}" if known.get("mlp.size") else "")


def _norm(known: dict[str, Value]) -> str:
    kind = known.get("norm.kind")
    if kind in (None, "none"):
        return ""
    return f"{kind} norm" + (f" ({known['norm.placement']})" if known.get("norm.placement") else "")


def _said(known: dict[str, Value], key: str) -> str:
    return wording.value(known[key], key)
