"""Reads the headers of safetensors files and the JSON of indexes, and checks that they are sound.

The format: eight bytes with the header's length (little endian), the header as JSON, then the data
(safetensors README, "Format"; lengths up to 100 MB, data without holes and without overlaps).
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
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


WEIGHTS = "model.safetensors"
ADAPTER = "adapter_model.safetensors"
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.safetensors")


def _folder(path: Path) -> Checkpoint:
    """What the library loads of a folder: one file, else the index's shards (transformers, `_get_resolved_checkpoint_files`)."""
    index = path / f"{WEIGHTS}.index.json"
    legacy = path / "pytorch_model.bin.index.json"
    files = sorted(path.glob("*.safetensors"))
    whole = path / WEIGHTS
    kept = whole in files and index.is_file() and whole.is_file() and _is_pointer(whole)
    if whole in files and not kept:
        checkpoint = Checkpoint(str(path), "safetensors")
        _add_file(checkpoint, whole, whole.name)
    elif index.is_file():
        checkpoint = _from_index(index, alone=False)
    elif [file for file in files if file.name != ADAPTER]:
        checkpoint = _loose(path, [file for file in files if file.name != ADAPTER])
    elif legacy.is_file():
        checkpoint = _from_index(legacy, alone=False)
    else:
        raise TargetError(Problem(str(path), 0, 0, _nothing(path, files)))
    others = [file.name for file in files if file.name not in checkpoint.files and not _is_named(checkpoint, file.name)]
    if index.is_file() and whole in files and not kept:
        others.append(index.name)
    if others:
        shown = f"{', '.join(others[:3])}{f' and {len(others) - 3} more' if len(others) > 3 else ''}"
        checkpoint.issues.append(Issue("beside", Severity.NOTE, shown, "not read", others[0]))
    checkpoint.path = str(path)
    checkpoint.config = _config(path)
    return checkpoint


def _is_named(checkpoint: Checkpoint, name: str) -> bool:
    """Whether something was already said of a file."""
    return any(name in (issue.name, issue.file) for issue in checkpoint.issues)


def _loose(path: Path, files: list[Path]) -> Checkpoint:
    """Files without an index: the shards of one set where there is one, else all of them."""
    checkpoint = Checkpoint(str(path), "safetensors")
    sets: dict[tuple[str, int], dict[int, Path]] = {}
    for file in files:
        if match := _SHARD.fullmatch(file.name):
            sets.setdefault((match[1], int(match[3])), {})[int(match[2])] = file
    chosen = sets.get(max(sets, key=lambda key: (key[0] == "model", len(sets[key])))) if sets else None
    for file in sorted(chosen.values()) if chosen else files:
        _add_file(checkpoint, file, file.name)
    for (stem, count), there in sets.items():
        if there is chosen:
            for number in sorted(set(range(1, count + 1)) - there.keys())[:count]:
                name = f"{stem}-{number:05d}-of-{count:05d}.safetensors"
                checkpoint.issues.append(
                    Issue("shard.missing", Severity.ERROR, name, "the other shards count it", name)
                )
    return checkpoint


def _nothing(path: Path, files: list[Path]) -> str:
    """Why a folder holds no checkpoint that can be read, and what to give instead."""
    if files:
        base = (_adapter(path) or {}).get("base_model_name_or_path")
        return f"an adapter alone ({ADAPTER}): hold the checkpoint of its base model{f', {base}' if isinstance(base, str) else ''}"
    snapshots = sorted(path.glob("snapshots/*"))
    if snapshots:
        return f"a cache of the Hub: give a revision, {snapshots[-1].relative_to(path).as_posix()}"
    if any(path.glob("*.bin")) or any(path.glob("*.pt*")):
        return "pickled files alone, which are never opened: give *.safetensors files or an index"
    if any(path.glob("*.gguf")):
        return "GGUF files alone, which are not read: give the checkpoint that they were made from"
    below = sorted(file.parent.relative_to(path).as_posix() for file in path.glob("*/*.safetensors"))
    if below:
        return f"no *.safetensors file of its own: give a folder below it, {below[0]}"
    return f"no *.safetensors file, no {WEIGHTS}.index.json and no pytorch_model.bin.index.json"


def _adapter(path: Path) -> dict[str, object] | None:
    file = path / "adapter_config.json"
    loaded = _json(file) if file.is_file() else None
    return loaded if isinstance(loaded, dict) else None


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
    there = {file for file in shards if not leads_out(file) and (path.parent / file).is_file()}
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


def leads_out(name: str) -> bool:
    """Whether a shard's name is a path to somewhere else; an index must not have files read that are not the checkpoint's."""
    parts = PurePosixPath(name.replace("\\", "/"))
    return parts.is_absolute() or ".." in parts.parts or ":" in name or "\0" in name


def _missing_shards(checkpoint: Checkpoint, shards: Mapping[str, list[str]], there: set[str]) -> None:
    for file in sorted(set(shards) - there):
        count = len(shards[file])
        detail = f"the index places {count:,} tensor{'s' if count != 1 else ''} in it, {shards[file][0]} first"
        if leads_out(file):
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
        about = path.stat()
        size = about.st_size
        if not stat.S_ISREG(about.st_mode):
            bad("it is no file that can be read (a folder, a pipe or a device)")
            return
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if start == _POINTER[:8]:
                bad(f"{_POINTER_WORDS} (git lfs pull)")
                return
            if not start:
                bad("it is empty")
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
