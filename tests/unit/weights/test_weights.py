"""Checkpoints written by the safetensors library, held against small models of the installed library."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from specdiff import checkpoints
from specdiff.cli import main
from specdiff.options import Options
from specdiff.project.targets import resolve
from specdiff.session import Session
from specdiff.weights.model import WeightsResult

LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "torch_dtype": "float32",
    "tie_word_embeddings": False,
}
MIXTURE = {
    "model_type": "qwen3_moe",
    "architectures": ["Qwen3MoeForCausalLM"],
    "vocab_size": 32,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "num_experts": 4,
    "moe_intermediate_size": 8,
}
Tensors = dict[str, Any]
SESSION = Session(Options(only=frozenset({"parameters"})))
"""What is read of the library is read once for all cases."""


def weights(path: Path, target: str | None = None) -> WeightsResult:
    return checkpoints.weights(path, target, session=SESSION)


def tensors(config: dict[str, Any]) -> Tensors:
    """Every parameter of a model, as zeros of the built shape."""
    name = config["architectures"][0]
    (target,) = resolve(f"{config['model_type']}::{name}")
    (result,) = SESSION.analyse(target, dict(config))
    return {key: np.zeros(shape, np.float32) for key, shape in result.parameters.items()}


def write(folder: Path, config: dict[str, Any], content: Tensors, shards: int = 1) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    names = sorted(content)
    if shards == 1:
        save_file(content, folder / "model.safetensors")
        return folder
    table = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        save_file({name: content[name] for name in names[number::shards]}, folder / file)
        table |= dict.fromkeys(names[number::shards], file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": table}))
    return folder


def issues(result: WeightsResult, *severities: str) -> list[tuple[str, str]]:
    return [
        (issue.kind, issue.name)
        for issue in result.issues
        if str(issue.severity) in (severities or ("error", "warning"))
    ]


def without(name: str) -> Callable[[Tensors], None]:
    return lambda content: content.pop(name)


def reshaped(name: str, *shape: int) -> Callable[[Tensors], None]:
    return lambda content: content.update({name: np.zeros(shape, np.float32)})


QUERY = "model.layers.1.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda content: None, [], id="whole"),
        pytest.param(without(QUERY), [("missing", QUERY)], id="missing"),
        pytest.param(reshaped(QUERY, 16, 8), [("shape", QUERY)], id="wrong shape"),
        pytest.param(reshaped("model.rotary.weight", 3), [("unexpected", "model.rotary.weight")], id="unexpected"),
        pytest.param(
            lambda content: content.update({f"module.{QUERY}": content.pop(QUERY)}),
            [("missing", QUERY), ("unexpected", f"module.{QUERY}")],
            id="renamed without a rule",
        ),
        pytest.param(
            lambda content: content.update({key: value.astype(np.float16) for key, value in content.items()}),
            [("dtype", "lm_head.weight")],
            id="another format",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    change: Callable[[Tensors], None], expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    content = tensors(LLAMA)
    change(content)
    result = weights(write(tmp_path, LLAMA, content))
    assert issues(result) == expected
    assert result.fits is not any(kind != "dtype" for kind, _ in expected)


def test_a_base_models_checkpoint_loads_into_a_model_with_a_head(tmp_path: Path) -> None:
    content = {name.removeprefix("model."): value for name, value in tensors(LLAMA).items() if name != "lm_head.weight"}
    result = weights(write(tmp_path, LLAMA, content))
    assert issues(result) == [("missing", "lm_head.weight")]
    assert result.matched == result.parameters - 1


def experts(content: Tensors) -> None:
    """Stacked experts as publishers store them: one network per expert."""
    for name in list(content):
        stem, _, last = name.rpartition(".")
        if last == "gate_up_proj":
            fused = content.pop(name)
            for index, each in enumerate(fused):
                gate, up = np.split(each, 2)
                content[f"{stem}.{index}.gate_proj.weight"] = gate.copy()
                content[f"{stem}.{index}.up_proj.weight"] = up.copy()
        elif last == "down_proj":
            for index, each in enumerate(content.pop(name)):
                content[f"{stem}.{index}.down_proj.weight"] = each.copy()


def test_experts_one_by_one_are_fused_by_the_librarys_own_rules(tmp_path: Path) -> None:
    content = tensors(MIXTURE)
    experts(content)
    result = weights(write(tmp_path, MIXTURE, content))
    assert issues(result) == []
    assert (result.matched, result.converted) == (result.parameters, 12)


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [
        pytest.param("2.down_proj.weight", (8, 16), "conversion", id="one expert of another shape"),
        pytest.param("4.down_proj.weight", (16, 8), "shape", id="one expert too many"),
    ],
)
def test_experts_that_do_not_stack_are_found(name: str, shape: tuple[int, ...], kind: str, tmp_path: Path) -> None:
    content = tensors(MIXTURE)
    experts(content)
    content[f"model.layers.0.mlp.experts.{name}"] = np.zeros(shape, np.float32)
    result = weights(write(tmp_path, MIXTURE, content))
    assert (kind, "model.layers.0.mlp.experts.down_proj") in issues(result)


def quantized(kind: str, stem: str) -> Tensors:
    """A weight of 16×16 in a quantized layout."""
    match kind:
        case "gptq":
            return {
                f"{stem}.qweight": np.zeros((2, 16), np.int32),
                f"{stem}.qzeros": np.zeros((1, 2), np.int32),
                f"{stem}.scales": np.zeros((1, 16), np.float16),
                f"{stem}.g_idx": np.zeros(16, np.int32),
            }
        case "awq":
            return {
                f"{stem}.qweight": np.zeros((16, 2), np.int32),
                f"{stem}.qzeros": np.zeros((1, 2), np.int32),
                f"{stem}.scales": np.zeros((1, 16), np.float16),
            }
        case "bitsandbytes-4bit":
            return {
                f"{stem}.weight": np.zeros((128, 1), np.uint8),
                f"{stem}.weight.absmax": np.zeros(4, np.uint8),
                f"{stem}.weight.quant_map": np.zeros(16, np.float32),
                f"{stem}.weight.quant_state.bitsandbytes__nf4": np.zeros(80, np.uint8),
            }
        case "bitsandbytes-8bit":
            return {f"{stem}.weight": np.zeros((16, 16), np.int8), f"{stem}.SCB": np.zeros(16, np.float32)}
        case "compressed-tensors":
            return {
                f"{stem}.weight_packed": np.zeros((16, 2), np.int32),
                f"{stem}.weight_scale": np.zeros((16, 1), np.float16),
                f"{stem}.weight_shape": np.zeros(2, np.int64),
            }
        case _:
            return {
                f"{stem}.weight": np.zeros((16, 16), np.int8),
                f"{stem}.weight_scale_inv": np.zeros((1, 1), np.float32),
            }


def test_quantized_layouts_stand_for_their_parameter(tmp_path: Path) -> None:
    config = LLAMA | {"num_key_value_heads": 4}
    content = tensors(config)
    kinds = ("gptq", "awq", "bitsandbytes-4bit", "bitsandbytes-8bit", "compressed-tensors", "fp8")
    for index, kind in enumerate(kinds):
        stem = f"model.layers.{index // 4}.self_attn.{'qkvo'[index % 4]}_proj"
        del content[f"{stem}.weight"]
        content |= quantized(kind, stem)
    result = weights(write(tmp_path, config, content))
    assert issues(result) == []
    assert {kind: result.layouts.get(kind) for kind in kinds} == dict.fromkeys(kinds, 1)
    assert result.matched == result.parameters


@pytest.mark.parametrize("kind", ["gptq", "awq", "fp8", "bitsandbytes-4bit"])
def test_experts_quantized_one_by_one_fill_the_stack(kind: str, tmp_path: Path) -> None:
    config = MIXTURE | {"moe_intermediate_size": 16}
    content = tensors(config)
    stem = "model.layers.0.mlp.experts"
    for name in ("gate_up_proj", "down_proj"):
        del content[f"{stem}.{name}"]
    for expert in range(4):
        for part in ("gate_proj", "up_proj", "down_proj"):
            content |= quantized(kind, f"{stem}.{expert}.{part}")
    result = weights(write(tmp_path, config, content))
    assert issues(result) == []
    assert result.matched == result.parameters


def test_mxfp4_blocks_stand_for_the_transposed_weight(tmp_path: Path) -> None:
    config = {
        "model_type": "gpt_oss", "architectures": ["GptOssForCausalLM"], "vocab_size": 32, "hidden_size": 64,
        "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 16, "num_local_experts": 2, "layer_types": ["full_attention"],
    }  # fmt: skip
    content = tensors(config)
    for name, rows, columns in (("gate_up_proj", 64, 64), ("down_proj", 64, 32)):
        stem = f"model.layers.0.mlp.experts.{name}"
        del content[stem]
        content[f"{stem}_blocks"] = np.zeros((2, rows, columns // 32, 16), np.uint8)
        content[f"{stem}_scales"] = np.zeros((2, rows, columns // 32), np.uint8)
    result = weights(write(tmp_path, config, content))
    assert issues(result) == [] and result.layouts["mxfp4"] == 2


def test_tied_parameters_need_one_copy_only(tmp_path: Path) -> None:
    config = LLAMA | {"tie_word_embeddings": True}
    content = tensors(config)
    both = weights(write(tmp_path, config, content))
    assert issues(both) == [] and ("tied.twice", "lm_head.weight") in issues(both, "note")
    del content["lm_head.weight"]
    one = weights(write(tmp_path, config, content))
    assert one.issues == ()


def test_shards_are_held_against_their_index(tmp_path: Path) -> None:
    write(tmp_path, LLAMA, tensors(LLAMA), shards=3)
    assert weights(tmp_path).issues == ()
    lost = tmp_path / "model-00002-of-00003.safetensors"
    lost.unlink()
    kinds = {kind for kind, _ in issues(weights(tmp_path))}
    assert kinds == {"shard.missing"}
    alone = weights(tmp_path / "model.safetensors.index.json", "llama::LlamaForCausalLM")
    assert alone.matched > 0


def damaged(header: object, data: int) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data)


def entry(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(b"\1", "header", id="too short"),
        pytest.param(struct.pack("<Q", 1 << 60), "header", id="a length past the end"),
        pytest.param(damaged(b"{nonsense", 0), "header", id="not JSON"),
        pytest.param(damaged([], 0), "header", id="not an object"),
        pytest.param(damaged(b"[" * 100_000, 0), "header", id="nested without end"),
        pytest.param(damaged({"a": entry(0, 16, [2**62, 2**62])}, 16), "header", id="more values than there are bytes"),
        pytest.param(damaged({"a": entry(16, 0, [4])}, 16), "header", id="an end before its begin"),
        pytest.param(damaged({"a": entry(0, 8, [4])}, 8), "header", id="bytes that do not fit the shape"),
        pytest.param(damaged({"a": entry(0, 8, [2], "F99")}, 8), "header", id="an unknown format"),
        pytest.param(damaged({"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, 12), "offsets", id="overlap"),
        pytest.param(damaged({"a": entry(0, 8, [2])}, 4), "offsets", id="past the end"),
        pytest.param(damaged({"a": entry(4, 12, [2])}, 12), "offsets", id="a hole"),
        pytest.param(
            damaged(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, '
                    b'"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}', 8),
            "duplicate", id="a name twice",
        ),
    ],
)  # fmt: skip
def test_damaged_files_are_issues_and_never_exceptions(content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    result = weights(tmp_path, "llama::LlamaForCausalLM")
    assert kind in {issue.kind for issue in result.issues}


@pytest.mark.parametrize("shard", ["../other.safetensors", "/etc/hostname", "..\\\\other.safetensors"])
def test_an_index_cannot_have_other_files_opened(shard: str, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (tmp_path / "other.safetensors").write_bytes(damaged({"a": entry(0, 4, [1])}, 4))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}))
    result = weights(folder, "llama::LlamaForCausalLM")
    assert ("shard.missing", shard) in {(issue.kind, issue.name) for issue in result.issues}
    assert result.checkpoint.files == {}


def test_a_signature_needs_somebody_to_trust(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path, LLAMA, tensors(LLAMA))
    (folder / "model.sig").write_text("{}")
    assert main(["weights", str(folder), "--signature", str(folder / "model.sig")]) == 2
    assert "whose signature? give --public-key" in capsys.readouterr().err
    assert main(["weights", str(folder), "--public-key", str(folder / "key.pem"), "--signature", "nowhere.sig"]) == 2
    assert "no such signature" in capsys.readouterr().err


def test_verifying_without_the_package_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path, LLAMA, tensors(LLAMA))
    for name in ("model.sig", "key.pem"):
        (folder / name).write_text("{}")
    monkeypatch.setitem(sys.modules, "model_signing", None)
    assert main(["weights", str(folder), "--public-key", str(folder / "key.pem")]) == 2
    assert "verifying needs the model-signing package: pip install model-signing" in capsys.readouterr().err


def sign(folder: Path, keys: Path) -> None:
    """Sign a folder with a new key, as `model_signing sign key` does; the keys lie elsewhere."""
    signing = pytest.importorskip(
        "model_signing.signing", reason="the optional model-signing package", exc_type=ImportError
    )
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - comes with model-signing
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    keys.mkdir()
    for name in ("signer", "stranger"):
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        (keys / f"{name}.key").write_bytes(private)
        public = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
        (keys / f"{name}.pem").write_bytes(public)
    config = signing.Config().use_elliptic_key_signer(private_key=keys / "signer.key")
    config.sign(folder, folder / "model.sig")


@pytest.mark.parametrize(
    ("key", "change", "code", "said"),
    [
        ("signer.pem", None, 0, "model.sig: the signature holds"),
        ("signer.pem", ("config.json", " "), 1, "changed since: config.json"),
        ("signer.pem", ("more.bin", "x"), 1, "not signed: more.bin"),
        ("stranger.pem", None, 1, "the signature does not hold"),
        ("signer.key", None, 2, "signer.key: cannot be used"),
        ("nobody.pem", None, 2, "nobody.pem: no such key"),
    ],
)
def test_a_signed_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, change: tuple[str, str] | None, code: int, said: str
) -> None:
    folder = write(tmp_path, LLAMA, tensors(LLAMA))
    keys = tmp_path / "keys"
    sign(folder, keys)
    if change is not None:
        place = folder / change[0]
        place.write_text((place.read_text() if place.is_file() else "") + change[1])
    assert main(["weights", str(folder), "--public-key", str(keys / key)]) == code
    printed = capsys.readouterr()
    assert said in " ".join((printed.out + printed.err).split())


def test_hashes_are_held_against_a_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path, LLAMA, tensors(LLAMA))
    assert main(["weights", str(folder), "--hashes", "--format", "json"]) == 0
    digest = json.loads(capsys.readouterr().out)["sha256"]["model.safetensors"]
    manifest = tmp_path / "SHA256SUMS"
    manifest.write_text(f"{digest}  model.safetensors\n")
    assert main(["weights", str(folder), "--manifest", str(manifest)]) == 0
    manifest.write_text(f"{'0' * 64}  model.safetensors\n")
    assert main(["weights", str(folder), "--manifest", str(manifest)]) == 1
    assert "error hash (1)" in capsys.readouterr().out


SPEC = """\
specdiff: 1
name: small
target: llama::LlamaForCausalLM
sources:
  card: {title: "A card", url: "https://example.org/card"}
