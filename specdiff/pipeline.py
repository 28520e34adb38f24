"""The only module that names every stage: target -> program -> built model -> graphs -> facts -> match."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specdiff.cache import ir_cache
from specdiff.detect import detect
from specdiff.detect.scene import Scene
from specdiff.errors import Problem, SpecdiffError, TargetError
from specdiff.facts import Evidence, FactSheet, Undecided
from specdiff.graph.calls import call_edges
from specdiff.graph.liveness import Liveness, liveness
from specdiff.graph.modules import Collector, Folder, NamedParameter, tied_pairs, total
from specdiff.graph.operations import Operations
from specdiff.interp import ops
from specdiff.interp.evaluator import new_run
from specdiff.interp.objects import ClassVal
from specdiff.interp.values import Unknown
from specdiff.intrinsics.table import TableLibrary
from specdiff.project.build import Built, Failure, build, model_classes, read_config
from specdiff.project.forward import forward, tensors_in
from specdiff.project.modules import Program
from specdiff.project.reach import possible_calls
from specdiff.project.settings import plain_settings, setting_places
from specdiff.project.targets import Target, resolve
from specdiff.results import CheckResult, ClassResult, Confidence, Finding, Severity

if TYPE_CHECKING:
    from specdiff.spec.model import Spec

RECURSION_LIMIT = 12_000
"""Host frames: `limits.MAX_CALL_DEPTH` analysed calls of some forty host frames each, and a margin."""


@dataclass(frozen=True)
class Options:
    """What a run is asked for."""

    classes: tuple[str, ...] = ()
    config: Path | None = None
    settings: tuple[tuple[str, object], ...] = ()
    only: frozenset[str] = frozenset()
    """Parts of the result to compute; empty means all."""
    attention: str = "eager"
    jobs: int = 0
    """Processes; 0 means one per core."""
    use_cache: bool = True
    debug: bool = False


class Session:
    """Programs kept between targets, so that the library around the models is interpreted once."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._programs: dict[str, Program] = {}

    def program(self, target: Target) -> Program:
        """The program for a target; targets that read the same packages share one."""
        shared = target.roots.folder is None
        key = repr((sorted(target.roots.packages.items()), target.model_prefixes)) if shared else ""
        program = self._programs.get(key) if shared else None
        if program is None:
            program = new_program(target, self.options)
            if shared:
                self._programs[key] = program
        return program

    def analyse(self, target: Target, published: dict[str, Any] | None = None) -> Iterator[ClassResult]:
        """Analyse the classes of one file; one class's failure is that class's result.

        Args:
            target: The file.
            published: A configuration in place of the target's own; ``--config`` goes before it.
        """
        program = self.program(target)
        values = config_values(target, self.options, published)
        try:
            yield from _analyse(program, target, values, self.options)
        finally:
            program.forget_models()
            if program.cache is not None:
                program.cache.flush()


def inspect(target: str, options: Options = Options()) -> list[ClassResult]:  # noqa: B008 - frozen
    """Analyse a target's model classes.

    Raises:
        SpecdiffError: the target, a class or the configuration is not there or cannot be read.
    """
    session = Session(options)
    return [result for item in resolve(target, options.classes) for result in session.analyse(item)]


def inspect_many(targets: Sequence[str], options: Options = Options()) -> Iterator[ClassResult]:  # noqa: B008 - frozen
    """Analyse several targets and folders, spread over processes."""
    session = Session(options)
    for target in targets:
        for item in resolve(target, options.classes):
            yield from session.analyse(item)


