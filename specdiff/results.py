"""The data that analysing and checking return; reports turn it into text and nothing else does."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from specdiff.facts import Evidence, FactSheet, Level, Undecided, Value


class Severity(StrEnum):
    """How bad a finding is if it is right."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Confidence(StrEnum):
    """How sure the analysis is that a finding is right."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Finding:
    """What the analysis has to say about one place."""

    id: str
    """Stable, lower-case, dotted (`build.error`)."""
    severity: Severity
    confidence: Confidence
    message: str
    primary: Evidence
    related: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Suppression:
    """A comment that suppresses findings."""

    file: str
    line: int
    ids: tuple[str, ...]
    reason: str
    used: tuple[str, ...]
    """Those of its ids that did suppress something."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter or buffer of a module, by its own name."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    file: str
    line: int
    """Where it was built."""


@dataclass(frozen=True, slots=True)
class ModuleNode:
    """A module of the built tree. Identical neighbours in a container are folded: one node, several names."""

    names: tuple[str, ...]
    """Attribute names under the parent; more than one where identical siblings are folded (`0` … `35`)."""
    class_name: str
    file: str
    """Where the class is defined; empty for library layers."""
    line: int
    params: tuple[Param, ...]
    buffers: tuple[Param, ...]
    children: tuple[ModuleNode, ...]
    settings: dict[str, Value] = field(default_factory=dict)
    """Plain values the module keeps (`eps`, `bias`, `num_heads`), for facts and diagrams."""

    @property
    def count(self) -> int:
        """How many identical modules this node stands for."""
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Use:
    """Where a parameter first meets data in ``forward``."""

    name: str
    kind: str
    """The operation."""
    source: int
    """Number of the operation that made the data; equal for two parameters that read the same data; -1 for none."""
    turned: bool
    """Whether the parameter is transposed on its way there."""
    file: str
    line: int
    contracted: int = 0
    """The axis along which the stored weight is summed with the data, from the end; 0 where there is no such one."""
    role: str = ""
    """What becomes of the product: `query`, `key`, `value`, `gate`, `up`, several joined by `+`, with `/2` behind where gate and up rows alternate."""
    buffer: bool = False
    """Whether it is stored without being trained."""
    shape: tuple[int, ...] = ()
    """Of a buffer."""
    place: int = 0
    """The how-manieth operand of the operation it is, from 0."""
    rows: tuple[tuple[str, int, int, int], ...] = ()
    """Of a fused one, where it is known: (part, first row, rows in one go, rows from one go to the next or 0), as they stand."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a drawing at operation level; what only changes a tensor's shape is left out."""

    number: int
    kind: str
    inputs: tuple[int, ...]
    """Numbers of the steps whose results it reads."""
    shape: str
    """Of the result, sizes that are not known by their names."""
    parameters: tuple[str, ...]
    module: str
    file: str
    line: int
    function: str = ""
    """Qualified name of the function that carries it out; of an input, the argument's name."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch on the path whose condition settings of the configuration decide, at least in part."""

    file: str
    first: int
    """1-based, of what runs."""
    last: int
    condition: int
    """Line of the condition."""
    negated: bool
    """Whether it runs where the condition does not hold."""
    settings: tuple[str, ...]
    """Dotted names in the configuration."""
    test: tuple[Value, ...]
    """When it runs, conditions around it included: an operator and its operands (`audit.gates`)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A tensor that an operation reads."""

    label: str
    """``#N`` (the part's own N-th operation), ``#N of PATH`` (an enclosing part's), ``stream`` (what the layer before
    gives), ``result R of PATH``, ``parameter PATH``, ``buffer CONTENT``, or ``input NAME``; paths as
    `graph.computed.relative` writes them."""
    size: tuple[int, ...] | None
    """Its shape with small numbers for the sizes of the input; None where it is not known."""
    dtype: str
    values: tuple[float, ...] | None = None
    """Its numbers, row by row, where it is a short constant; a single one where all are the same; of complex ones, both parts."""