claims:
  layers: {value: 2, source: card, where: "table 1", quote: "2 layers"}
release:
  hashes: {value: true, FILES source: card, where: "files", quote: "SHA-256"}
"""


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        pytest.param("{0}  model.safetensors\n{1}  original/model.safetensors\n", 0, id="two files of one name"),
        pytest.param("{0}  repo/model.safetensors\n{1}  repo/original/model.safetensors\n", 0, id="from the folder above"),
        pytest.param("{0}  /data/repo/model.safetensors\n", 0, id="from the root"),
        pytest.param("{1}  model.safetensors\n{0}  original/model.safetensors\n", 1, id="changed round"),
        pytest.param("{0}  model.safetensors\n{1}  original/other.safetensors\n", 1, id="one is not there"),
    ],
)  # fmt: skip
def test_a_manifest_names_files_by_their_path(lines: str, code: int, tmp_path: Path) -> None:
    folder = write(tmp_path, LLAMA, tensors(LLAMA))
    (folder / "original").mkdir()
    (folder / "original" / "model.safetensors").write_bytes(b"another")
    digests = [
        hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("model.safetensors", "original/model.safetensors")
    ]
    manifest = tmp_path / "SHA256SUMS"
    manifest.write_text(lines.format(*digests))
    assert main(["weights", str(folder), "--manifest", str(manifest)]) == code


@pytest.mark.parametrize(
    ("others", "note"),
    [
        pytest.param(["consolidated.safetensors"], "consolidated.safetensors", id="the publisher's own names"),
        pytest.param(["adapter_model.safetensors", "model.fp16.safetensors"],
                     "adapter_model.safetensors, model.fp16.safetensors", id="an adapter and a copy"),
    ],
)  # fmt: skip
def test_files_that_the_library_does_not_load_are_not_held(others: list[str], note: str, tmp_path: Path) -> None:
    folder = write(tmp_path, LLAMA, tensors(LLAMA))
    for name in others:
        save_file({"tok_embeddings.weight": np.zeros((3,), np.float32)}, folder / name)
    result = weights(folder)
    assert result.fits
    assert [(each.kind, each.name) for each in result.issues] == [("beside", note)]


def test_a_set_of_shards_without_an_index_counts_its_shards(tmp_path: Path) -> None:
    folder = write(tmp_path, LLAMA, tensors(LLAMA), shards=3)
    (folder / "model.safetensors.index.json").unlink()
    assert issues(weights(folder)) == []
    (folder / "model-00002-of-00003.safetensors").unlink()
    found = issues(weights(folder))
    assert ("shard.missing", "model-00002-of-00003.safetensors") in found


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param({"adapter_model.safetensors": "", "adapter_config.json": '{"base_model_name_or_path": "maker/base"}'},
                     "an adapter alone (adapter_model.safetensors): hold the checkpoint of its base model, maker/base", id="adapter"),
        pytest.param({"pytorch_model.bin": "evil"}, "pickled files alone, which are never opened", id="pickle"),
        pytest.param({"model-Q4_K_M.gguf": "GGUF"}, "GGUF files alone, which are not read", id="GGUF"),
        pytest.param({"snapshots/abc/config.json": "{}"}, "a cache of the Hub: give a revision, snapshots/abc", id="cache"),
        pytest.param({"unet/model.safetensors": ""}, "give a folder below it, unet", id="folders"),
        pytest.param({}, "no *.safetensors file", id="nothing"),
    ],
)  # fmt: skip
def test_a_folder_without_a_checkpoint_says_what_to_give(
    files: dict[str, str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert main(["weights", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    os.mkfifo(tmp_path / "model.safetensors")
    (found,) = [each for each in weights(tmp_path).issues if each.kind == "header"]
    assert found.detail == "it is no file that can be read (a folder, a pipe or a device)"


def test_names_alone_are_not_said_to_fit_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    table = dict.fromkeys(tensors(LLAMA), "pytorch_model-1.bin")
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": table}))
    (tmp_path / "pytorch_model-1.bin").write_bytes(b"never opened")
    assert main(["weights", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("THE NAMES FIT, shapes are not known")


def test_another_model_type_is_held_by_the_code_s_own(tmp_path: Path) -> None:
    experts = tensors(MIXTURE)
    stem = "model.layers.0.mlp.experts"
    for part in ("gate_up_proj", "down_proj"):
        del experts[f"{stem}.{part}"]
    for expert in range(4):
        for part, shape in (("gate_proj", (8, 16)), ("up_proj", (8, 16)), ("down_proj", (16, 8))):
            experts[f"{stem}.{expert}.{part}.weight"] = np.zeros(shape, np.float32)
    result = weights(write(tmp_path, MIXTURE | {"model_type": "of_its_own"}, experts), "qwen3_moe::Qwen3MoeForCausalLM")
    assert issues(result) == [] and result.matched == result.parameters
    assert [note for note in result.notes if "model_type of_its_own" in note]


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        ("files: {model.safetensors: DIGEST},", 0, ""),
        ("files: {model.safetensors: %s}," % ("0" * 64), 1, "published 0000"),
        ("files: {model.safetensors: DIGEST, more.safetensors: DIGEST},", 1, "the spec names it, and it is not there"),
        ("", 2, "its release.hashes gives no files with their SHA-256"),
        ("files: {model.safetensors: 12ab},", 2, "model.safetensors has no SHA-256 (64 hex digits)"),
    ],
)
def test_hashes_are_held_against_a_spec(
    files: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path, LLAMA, tensors(LLAMA))
    main(["weights", str(folder), "--hashes", "--format", "json"])
    digest = json.loads(capsys.readouterr().out)["sha256"]["model.safetensors"]
    spec = tmp_path / "small.yaml"
    spec.write_text(SPEC.replace("FILES", files.replace("DIGEST", f"'{digest}'").replace("0" * 64, f"'{'0' * 64}'")))
    assert main(["weights", str(folder), "--spec", str(spec)]) == code
    printed = capsys.readouterr()
    assert said in " ".join((printed.out + printed.err).split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such checkpoint: give a folder, a *.safetensors file or an index"),
        (["."], ".: no *.safetensors file, no model.safetensors.index.json and no pytorch_model.bin.index.json"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["weights", *arguments]) == 2
    assert capsys.readouterr().err == message + "\n"


def test_experts_that_the_library_builds_one_by_one_for_a_quantization(tmp_path: Path) -> None:
    text = {
        "model_type": "llama4_text", "vocab_size": 32, "hidden_size": 16, "intermediate_size": 8, "intermediate_size_mlp": 8,
        "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4, "num_local_experts": 2,
        "interleave_moe_layer_step": 1,
    }  # fmt: skip
    composite = {"model_type": "llama4", "architectures": ["Llama4ForCausalLM"], "text_config": text}
    content = tensors(text | {"architectures": ["Llama4ForCausalLM"], "model_type": "llama4"})
    whole = tmp_path / "whole"
    whole.mkdir()
    # A configuration of several models holds the part that this class is built with.
    assert issues(weights(write(whole, composite, content), "llama4::Llama4ForCausalLM")) == []
    stem = "model.layers.0.feed_forward.experts"
    for part in ("gate_up_proj", "down_proj"):
        del content[f"{stem}.{part}"]
    for expert in range(2):
        for part, rows, columns in (("gate_proj", 8, 16), ("up_proj", 8, 16), ("down_proj", 16, 8)):
            content[f"{stem}.{expert}.{part}.weight"] = np.zeros((rows, columns), np.int8)
            content[f"{stem}.{expert}.{part}.weight_scale"] = np.zeros((rows, 1), np.float32)
    for method, code in (("compressed-tensors", True), ("fp8", False)):
        folder = tmp_path / method
        folder.mkdir()
        config = composite | {"quantization_config": {"quant_method": method}}
        assert weights(write(folder, config, content), "llama4::Llama4ForCausalLM").fits is code
