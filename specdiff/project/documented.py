"""Shapes of inputs as a ``forward``'s docstring gives them: ``mask (`torch.LongTensor` of shape `(batch, length)`)``."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from specdiff.interp.dims import Dim
from specdiff.interp.values import Tensor
from specdiff.project.sizes import BATCH, FRAMES, SEQUENCE, TARGET, Sizes, attribute

_ENTRY = re.compile(r"^[ \t]*`?(\w+)`?[ \t]*(?::|\()(.*)$")
_SHAPE = re.compile(r"(?:shape|size)s?:?[ \t]*`{0,2}[(\[]((?:[^()\[\]`]|\([^()]*\))*)[)\]]", re.IGNORECASE)
_BARE = re.compile(r"[(\[]((?:batch|bsz|B\b)[^()\[\]`]*)[)\]]", re.IGNORECASE)
_TYPES = re.compile(r"(Float|Long|Int|Bool|Half)?Tensor\b")

_SOURCE = Dim.symbol("source_sequence")
_WORDS: dict[str, Callable[[Sizes], Any]] = {
    **dict.fromkeys(("batch_size", "batch", "bsz", "bs", "b", "n"), lambda sizes: BATCH),
    **dict.fromkeys(
        ("sequence_length", "seq_len", "seq_length", "seqlen", "text_seq_length", "text_length", "text_len", "t", "l"),
        lambda sizes: SEQUENCE,
    ),
    **dict.fromkeys(("target_sequence_length", "target_length", "tgt_len"), lambda sizes: TARGET),
    **dict.fromkeys(("encoder_sequence_length", "source_sequence_length", "src_len"), lambda sizes: _SOURCE),
    **dict.fromkeys(("hidden_size", "embed_dim", "d_model", "hidden_dim", "embedding_size"), lambda s: s.hidden()[0]),
    **dict.fromkeys(("num_channels", "channels", "c", "in_channels", "image_channels"), lambda sizes: sizes.channels()),
    **dict.fromkeys(("height", "h", "image_height"), lambda sizes: sizes.image()[0]),
    **dict.fromkeys(("width", "w", "image_width"), lambda sizes: sizes.image()[1]),
    **dict.fromkeys(("grid_height", "feature_height", "patch_height", "num_patches_height"), lambda sizes: 16),
    **dict.fromkeys(("grid_width", "feature_width", "patch_width", "num_patches_width"), lambda sizes: 24),
    "image_size": lambda sizes: sizes.image()[0],
    **dict.fromkeys(("num_frames", "frames"), lambda sizes: sizes.frames()),
    **dict.fromkeys(("num_images", "max_num_images", "num_tiles", "num_crops"), lambda sizes: 1),
    **dict.fromkeys(("feature_size", "feature_dim", "num_mel_bins", "mel_bins"), lambda sizes: sizes.bins()),
    **dict.fromkeys(("audio_length", "feature_length", "audio_sequence_length"), lambda sizes: FRAMES),
}
"""What the words that authors use for sizes stand for; other words are looked up among the settings."""


def documented(doc: str | None, sizes: Sizes) -> dict[str, list[Any]]:
    """The values that a docstring describes, by parameter name, in the order in which it gives alternatives."""
    found: dict[str, list[Any]] = {}
    for name, text in _entries(doc or ""):
        made = [tensor for shape in _shapes(text) if (tensor := _tensor(name, text, shape, sizes)) is not None]
        if made:
            found[name] = list(made)
    return found


def _entries(doc: str) -> list[tuple[str, str]]:
    """(parameter, its description), a description ending at the next entry of no deeper indentation."""
    entries: list[tuple[str, str]] = []
    depth: int | None = None
    for line in doc.splitlines():
        match = _ENTRY.match(line)
        indent = len(line) - len(line.lstrip())
        if match is not None and (depth is None or indent <= depth or not entries):
            entries.append((match.group(1), match.group(2)))
            depth = indent
            if match.group(1) in ("Args", "Parameters", "Arguments"):
                entries.pop()
                depth = None
        elif entries and line.strip():
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {line.strip()}")
    return entries


def _shapes(text: str) -> list[str]:
    return [match for match in (*_SHAPE.findall(text), *_BARE.findall(text)) if match.strip()][:3]


def _tensor(name: str, text: str, shape: str, sizes: Sizes) -> Tensor | None:
    try:
        parsed = ast.parse(f"({shape.strip().rstrip(',')},)", mode="eval").body
    except SyntaxError:
        return None
    assert isinstance(parsed, ast.Tuple)
    dims = [_size(item, sizes) for item in parsed.elts]
    if any(size is None for size in dims):
        return None
    return Tensor(tuple(dims), _dtype(name, text))


def _dtype(name: str, text: str) -> str:
    match = _TYPES.search(text)
    kind = match.group(1) if match is not None else None
    if kind is not None:
        return {"Float": "float32", "Half": "float32", "Bool": "bool"}.get(kind, "int64")
    if name.endswith(("_ids", "_id", "_index", "_indices", "mask", "_positions")):
        return "int64"
    return "float32"


def _size(node: ast.expr, sizes: Sizes) -> Any:
    """A size from its description; None where it reads like none."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, int) and not isinstance(node.value, bool) else None
    if isinstance(node, ast.BinOp):
        left, right = _size(node.left, sizes), _size(node.right, sizes)
        if left is None or right is None:
            return None
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        return left // right if isinstance(node.op, ast.Div | ast.FloorDiv) and right != 0 else None
    word = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    if not word:
        return None
    known = _WORDS.get(word.lower()) if isinstance(node, ast.Name) else None
    if known is not None:
        return known(sizes)
    value = attribute(sizes.config, word)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    return Dim.symbol(word) if isinstance(node, ast.Name) and word.islower() else None