def new_program(target: Target, options: Options) -> Program:
    """A program with its run, ready to build classes of a target."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    ops.DEBUG = options.debug
    library = TableLibrary()
    program = Program(target.roots, library, target.model_prefixes, ir_cache() if options.use_cache else None)
    program.attention = options.attention
    program.run = new_run(program, library)
    return program


def config_values(target: Target, options: Options, published: dict[str, Any] | None = None) -> dict[str, Any]:
    """Published configuration values with the settings of this run on top."""
    if options.config is None and published is not None:
        values = copy.deepcopy(published)
    else:
        path = options.config or target.config
        values = read_config(path) if path is not None else {}
    for key, value in options.settings:
        place = values
        *parents, last = key.split(".")
        for parent in parents:
            inner = place.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise TargetError(Problem("--set", 0, 0, f"{key}: {parent} is not a mapping in this configuration"))
            place = inner
        place[last] = value
    return values


def _analyse(program: Program, target: Target, values: dict[str, Any], options: Options) -> Iterator[ClassResult]:
    module = program.module(target.module)
    if isinstance(module, Unknown) or module.unit is None:
        raise TargetError(Problem(target.text, 0, 0, "the module cannot be read"))
    for entry in model_classes(program, module, target.classes):
        if isinstance(entry, ClassVal):
            yield class_result(program, build(program, target, entry, values), options, options.config or target.config)
        else:
            yield _failed(entry[0], module.file, 0, entry[1])


def class_result(program: Program, built: Built, options: Options, config_path: Path | None = None) -> ClassResult:
    """Everything known about one built class.

    Args:
        program: The program that built it.
        built: The class and its instance.
        options: What the run is asked for.
        config_path: The ``config.json`` its configuration was made from.
    """
    cls = built.cls
    if built.instance is None:
        assert built.failure is not None
        return _failed(cls.name, cls.file, cls.line, built.failure, built)
    parameters = Collector().parameters(built.instance)
    tree = Folder().node(built.instance)
    count = total(parameters)
    ties = tied_pairs(parameters)
    notes = [Undecided(reason, place.file, place.line) for reason, place in built.notes]
    calls: tuple[tuple[str, str], ...] = ()
    alive: Liveness | None = None
    sheet = FactSheet({}, {}, {})
    settings: dict[str, Any] = plain_settings(built.config)
    why_not = ""
    operations: Operations | None = None
    if needs_forward(options):
        ran = forward(program, built)
        if not options.only or "calls" in options.only:
            calls = call_edges({**ran.edges, **possible_calls(program, built)})
        notes.extend(Undecided(reason, place.file, place.line) for reason, place in ran.notes)
        if ran.failure is not None:
            place = next((p for p in ran.failure.places if not p.file.startswith("<")), None)
            why_not = f"forward could not be followed: {ran.failure.message}"
            notes.append(Undecided(why_not, place.file if place else cls.file, place.line if place else cls.line))
        elif ran.trace is not None:
            outputs = tuple(t.node for t in tensors_in(ran.outputs) if t.node is not None)
            operations = Operations(ran.trace.ops, outputs, ran.trace.constants)
            alive = liveness(operations, [item.name for item in parameters], ties)
    if needs_facts(options):
        scene = Scene(
            operations,
            {item.name: item.shape for item in parameters},
            {
                item.name: (item.tensor.place.file, item.tensor.place.line)
                for item in parameters
                if item.tensor.place is not None
            },
            ties,
            settings,
            setting_places(built.config, config_path),
            (cls.file, cls.line),
            why_not,
        )
        sheet = detect(scene, debug=options.debug)
    active = sheet.facts.get("parameters.active")
    return ClassResult(
        name=cls.name,
        file=cls.file,
        line=cls.line,
        tree=tree,
        parameters={item.name: item.shape for item in parameters},
        tied=tuple(ties),
        total_parameters=count,
        active_parameters=active.value if active is not None and isinstance(active.value, int) else None,
        sheet=sheet,
        calls=calls,
        live=_in_order(parameters, alive.live) if alive else (),
        unused=_in_order(parameters, alive.unused) if alive else (),
        selects=_in_order(parameters, alive.selects) if alive else (),
        undecided=tuple(dict.fromkeys(notes)),
        findings=(),
        verdict="undecided",
        config=settings,
    )


def needs_forward(options: Options) -> bool:
    """Whether what is asked for takes a run of ``forward``."""
    return not options.only or bool(options.only - {"parameters", "tied", "total_parameters"})


def needs_facts(options: Options) -> bool:
    """Whether what is asked for takes the detectors."""
    return not options.only or bool(options.only & {"facts", "active_parameters", "verdict"})


def _in_order(parameters: list[NamedParameter], names: frozenset[str]) -> tuple[str, ...]:
    return tuple(item.name for item in parameters if item.name in names)


def _failed(name: str, file: str, line: int, failure: Failure, built: Built | None = None) -> ClassResult:
    places = failure.places or ()
    where = next((place for place in places if not place.file.startswith("<")), None)
    primary = Evidence(
        where.file if where else file, where.line if where else line, where.line if where else line, failure.message
    )
    related = tuple(
        Evidence(place.file, place.line, place.line, "called from here")
        for place in places
        if place is not where and not place.file.startswith("<")
    )
    undecided = failure.kind in ("Undecided", "Limit")
    finding = Finding(
        "build.undecided" if undecided else "build.error",
        Severity.WARNING if undecided else Severity.ERROR,
        Confidence.MEDIUM if undecided else Confidence.HIGH,
        failure.message if undecided else f"{failure.kind}: {failure.message}",
        primary,
        related,
    )
    entry = Undecided(f"the class could not be built: {finding.message}", primary.file, primary.line)
    notes = tuple(Undecided(reason, place.file, place.line) for reason, place in built.notes) if built else ()
    return ClassResult(
        name,
        file,
        line,
        None,
        {},
        (),
        None,
        None,
        FactSheet({}, {}, {}),
        (),
        (),
        (),
        (entry, *notes),
        (finding,),
        "undecided",
    )


def check(
    spec_path: Path,
    options: Options = Options(),
    target: str | None = None,
    *,
    allow_todo: bool = False,  # noqa: B008
) -> CheckResult:
    """Hold a spec that describes one model against the code.

    Raises:
        SpecdiffError: the spec does not validate or describes several models, or the target is not there.
    """
    from specdiff.spec.load import load_spec  # noqa: PLC0415 - YAML only where a spec is read

    return _check_spec(Session(options), load_spec(spec_path, allow_todo=allow_todo), target)


def check_all(
    spec_paths: Sequence[Path],
    options: Options = Options(),
    target: str | None = None,
    *,
    allow_todo: bool = False,  # noqa: B008
) -> list[CheckResult]:
    """Hold specs against the code, every variant of a family; nothing is checked where one does not validate.

    Raises:
        SpecdiffError: a spec does not validate or a target is not there; carries the problems of all.
    """
    from specdiff.spec.load import load_specs  # noqa: PLC0415 - YAML only where a spec is read

    session = Session(options)
    results: list[CheckResult] = []
    problems: list[Problem] = []
    for spec in load_specs(spec_paths, allow_todo=allow_todo):
        try:
            results.append(_check_spec(session, spec, target))
        except SpecdiffError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecdiffError(*problems)
    return results


def _check_spec(session: Session, spec: Spec, target: str | None) -> CheckResult:
    from specdiff.match.compare import check_spec  # noqa: PLC0415 - the matcher only where a spec is read

    text = target or spec.target
    if not text:
        raise TargetError(Problem(spec.path, 0, 0, "the spec names no target; give one with --target"))
    published = dict(spec.config) if spec.config is not None else None
    for item in resolve(text, session.options.classes):
        results = list(session.analyse(item, published))
        built = [result for result in results if result.tree is not None] or results
        if built:
            code = max(built, key=lambda result: result.total_parameters or 0) if not item.classes else built[0]
            return check_spec(spec, code, _target_name(text, code.name))
    raise TargetError(Problem(text, 0, 0, "there is no model class to check"))


def _target_name(text: str, name: str) -> str:
    return text if "::" in text else f"{text}::{name}"
