"""Reads the headers of safetensors files and the JSON of indexes, and checks that they are sound.

The format: eight bytes with the header's length (little endian), the header as JSON, then the data
(safetensors README, "Format"; lengths up to 100 MB, data without holes and without overlaps).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from specdiff.errors import Problem, TargetError
from specdiff.results import Severity
from specdiff.weights.model import Checkpoint, Issue, Stored

MAX_HEADER = 100_000_000
"""Bytes; the limit of the safetensors library itself."""

BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8, "U16": 16,
    "U32": 32, "U64": 64, "BOOL": 8, "C64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Bits per value by safetensors dtype."""


def read(path: Path) -> Checkpoint:
    """A checkpoint: a folder, one `*.safetensors` file, or an index alone.

    Raises:
        TargetError: there is no checkpoint, or its index is not JSON of the right form.
    """
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise TargetError(
            Problem(str(path), 0, 0, "no such checkpoint: give a folder, a *.safetensors file or an index")
        )
    if path.suffix == ".json":
        checkpoint = _from_index(path, alone=True)
    else:
        checkpoint = Checkpoint(str(path), "safetensors")
        _add_file(checkpoint, path, path.name)
    checkpoint.config = _config(path.parent)
    return checkpoint


def _folder(path: Path) -> Checkpoint:
    index = path / "model.safetensors.index.json"
    legacy = path / "pytorch_model.bin.index.json"
    files = sorted(path.glob("*.safetensors"))
    if index.is_file():
        checkpoint = _from_index(index, alone=False)
    elif files:
        checkpoint = Checkpoint(str(path), "safetensors")
        for file in files:
            _add_file(checkpoint, file, file.name)
    elif legacy.is_file():
        checkpoint = _from_index(legacy, alone=False)
    else:
        raise TargetError(
            Problem(
                str(path),
                0,
                0,
                "no *.safetensors file, no model.safetensors.index.json and no pytorch_model.bin.index.json",
            )
        )
    checkpoint.path = str(path)
    checkpoint.config = _config(path)
    return checkpoint


