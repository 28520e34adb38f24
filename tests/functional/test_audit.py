"""`specdiff audit` as a user runs it: each finding where it belongs, and the verdicts of skeletons and of whole models."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml

from specdiff.audit import RULES
from specdiff.cli import main

CASES = Path(__file__).parent.parent / "cases" / "audit"
_EXPECTED = re.compile(r"((?:# (?:present|absent): [\w.]+\n)+)class (\w+)")


def audited(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["audit", *arguments, "--format", "json", "--jobs", "1"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, document


def expectations() -> list[tuple[str, str, str]]:
    text = (CASES / "findings" / "plain.py").read_text()
    rows = []
    for marks, name in _EXPECTED.findall(text):
        rows += [(name, kind, rule) for kind, rule in re.findall(r"# (present|absent): ([\w.]+)", marks)]
    return rows


def test_findings_stand_where_they_belong(capsys: pytest.CaptureFixture[str]) -> None:
    rows = expectations()
    names = list(dict.fromkeys(name for name, _, _ in rows))
    classes = [argument for name in names for argument in ("--class", name)]
    _, document = audited(capsys, str(CASES / "findings" / "plain.py"), *classes)
    (report,) = document["files"].values()
    # A suppression comment belongs to the file, not to a class.
    found = {(name, item["id"]) for item in report["findings"] for name in item["classes"] or names}
    wrong = [(name, kind, rule) for name, kind, rule in rows if ((name, rule) in found) != (kind == "present")]
    assert wrong == []


def test_every_expected_id_is_in_the_table() -> None:
    # What does not fit in shape is told by the run itself, not by an audit.
    assert {rule for _, _, rule in expectations() if not rule.startswith("shape.")} <= set(RULES)
    assert all(rule.why and rule.check and rule.title.endswith(".") for rule in RULES.values())


@pytest.mark.parametrize(
    ("folder", "name", "verdict", "lacks"),
    [
        ("generated", "PaperFormerModel", "skeleton", ["PaperFormerSparseAttention.forward", "PaperFormerRouter.forward", "q_proj"]),
        ("leftover", "NewModelModel", "partial", ["gate of NewModelMixer"]),
        ("hollow", "HollowModel", "skeleton", ["no output of HollowModel depends"]),
        ("whole", "WholeModelModel", "complete", []),
        ("mocked", "VisionaryForImageClassification", "skeleton", ["no output of VisionaryForImageClassification depends"]),
        ("simplified", "MixturoidLM", "skeleton", ["router of MoE"]),
        ("ported", "NewSsmForCausalLM", "skeleton", ["selective_scan only raises NotImplementedError"]),
        ("ported", "NewSsmPreTrainedModel", "complete", []),
        ("zeros", "LongRangeModel", "skeleton", ["RelativePosition.forward", "query of LandmarkAttention", "table of RelativePosition"]),
        ("templated", "BrandNewModel", "partial", ["BrandNewSlidingAttention"]),
        ("functional", "Terse", "complete", []),
        ("routerhf", "PolyMoeModel", "partial", ["router of PolyMoeSparseBlock"]),
        ("routerhf", "PolyMoeForCausalLM", "partial", ["router of PolyMoeSparseBlock"]),
        ("visionhf", "LookoutForConditionalGeneration", "skeleton", ["vision_encoder of", "projector of"]),
        ("encdec", "SeqPairModel", "partial", ["encoder of SeqPairModel"]),
        ("ssmgen", "FlowStateLM", "partial", ["A_log of FlowStateMixer", "x_proj of FlowStateMixer", "dt_proj of FlowStateMixer"]),
        ("audiogen", "EarwigForCTC", "skeleton", ["FeatureExtractor.forward", "no output of EarwigForCTC"]),
        ("mtp", "Foresight", "partial", ["goes through self.future_heads"]),
        ("conditional", "GuardedModel", "skeleton", ["only in a branch that never runs"]),
        ("kvnever", "CachedLM", "partial", ["cache_k of Attention is neither read nor written"]),
        ("addnew", "BrandLikeModel", "complete", []),
        ("addnew", "BrandLikePreTrainedModel", "complete", []),
        ("addnew", "BrandLikeForSequenceClassification", "skeleton", ["has a name and nothing else"]),
        ("abstract", "NSAModel", "partial", ["select of SparseAttention", "window of SparseAttention"]),
        ("abstract", "BaseAttention", "complete", []),
        ("randproj", "RetrievalModel", "partial", ["retriever of RetrievalModel"]),
        ("lossonly", "ContrastiveModel", "partial", ["logit_scale of ContrastiveModel"]),
        ("simplessm", "MambaLM", "partial", ["A_log of MambaMixer", "x_proj of MambaMixer", "dt_proj of MambaMixer"]),
        ("diffstub", "UNet", "partial", ["time of UNet", "temb of ResBlock", "mid_attn of UNet"]),
        ("specdec", "MoD", "partial", ["router of MoDBlock"]),
        ("confignouse", "Tiny", "partial", ["11 of the 13 settings of Cfg"]),
        ("vlm", "VLM", "partial", ["blocks of VisionTower"]),
        ("generateonly", "GPTMini", "skeleton", ["pos of GPTMini", "2 of 3 elements of blocks"]),
        ("todo", "Titans", "partial", ["NeuralMemory.update"]),
        ("nanogpt", "GPT", "complete", []),
        ("einsumexperts", "StackedMoE", "complete", []),
        ("lstm2seq", "Translator", "complete", []),
        ("vae", "VAE", "complete", []),
        ("paramdict", "Bank", "complete", []),
        ("bases", "TextClassifier", "complete", []),
        ("bases", "ImageClassifier", "complete", []),
        ("tower", "Reader", "complete", []),
    ],
)  # fmt: skip
def test_skeletons(folder: str, name: str, verdict: str, lacks: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, document = audited(capsys, str(CASES / "skeletons" / folder))
    (report,) = document["files"].values()
    result = report["classes"][name]
    assert result["verdict"] == verdict, result
    assert [words for words in lacks if not any(words in item for item in result["missing"])] == []
    assert bool(result["missing"]) == (verdict != "complete")
    lacking = any(each["missing"] for each in report["classes"].values())
    assert code == (1 if lacking else 0)


def variants(folder: Path) -> list[dict[str, Any]]:
    """The frame's variants, each written as a file: bodies of ``forward`` by class, and small edits."""
    frame = (CASES / "variants" / "frame.py").read_text()
    rows: list[dict[str, Any]] = yaml.safe_load((CASES / "variants" / "variants.yaml").read_text())
    for row in rows:
        text = frame
        for name, body in row.get("forward", {}).items():
            pattern = rf"(class {name}\(.*?    def forward\([^\n]*\n)(?:(?:        [^\n]*)?\n)+?(?=\n\nclass |\Z)"
            text, count = re.subn(
                pattern, lambda found: found[1] + indent(body, " " * 8), text, count=1, flags=re.DOTALL
            )
            assert count == 1, row["name"]
        for old, new in row.get("edits", ()):
            assert text.count(old) == 1, row["name"]
            text = text.replace(old, new)
        (folder / f"modeling_{row['name'].replace(' ', '_')}.py").write_text(text)
    return rows


