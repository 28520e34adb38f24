"""What is read from a checkpoint and what comparing it with the code gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from specdiff.results import Severity


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor as a checkpoint's header describes it."""

    name: str
    dtype: str
    """As safetensors writes it (`BF16`, `F8_E4M3`); empty where only an index is there."""
    shape: tuple[int, ...] | None
    """None where only an index is there."""
    file: str
    begin: int = 0
    end: int = 0
    """Bytes within the file's data part."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One way in which a checkpoint is damaged or does not fit the code."""

    kind: str
    """One of `KINDS`."""
    severity: Severity
    name: str
    """Tensor, shard or file."""
    detail: str
    file: str = ""


KINDS: dict[str, str] = {
    "header": "a file's header cannot be read",
    "beside": "a file lies beside what the library loads",
    "offsets": "data ranges overlap, leave a gap or pass the file's end",
    "shard.missing": "the index names a shard that is not there",
    "shard.content": "a shard does not hold what the index says, or holds more",
    "duplicate": "a tensor is stored more than once",
    "missing": "the code has a parameter that the checkpoint does not have",
    "unexpected": "the checkpoint has a tensor that the code has no place for",
    "shape": "a tensor has another shape than the parameter",
    "dtype": "tensors have another number format than the configuration says",
    "scale": "a quantized weight's scales do not fit it",
    "tied.twice": "tied parameters are stored under each name",
    "buffer.missing": "the code has a persistent buffer that the checkpoint does not have",
    "conversion": "the library's conversion of a group of tensors fails or is not understood",
    "hash": "a file's SHA-256 differs from the one that was published",
    "signature": "the publisher's signature does not hold for the files",
}


@dataclass(slots=True)
class Checkpoint:
    """Everything the headers say. Owned and filled by `headers.read`."""

    path: str
    kind: str
    """`safetensors`, `safetensors index` or `pytorch index`."""
    tensors: dict[str, Stored] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    """Bytes per file that is there."""
    config: dict[str, object] | None = None
    """The folder's own `config.json`."""

    @property
    def bytes(self) -> int:
        """Bytes of tensor data."""
        return sum(each.end - each.begin for each in self.tensors.values())


@dataclass(frozen=True, slots=True)
class Logical:
    """What one or more stored tensors stand for: a parameter's value, perhaps quantized."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    """Shapes it may have in the code, most likely first; empty where it is not known."""
    elements: int | None
    """Number of values; None where it is not known."""
    layout: str
    """`plain`, or the id of a quantized layout."""
    parts: tuple[str, ...]
    """Names of the stored tensors."""
    dtype: str

    def holds(self, shape: tuple[int, ...]) -> bool | None:
        """Whether it can be a parameter of a shape; None where that cannot be told."""
        if self.shapes:
            return shape in self.shapes
        return None if self.elements is None else self.elements == prod(shape)


@dataclass(frozen=True, slots=True)
class WeightsResult:
    """A checkpoint held against one class."""

    target: str
    class_name: str
    checkpoint: Checkpoint
    issues: tuple[Issue, ...]
    """The checkpoint's own and those against the code, worst first."""
    matched: int
    """Parameters of the code that the checkpoint fills."""
    parameters: int
    layouts: dict[str, int]
    """Parameters per layout."""
    converted: int
    """Stored tensors that the library renames or converts on loading."""
    notes: tuple[str, ...]
    """What could not be told."""

    @property
    def fits(self) -> bool:
        """Whether nothing is wrong at error level."""
        return not any(issue.severity is Severity.ERROR for issue in self.issues)
