"""What right specs load as: expectation forms, levels, `extends`, variants, configurations."""

from __future__ import annotations

from pathlib import Path

import pytest

from specdiff.errors import SpecError
from specdiff.facts import Level
from specdiff.results import SourceDocument, SourceRef
from specdiff.spec.load import load_spec, load_specs
from specdiff.spec.model import Absent, Claim, Computed, Exactly, OneOf, Pattern, Spec, Tolerance

CASES = Path(__file__).parents[2] / "cases" / "spec"
SPECS = Path(__file__).parents[3] / "specs"


@pytest.fixture(autouse=True)
def _beside_the_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)


def by_key(spec: Spec) -> dict[str, Claim]:
    return {claim.key: claim for claim in spec.claims}


def test_base() -> None:
    spec = load_spec("right/base.yaml")
    assert (spec.path, spec.name, spec.target) == ("right/base.yaml", "toy", "toy::ToyForCausalLM")
    assert spec.config == {"num_hidden_layers": 2, "nested": {"list": [1, 2.5, None, True]}}
    assert spec.config_source == SourceRef("paper", "appendix", "")
    claims = by_key(spec)
    assert list(claims) == ["layers", "moe.experts", "norm.kind", "layers.pattern"]
    layers = claims["layers"]
    assert (layers.expectation, layers.level, layers.line) == (Exactly(2), Level.USED, 9)
    assert layers.source == SourceRef("paper", "table 1", "q")
    assert claims["norm.kind"].expectation == Exactly("rms")
    assert claims["norm.kind"].note == "a note"
    assert claims["layers.pattern"].expectation == Pattern(("sliding", "full"), repeat=True)
    (weights,) = spec.release
    assert (weights.name, weights.value, weights.license) == ("weights", True, "apache-2.0")


def test_short_forms() -> None:
    """Figures with their rounding, true and false where there are choices, every other layer, a source in one piece."""
    claims = by_key(load_spec("right/short.yaml"))
    found = {key: claim.expectation for key, claim in claims.items()}
    others = found.pop("embedding.norm")
    assert isinstance(others, OneOf) and "none" not in others.values and "rms" in others.values
    assert found == {
        "parameters.total": Exactly(117_000_000_000, Tolerance(0.5e9, relative=False)),
        "parameters.active": Exactly(5_100_000_000, Tolerance(0.02, relative=True)),
        "attention.qk_norm": Exactly("none"),
        "attention.window.layers": Pattern((True, False), repeat=True),
        "rope.layers": Pattern((False, True), repeat=True),
        "mlp.activation": Exactly("silu"),
        "attention.sinks": Exactly("learned_logit"),
    }
    assert claims["attention.sinks"].source == SourceRef("paper", "table 2", "sinks")


def test_a_bare_value_is_a_claim_without_a_source(tmp_path: Path) -> None:
    spec = tmp_path / "bare.yaml"
    spec.write_text(
        "specdiff: 1\nname: toy\ntarget: llama\nsources: {}\n"
        "claims: {layers: 36, attention.softcap: absent, layers.pattern: [full], moe.layers: 3-5}\n",
        encoding="utf-8",
    )
    with pytest.raises(SpecError, match=r"bare\.yaml:5:18: layers: the source is still TODO"):
        load_spec(spec)
    claims = by_key(load_spec(spec, allow_todo=True))
    assert {key: claim.expectation for key, claim in claims.items()} == {
        "layers": Exactly(36),
        "attention.softcap": Absent(),
        "layers.pattern": Pattern(("full",), repeat=False),
        "moe.layers": Exactly((3, 4, 5)),
    }
    assert {claim.source.id for claim in claims.values()} == {"TODO"}


def test_every_form() -> None:
    claims = by_key(load_spec("right/forms.yaml"))
    found = {key: claim.expectation for key, claim in claims.items()}
    computed = found.pop("attention.head_dim")
    assert isinstance(computed, Computed) and computed.formula.keys == ("hidden_size", "attention.heads")
    assert found == {
        "parameters.total": Exactly(116_830_000_000, Tolerance(0.001, relative=True)),
        "rope.theta": Exactly(5e5, Tolerance(2, relative=False)),
        "mlp.activation": OneOf(("silu", "gelu_tanh")),
        "attention.softcap": Absent(),
        "mlp.pattern": Pattern(("dense", "dense", "dense", "moe", "moe", "dense"), repeat=False),
        "moe.layers": Exactly((3, 4, 5)),
        "rope.layers": Exactly((0, 2, 5, 6, 7)),
        "attention.window.layers": Pattern((True, False), repeat=True),
        "attention.qk_norm.layers": Pattern((True,), repeat=True),
        "rope.sections": Exactly((16, 24, 24)),
        "quantization.excluded": Exactly(("lm_head", "model.*.router")),
        "vision.hidden_size": Exactly(12),
    }
    assert claims["rope.theta"].level is Level.DECLARED
    deviation = claims["vision.hidden_size"].known_deviation
    assert deviation is not None and deviation.reason == "padded"


def test_extends() -> None:
    spec = load_spec("right/child.yaml")
    claims = by_key(spec)
    assert (spec.name, spec.target) == ("child", "toy::ToyForCausalLM")
    assert sorted(claims) == ["layers", "layers.pattern", "norm.eps", "norm.kind"]
    assert claims["layers"].source == SourceRef("card", "2.3", "1e-5")
    assert (claims["layers"].file, claims["norm.kind"].file) == ("right/child.yaml", "right/base.yaml")
    assert claims["norm.eps"].expectation == Exactly(1e-5)
    assert spec.documents == (
        SourceDocument("paper", "A toy", "https://example.org/toy"),
        SourceDocument("card", "Card", "https://example.org/card"),
    )
    assert spec.config is not None and spec.release


def test_variants() -> None:
    small, huge = load_specs(["right/family.yaml"])
    assert (small.path, small.name, small.target) == ("right/family.yaml::toy-small", "toy-small", "toy::Small")
    assert (huge.name, huge.target, huge.config) == ("toy-huge", "toy::ToyForCausalLM", {"hidden_size": 64})
    assert sorted(by_key(small)) == ["hidden_size", "layers", "vocab_size"]
    assert {key: claim.expectation for key, claim in by_key(huge).items()} == {"layers": Exactly(9)}
    assert load_spec("right/family.yaml::toy-huge") == huge
    with pytest.raises(SpecError, match=r"holds several models; pick one with ::NAME \(toy-small, toy-huge\)"):
        load_spec("right/family.yaml")
    with pytest.raises(SpecError, match="has no variant toy-hug; did you mean toy-huge"):
        load_spec("right/family.yaml::toy-hug")


def test_a_draft_may_say_todo() -> None:
    (claim,) = load_spec("wrong/source_todo.yaml", allow_todo=True).claims
    assert claim.source == SourceRef("TODO", "", "")


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_library_loads(path: Path) -> None:
    for spec in load_specs([path]):
        assert spec.claims and spec.target and spec.config