def test_variants_of_a_whole_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = audited(capsys, str(CASES / "variants" / "frame.py"))
    assert code == 0 and [each["verdict"] for each in document["files"].values()] == ["complete"]
    rows = variants(tmp_path)
    _, document = audited(capsys, str(tmp_path))
    wrong = []
    for row in rows:
        report = document["files"][f"modeling_{row['name'].replace(' ', '_')}.py"]
        (result,) = report["classes"].values()
        lacking = [words for words in row["lacks"] if not any(words in item for item in result["missing"])]
        if result["verdict"] != row["verdict"] or lacking:
            wrong.append((row["name"], result["verdict"], lacking, result["missing"]))
    assert wrong == []


@pytest.mark.parametrize("folder", ["plain", "alias", "kernels"])
def test_what_remote_code_reaches(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    expected = {
        (path.name, number, rule)
        for path in (CASES / "remote" / folder).glob("*.py")
        for number, line in enumerate(path.read_text().split("\n"), 1)
        for rule in line.partition("# reaches: ")[2].split()
    }
    _, document = audited(capsys, str(CASES / "remote" / folder))
    found = {
        (item["file"], item["line"], item["id"])
        for report in document["files"].values()
        for item in ({**each, **each.get("primary", {})} for each in report["findings"])
        if item["id"].startswith("source.")
    }
    assert sorted(found ^ expected) == []


def test_a_baseline_leaves_known_findings_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, baseline = str(CASES / "skeletons" / "leftover"), tmp_path / "known.json"
    code, before = audited(capsys, target, "--write-baseline", str(baseline))
    assert code == 1
    code, after = audited(capsys, target, "--baseline", str(baseline))
    (report,) = after["files"].values()
    assert code == 0 and report["findings"] == []
    assert next(iter(before["files"].values()))["findings"]


def test_a_project_sets_severities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.specdiff.audit]\n"parameter.unread" = "note"\n"init" = "off"\n')
    _, document = audited(capsys, str(CASES / "skeletons" / "leftover"))
    (report,) = document["files"].values()
    assert {item["severity"] for item in report["findings"] if item["id"] == "parameter.unread"} == {"note"}
    (tmp_path / "pyproject.toml").write_text('[tool.specdiff.audit]\n"no.such" = "note"\n"init.missing" = "loud"\n')
    assert main(["audit", str(CASES / "skeletons" / "leftover")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize(
    ("read", "unread"), [("self.inner.dropped", False), ("self.dropped", True), ("self.inner.width", True)]
)
def test_a_setting_is_read_by_a_configuration_that_takes_its_own_as_a_part(
    read: str, unread: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "configuration_inner.py").write_text(f"""
from transformers.configuration_utils import PreTrainedConfig


class InnerConfig(PreTrainedConfig):
    def __init__(self, width=4, dropped=False, **kwargs):
        self.width = width
        self.dropped = dropped
        super().__init__(**kwargs)


class OuterConfig(PreTrainedConfig):
    def __init__(self, inner=None, **kwargs):
        self.inner = InnerConfig() if inner is None else inner
        if {read}:
            raise ValueError("not supported")
        super().__init__(**kwargs)
""")
    (tmp_path / "modeling_inner.py").write_text("""
from torch import nn
from transformers.modeling_utils import PreTrainedModel

from .configuration_inner import InnerConfig


class InnerModel(PreTrainedModel):
    def __init__(self, config: InnerConfig):
        super().__init__(config)
        self.table = nn.Embedding(8, config.width)

    def forward(self, input_ids):
        return self.table(input_ids)
""")
    _, document = audited(capsys, str(tmp_path / "modeling_inner.py"))
    (report,) = document["files"].values()
    assert [item["id"] for item in report["findings"] if "dropped" in item["message"]] == ["config.unread"] * unread


@pytest.mark.parametrize(("read", "undefined"), [("config.kernel", False), ("config.kernels", True)])
def test_a_part_may_be_built_with_a_configuration_of_its_own(
    read: str, undefined: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "configuration_part.py").write_text("""
from transformers.configuration_utils import PreTrainedConfig


class PartConfig(PreTrainedConfig):
    def __init__(self, kernel=4, **kwargs):
        self.kernel = kernel
        super().__init__(**kwargs)
""")
    (tmp_path / "configuration_whole.py").write_text("""
from transformers.configuration_utils import PreTrainedConfig


class WholeConfig(PreTrainedConfig):
    def __init__(self, width=4, **kwargs):
        self.width = width
        super().__init__(**kwargs)
""")
    (tmp_path / "modeling_whole.py").write_text(
        f"""
from torch import nn
from transformers.modeling_utils import PreTrainedModel

from .configuration_part import PartConfig
from .configuration_whole import WholeConfig

PART = PartConfig(kernel=2)


class Part(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config

    def forward(self, x):
        return x * {read}


class Whole(PreTrainedModel):
    def __init__(self, config: WholeConfig):
        super().__init__(config)
        self.table = nn.Embedding(8, config.width)
        self.part = Part(PART)

    def forward(self, input_ids):
        return self.part(self.table(input_ids))
""".replace("x * config", "x * self.config")
    )
    _, document = audited(capsys, str(tmp_path / "modeling_whole.py"))
    (report,) = document["files"].values()
    assert ["config.undefined" for item in report["findings"] if item["id"] == "config.undefined"] == (
        ["config.undefined"] * undefined
    )


def test_what_is_chosen_from_a_table_is_told_with_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    path = CASES / "choices" / "modeling_choices.py"
    expected = {
        number: line.partition("# chosen: ")[2].split()
        for number, line in enumerate(path.read_text().split("\n"), 1)
        if "# chosen: " in line
    }
    _, document = audited(capsys, str(path), "--class", "Chooser")
    (report,) = document["files"].values()
    found = {item["primary"]["line"]: item for item in report["findings"] if item["id"] == "source.choice"}
    assert found.keys() == expected.keys()
    for line, (chosen, *others) in expected.items():
        assert f"followed is {chosen};" in found[line]["message"]
        told = {each["what"].partition(":")[0]: each["what"] for each in found[line]["related"]}
        wanted = dict(each.split("=") for each in others)
        assert told.keys() == wanted.keys()
        for name, package in wanted.items():
            assert told[name].endswith(f"the package {package}") if package else "which uses" not in told[name]


def test_equal_names_in_two_folders_stay_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, part = CASES / "skeletons" / "whole", CASES / "skeletons" / "leftover"
    for name, source in (("one", whole), ("other", part)):
        (tmp_path / name).mkdir()
        (text,) = (path.read_text() for path in source.glob("modeling_*.py"))
        (tmp_path / name / "modeling_same.py").write_text(text)
    _, document = audited(capsys, str(tmp_path / "one"), str(tmp_path / "other"))
    verdicts = {file: report["verdict"] for file, report in document["files"].items()}
    assert verdicts == {"one/modeling_same.py": "complete", "other/modeling_same.py": "partial"}
    places = {item["primary"]["file"] for item in document["files"]["other/modeling_same.py"]["findings"]}
    assert places == {"other/modeling_same.py"}


def test_settings_that_nobody_gave_are_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    _, document = audited(capsys, str(CASES / "findings" / "plain.py"), "--class", "NoSettings")
    (report,) = document["files"].values()
    assert [item["severity"] for item in report["findings"] if item["id"] == "build.error"] == ["note"]