@dataclass(frozen=True, slots=True)
class Computed:
    """One operation of one part of a run, as comparing two models needs it."""

    kind: str
    said: str
    """Its settings, without a plain number that is added, multiplied or taken to."""
    reads: tuple[Seen, ...]
    shape: str
    """Of what is asked for a shape; empty for others, whose inputs say it."""
    number: float | None
    """A plain number that it takes."""
    result: Seen
    """What it makes."""
    settings: dict[str, Value]
    """All that it was given, as far as that is plain values; sizes as in `Seen`. ``open``: axes whose sizes data decide."""
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class ComputedPart:
    """What one layer, or all that stands outside of layers, computes in one way of calling ``forward``."""

    run: str
    """Empty for the plain prompt, else `padded`, `decode` or `train`."""
    paths: tuple[str, ...]
    """Module paths of the layers that compute this; the empty one for what is outside of layers."""
    operations: tuple[Computed, ...]
    streams: tuple[str, ...] = ()
    """By path: what its ``stream`` is, as a label outside of layers; empty where it reads none."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of ``forward`` in a form that the writing of the code leaves no trace in (`graph.canonical`)."""

    text: str
    """Its kind, with the parameters that it reads and its settings."""
    digest: str
    """Of all that its result depends on."""
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class OperationPart:
    """What one part of a model computes, as two states of its code are compared: equal layers once, or everything outside
    of layers."""

    label: str
    """``model``, or a path with the members in braces (``model.layers.*{0-31}``)."""
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class ClassResult:
    """Everything `inspect` says about one model class."""

    name: str
    file: str
    line: int
    tree: ModuleNode | None
    """None where the class could not be built."""
    parameters: dict[str, tuple[int, ...]]
    """In torch's `named_parameters(remove_duplicate=False)` order."""
    tied: tuple[tuple[str, str], ...]
    total_parameters: int | None
    active_parameters: int | None
    sheet: FactSheet
    calls: tuple[tuple[str, str], ...]
    live: tuple[str, ...]
    unused: tuple[str, ...]
    undecided: tuple[Undecided, ...]
    findings: tuple[Finding, ...]
    verdict: str
    """`complete`, `partial`, `skeleton` or `undecided`."""
    config: dict[str, Value] = field(default_factory=dict)
    """The configuration the class was built with, as plain values."""
    unreached: tuple[str, ...] = ()
    """Functions that the model's classes bring along and that neither their constructors nor ``forward`` call."""
    selects: tuple[str, ...] = ()
    """Parameters that only decide which data are taken: neither live nor unused."""
    uses: tuple[Use, ...] = ()
    """In the order in which ``forward`` comes to them."""
    steps: tuple[Step, ...] = ()
    """One layer of each kind, and what stands outside of layers."""
    missing: tuple[str, ...] = ()
    """What a class that is not complete lacks."""
    live_share: float | None = None
    """The share of parameters that take part in an output; None where ``forward`` could not be followed."""
    suppressions: tuple[Suppression, ...] = ()
    """Comments in the code that suppress findings."""
    branches: tuple[Branch, ...] = ()
    """Branches that settings decide; only where `branches` was asked for."""
    computed: tuple[ComputedPart, ...] = ()
    """Every operation of every run that could be followed; only where `Options.operations` asks for it."""
    operations: tuple[OperationPart, ...] = ()
    """What a prompt runs through; only where `operations` was asked for, and empty where ``forward`` was not followed."""
    parts: dict[str, int] = field(default_factory=dict)
    """Parameters by what they are for (`specdiff.graph.parts.PARTS`), tied ones once."""


class Status(StrEnum):
    """What became of a claim."""

    MATCH = "match"
    MISMATCH = "mismatch"
    MISSING = "missing"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class SourceRef:
    """Where a claim comes from."""

    id: str
    """Key into the spec's `sources`."""
    where: str
    """Section, table or field."""
    quote: str


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """One claim held against the code."""

    key: str
    status: Status
    expected: Value
    actual: Value
    level: Level | None
    """The level the fact was proven at; None where there is no fact."""
    needed: Level
    """The level the claim needs."""
    source: SourceRef
    evidence: tuple[Evidence, ...]
    reason: str = ""
    """Why it is undecided, missing or contradicted, one sentence."""
    spec_line: int = 0
    known_deviation: str = ""
    """Why the spec says that the code differs for a good reason; the verdict then leaves the claim out."""


@dataclass(frozen=True, slots=True)
class Extra:
    """A fact that no claim covers."""

    key: str
    value: Value
    level: Level
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document that claims cite."""

    id: str
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One spec held against one model class."""

    spec: str
    """Path of the spec as given."""
    name: str
    """The model's name in the spec."""
    target: str
    """`gpt_oss::GptOssForCausalLM`."""
    verdict: Status
    """The worst status: mismatch, then missing, undecided, match."""
    claims: tuple[ClaimResult, ...]
    extras: tuple[Extra, ...]
    findings: tuple[Finding, ...]
    documents: tuple[SourceDocument, ...]
    code: ClassResult
    release: dict[str, Value] = field(default_factory=dict)
    """What the publisher says is open; reported beside the verdict, never mixed with it."""
    sources: dict[str, str] = field(default_factory=dict)
    """Text of the files that evidence points into, for excerpts; keys as in `Evidence.file`."""