def _config(folder: Path) -> dict[str, object] | None:
    """The published configuration that lies beside the tensors."""
    path = folder / "config.json"
    loaded = _json(path) if path.is_file() else None
    return loaded if isinstance(loaded, dict) else None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise TargetError(Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")) from None
    except json.JSONDecodeError as error:
        raise TargetError(Problem(str(path), error.lineno, error.colno, f"not JSON: {error.msg}")) from None
    except UnicodeDecodeError:
        raise TargetError(Problem(str(path), 0, 0, "not UTF-8 text")) from None


def _from_index(path: Path, alone: bool) -> Checkpoint:
    loaded = _json(path)
    table = loaded.get("weight_map") if isinstance(loaded, dict) else None
    if not isinstance(table, dict) or not all(isinstance(each, str) for each in table.values()):
        raise TargetError(Problem(str(path), 1, 1, "an index must have a weight_map from tensor names to files"))
    torch_files = path.name.startswith("pytorch_model")
    checkpoint = Checkpoint(str(path), "pytorch index" if torch_files else "safetensors index")
    shards: dict[str, list[str]] = {}
    for name, file in table.items():
        shards.setdefault(file, []).append(name)
    there = {file for file in shards if not _leads_out(file) and (path.parent / file).is_file()}
    pointers = {file for file in there if not torch_files and _is_pointer(path.parent / file)}
    there -= pointers
    if pointers and len(pointers) == len(shards):
        alone = True
    if torch_files or (alone and not there):
        # Names are all that an index has, and pickled shards are not opened.
        checkpoint.tensors = {name: Stored(name, "", None, file) for name, file in table.items()}
        if pointers:
            first = min(pointers)
            detail = f"{_POINTER_WORDS}, so that names alone are compared"
            checkpoint.issues.append(Issue("header", Severity.NOTE, first, detail, first))
        if not alone:
            _missing_shards(checkpoint, shards, there)
        return checkpoint
    checkpoint.kind = "safetensors"
    _missing_shards(checkpoint, shards, there)
    for file in sorted(there):
        _add_file(checkpoint, path.parent / file, file)
    _compare_with_index(checkpoint, table, there)
    total = loaded.get("metadata", {}).get("total_size") if isinstance(loaded.get("metadata"), dict) else None
    if isinstance(total, int) and len(there) == len(shards) and total != checkpoint.bytes:
        detail = f"the index says {total:,} bytes of tensors, the shards hold {checkpoint.bytes:,}"
        checkpoint.issues.append(Issue("shard.content", Severity.NOTE, path.name, detail, path.name))
    return checkpoint


_POINTER = b"version https://git-lfs"
_POINTER_WORDS = "it is a Git LFS pointer, its content is not here"


def _is_pointer(path: Path) -> bool:
    """Whether a file stands for one that Git LFS keeps elsewhere (git-lfs, docs/spec.md)."""
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER


def _leads_out(name: str) -> bool:
    """Whether a shard's name is a path to somewhere else; an index must not have files read that are not the checkpoint's."""
    parts = PurePosixPath(name.replace("\\", "/"))
    return parts.is_absolute() or ".." in parts.parts or ":" in name or "\0" in name


def _missing_shards(checkpoint: Checkpoint, shards: Mapping[str, list[str]], there: set[str]) -> None:
    for file in sorted(set(shards) - there):
        detail = f"the index places {len(shards[file]):,} tensors in it, {shards[file][0]} first"
        if _leads_out(file):
            detail += "; it leads out of the checkpoint's folder and is not opened"
        checkpoint.issues.append(Issue("shard.missing", Severity.ERROR, file, detail, file))
        for name in shards[file]:
            checkpoint.tensors[name] = Stored(name, "", None, file)


def _compare_with_index(checkpoint: Checkpoint, table: Mapping[str, str], there: set[str]) -> None:
    for name, file in table.items():
        stored = checkpoint.tensors.get(name)
        if file in there and (stored is None or stored.file != file):
            detail = f"the index places it in {file}" + (
                f", it lies in {stored.file}" if stored else ", which does not have it"
            )
            severity = Severity.WARNING if stored else Severity.ERROR
            checkpoint.issues.append(Issue("shard.content", severity, name, detail, file))
    for name, stored in checkpoint.tensors.items():
        if name not in table:
            detail = "it is in a shard and not in the index, so loading passes it over"
            checkpoint.issues.append(Issue("shard.content", Severity.WARNING, name, detail, stored.file))


def _add_file(checkpoint: Checkpoint, path: Path, name: str) -> None:
    """A file's tensors; what is wrong with it is an issue, never an exception."""

    def bad(detail: str) -> None:
        checkpoint.issues.append(Issue("header", Severity.ERROR, name, detail, name))

    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if start == _POINTER[:8]:
                bad(f"{_POINTER_WORDS} (git lfs pull)")
                return
            if len(start) < 8 or length > MAX_HEADER or 8 + length > size:
                bad(f"it is no safetensors file: a header of {length:,} bytes in a file of {size:,}")
                return
            raw = file.read(length)
    except OSError as error:
        bad(f"it cannot be read: {error.strerror}")
        return
    checkpoint.files[name] = size
    try:
        entries = json.loads(raw, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        bad("its header is not JSON")
        return
    if not isinstance(entries, _Pairs):
        bad("its header is not a JSON object")
        return
    ranges: list[tuple[int, int, str]] = []
    for key, entry in entries:
        if key == "__metadata__":
            continue
        stored = _stored(key, entry, name)
        if isinstance(stored, str):
            bad(f"{key}: {stored}")
            continue
        old = checkpoint.tensors.get(key)
        if old is not None and old.shape is not None:
            where = f"in {old.file} and in {name}" if old.file != name else f"twice in {name}"
            checkpoint.issues.append(Issue("duplicate", Severity.ERROR, key, f"it is stored {where}", name))
        checkpoint.tensors[key] = stored
        ranges.append((stored.begin, stored.end, key))
    if size == 8 + length and any(end for _, end, _ in ranges):
        detail = "it is a header alone, so that nothing is said about its data"
        checkpoint.issues.append(Issue("header", Severity.NOTE, name, detail, name))
        return
    checkpoint.issues += _check_ranges(ranges, size - 8 - length, name)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a name that stands twice is seen."""


def _stored(name: str, entry: Any, file: str) -> Stored | str:
    """A header entry, or what is wrong with it."""
    if not isinstance(entry, _Pairs):
        return "its entry is not an object"
    fields = dict(entry)
    dtype, shape, offsets = fields.get("dtype"), _whole(fields.get("shape")), _whole(fields.get("data_offsets"))
    if not isinstance(dtype, str) or dtype not in BITS:
        return f"its dtype {dtype!r} is not one of safetensors'"
    if shape is None or offsets is None or len(offsets) != 2:
        return "its shape or data_offsets are not whole numbers"
    begin, end = offsets
    if end - begin != (prod(shape) * BITS[dtype] + 7) // 8:
        return f"{prod(shape):,} values of {dtype} do not take {end - begin:,} bytes"
    return Stored(name, dtype, shape, file, begin, end)


def _whole(value: Any) -> tuple[int, ...] | None:
    """A list of whole numbers from 0 up; None for anything else."""
    return tuple(value) if isinstance(value, list) and all(type(each) is int and each >= 0 for each in value) else None


def _check_ranges(ranges: list[tuple[int, int, str]], size: int, file: str) -> Iterable[Issue]:
    ranges.sort()
    last, before = 0, ""
    for begin, end, name in ranges:
        if end > size:
            detail = f"its data ends at byte {end:,}, the file's data at {size:,}"
            yield Issue("offsets", Severity.ERROR, name, detail, file)
        if begin < last:
            yield Issue("offsets", Severity.ERROR, name, f"its data overlaps that of {before}", file)
        elif begin > last:
            yield Issue(
                "offsets", Severity.WARNING, name, f"{begin - last:,} bytes before it belong to no tensor", file
            )
        if end >= last:
            last, before = end, name
    if last < size:
        yield Issue("offsets", Severity.WARNING, file, f"{size - last:,} bytes at its end belong to no tensor", file)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
