"""The only module that names every stage: target -> program -> built model -> graphs -> facts -> match."""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from specdiff.audit import (
    Subject,
    audit,
    dormant,
    live_share,
    settings_flow,
    source_of_unbuilt,
    suppressed,
    verdict,
)
from specdiff.audit.gates import branches
from specdiff.audit.mentioned import Mentioned
from specdiff.cache import ir_cache
from specdiff.detect import computation, detect
from specdiff.detect.reruns import with_prompt_beyond, without_examples
from specdiff.detect.scene import Scene
from specdiff.detect.shares import shares
from specdiff.errors import Problem, SpecdiffError, TargetError
from specdiff.facts import FactSheet, Undecided
from specdiff.failing import DEFECT, refusal, unbuilt
from specdiff.graph.calls import call_edges, function_id
from specdiff.graph.canonical import neutral_places
from specdiff.graph.computed import computed, refused
from specdiff.graph.liveness import Liveness, liveness
from specdiff.graph.modules import Collector, Folder, NamedParameter, tied_pairs, total
from specdiff.graph.operations import Operations
from specdiff.graph.parts import split
from specdiff.graph.uses import steps, uses
from specdiff.interp import guarding
from specdiff.interp.dims import MADE
from specdiff.interp.evaluator import new_run
from specdiff.interp.objects import ClassVal, Function, ModuleVal
from specdiff.interp.values import Place, Unknown
from specdiff.intrinsics.table import TableLibrary
from specdiff.options import Options
from specdiff.project.arguments import takes
from specdiff.project.build import Built, Entry, Failure, build, entry_name, is_pretrained, model_classes, read_config
from specdiff.project.forward import Forwarded, forward, outputs_in
from specdiff.project.inputs import kinds_left_out
from specdiff.project.locate import Roots
from specdiff.project.modes import PADDED
from specdiff.project.modules import Program
from specdiff.project.programs import ProgramCalls, calls_of_program
from specdiff.project.reach import Edges, calls_of_modes, possible_calls, possible_reads
from specdiff.project.settings import OF_WEIGHTS, about_weights, plain_settings, setting_places
from specdiff.project.targets import Target
from specdiff.project.unreached import unreached
from specdiff.results import Branch, ClassResult, ComputedPart, Finding, Suppression

_OTHER_WAYS = (PADDED, "decode", "train")
"""Ways of calling ``forward`` beside the plain prompt, each of which shows operations that the plain one has not."""
RECURSION_LIMIT = 12_000
"""Host frames: `limits.MAX_CALL_DEPTH` analysed calls of some forty host frames each, and a margin."""


def new_program(target: Target, options: Options) -> Program:
    """A program with its run, ready to build classes of a target."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    guarding.DEBUG = options.debug
    library = TableLibrary()
    program = Program(target.roots, library, target.model_prefixes, ir_cache() if options.use_cache else None)
    program.attention = options.attention
    program.run = new_run(program, library)
    return program


def program_calls(path: Path) -> ProgramCalls:
    """The call graph of a plain Python program (`programs`)."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    library = TableLibrary()
    program = Program(Roots({}, path.resolve().parent), library)
    program.run = new_run(program, library)
    return calls_of_program(program, path.stem)


def _without_backend(values: dict[str, Any]) -> dict[str, Any]:
    """Published values without the backend that a publisher ran attention with: the one asked for is followed."""
    return {
        key: _without_backend(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if key != "_attn_implementation"
    }


def config_values(target: Target, options: Options, published: dict[str, Any] | None = None) -> dict[str, Any]:
    """Published configuration values with the settings of this run on top."""
    if options.config is None and published is not None:
        values = copy.deepcopy(published)
    else:
        path = options.config or target.config
        values = read_config(path, target.roots.tree) if path is not None else {}
    values = _without_backend(values)
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


def analyse(
    program: Program,
    target: Target,
    options: Options,
    published: dict[str, Any] | None = None,
    skip: Collection[str] = (),
    begin: Callable[[str], None] | None = None,
) -> Iterator[ClassResult]:
    """The classes of one file, one after the other; one class's failure is that class's result.

    Args:
        program: From `new_program`.
        target: The file.
        options: What the run is asked for.
        published: A configuration in place of the target's own; ``--config`` goes before it.
        skip: Classes to leave out.
        begin: Called with the name of each class before it is analysed.

    Raises:
        SpecdiffError: the file, a class or the configuration is not there or cannot be read.
    """
    MADE.clear()
    values = config_values(target, options, published)
    program.target = target.path
    module = program.module(target.module)
    if isinstance(module, Unknown) or module.unit is None:
        raise TargetError(Problem(target.text, 0, 0, "the module cannot be read"))
    module.unit.essential = True
    entries = model_classes(program, module, target.classes)
    if options.settings or options.config is not None:
        _refuse_unknown(program, entries, options, values)
    for entry in entries:
        name = entry_name(entry)
        if name in skip:
            continue
        if begin is not None:
            begin(name)
        if isinstance(entry, tuple):
            failed = unbuilt(name, module.file, _line_of(module, name), entry[1])
            yield _with_source(failed, program, None, module, options)
            continue
        if options.computation or options.operations:
            program.run.memo.clear()  # what is copied from another class's parts does not show which way it went
        try:
            built = build(program, target, entry, values)
            yield class_result(
                program, built, options, options.config or target.config, asked=bool(values), published=values
            )
        except SpecdiffError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect met in one class is that class's row
            if options.debug:
                raise
            message = f"a defect in specdiff itself: {type(error).__name__}: {error}"
            yield unbuilt(name, entry.file, entry.line, Failure(DEFECT, message, ()))


def _refuse_unknown(program: Program, entries: list[Entry], options: Options, values: Mapping[str, Any]) -> None:
    """Say which settings none of the classes can take, before anything is built; and that a file has none that one takes."""
    classes = [entry for entry in entries if not isinstance(entry, tuple)]
    if not classes or any(isinstance(cls, ClassVal) and is_pretrained(cls) for cls in classes):
        return

    def useless(key: str) -> bool:
        return not any(takes(program.run, cls, key.partition(".")[0]) for cls in classes)

    where = ", ".join(cls.name for cls in classes[:3])
    unknown = [key for key, _ in options.settings if useless(key)]
    if unknown:
        raise TargetError(*[Problem("--set", 0, 0, f"{key}: {where} takes no such setting") for key in unknown])
    meant = [key for key in values if key not in OF_WEIGHTS]
    if options.config is not None and meant and all(map(useless, meant)):
        raise TargetError(Problem(str(options.config), 0, 0, f"{where} takes none of its settings"))


def _line_of(module: ModuleVal, name: str) -> int:
    return next((chunk.line for chunk in module.unit.chunks if chunk.name == name), 0)


def is_defect(result: ClassResult) -> bool:
    """Whether a result says that the analyser failed, so that it is not worth keeping."""
    return any(finding.id == "build.defect" for finding in result.findings)


def class_result(
    program: Program,
    built: Built,
    options: Options,
    config_path: Path | None = None,
    *,
    asked: bool = False,
    published: Mapping[str, Any] | None = None,
) -> ClassResult:
    """Everything known about one built class.

    Args:
        program: The program that built it.
        built: The class and its instance.
        options: What the run is asked for.
        config_path: The ``config.json`` its configuration was made from.
        asked: Whether its configuration says something of its own beside the class's defaults.
        published: What is published beside the weights, whether or not the configuration's class has a place for it.
    """
    cls = built.cls
    if built.instance is None:
        assert built.failure is not None
        from_outside = asked or bool(options.config or options.settings or config_path)
        result = unbuilt(built.name, cls.file, cls.line, built.failure, built, given=from_outside)
        if options.computation and built.failure.kind not in ("Undecided", "Limit", DEFECT):
            where = result.findings[0].primary
            raises = computation.refused(f"raises {built.failure.kind}", where.file, where.line)
            sheet = replace(result.sheet, facts={**result.sheet.facts, raises.key: raises})
            result = replace(result, sheet=sheet)
        return _with_source(result, program, cls, cls.module, options)
    collector = Collector()
    parameters = collector.parameters(built.instance)
    tree = Folder().node(built.instance)
    count = total(parameters)
    ties = tied_pairs(parameters)
    notes = [Undecided(reason, place.file, place.line) for reason, place in built.notes]
    notes.extend(_unknown_sizes(parameters, cls))
    for (owner, name), value in collector.unknown.items():
        at = value.place or Place(cls.file, cls.line)
        notes.append(Undecided(f"what {owner} holds as {name} is not known: {value.reason}", at.file, at.line))
    calls: tuple[tuple[str, str], ...] = ()
    alive: Liveness | None = None
    sheet = FactSheet({}, {}, {})
    parts: dict[str, int] = {}
    settings: dict[str, Any] = {**about_weights(published or {}), **plain_settings(built.config)}
    why_not = ""
    ran: Forwarded | None = None
    operations: Operations | None = None
    findings: list[Finding] = []
    edges: Edges = {}
    idle: tuple[str, ...] = ()
    program.constructed.update(callee for _, callee in program.run.edges)
    if needs_forward(options):
        program.detailed = options.computation or options.operations
        ran = forward(program, built, options.mode)
        edges = ran.edges
        wanted = not options.only or bool(options.only & {"calls", "unreached"})
        if wanted or (ran.failure is not None and needs_audit(options)):
            edges = {**edges, **possible_calls(program, built, ran.inputs)}
        notes.extend(Undecided(reason, place.file, place.line) for reason, place in ran.notes)
        if ran.left_out:
            given = "forward was followed without " + ", ".join(ran.left_out)
            notes.append(Undecided(given, cls.file, cls.line))
        if ran.failure is not None:
            place = next((p for p in ran.failure.places if not p.file.startswith("<")), None)
            why_not = f"forward could not be followed: {ran.failure.words}"
            notes.append(Undecided(why_not, place.file if place else cls.file, place.line if place else cls.line))
            if ran.failure.shape and ran.certain:
                findings.append(refusal(ran.failure, cls))
        elif ran.trace is not None:
            operations = Operations(ran.trace.ops, ran.nodes, ran.trace.constants)
            names = [item.name for item in parameters]
            alive = liveness(
                operations,
                names,
                ties,
                lambda: possible_reads(program, built, ran),
                ran.trace.lost,
                whole=not ran.left_out,
            )
            if outputs_in(ran.outputs)[1]:
                # What is missing from the output may be where they go.
                alive = replace(alive, unused=frozenset(), open=alive.open | alive.unused)
            if alive.open:
                notes.append(Undecided(_open_text(alive.open), cls.file, cls.line))
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
            setting_places(built.config, config_path, program.roots.tree),
            (cls.file, cls.line),
            why_not,
            ran is not None and ran.failure is not None and ran.failure.kind not in ("Undecided", "Limit"),
            untold=kinds_left_out(built.cls, program.run, ran.inputs) if ran is not None else (),
            text=Mentioned(program, built, tree, settings),
        )
        sheet = detect(scene, debug=options.debug)
        parts = split(tree, ties, shares(scene))
        if ran is not None and ran.failure is not None and ran.failure.shape and ran.certain:
            sheet = replace(sheet, raises=refusal(ran.failure, cls).primary)
        if ran is not None and ran.limits and ran.failure is None:
            sheet = with_prompt_beyond(program, built, ran, scene, sheet)
        if ran is not None:
            sheet = without_examples(program, built, ran, scene, sheet)
    audited: tuple[Finding, ...] = ()
    gated: tuple[Branch, ...] = ()
    comments: tuple[Suppression, ...] = ()
    judged, missing, share = "undecided", tuple[str, ...](), None
    if ran is not None and (needs_audit(options) or options.computation):
        subject = Subject(
            program,
            built,
            parameters,
            ties,
            tree,
            settings,
            operations,
            alive,
            ran.failure,
            _callees(ran.edges, edges),
            ran.outputs,
            ran.certain,
        )
        if options.computation:
            sheet = _with_computation(subject, sheet, ran)
    if ran is not None and needs_audit(options):
        heard, broken = audit(subject, debug=options.debug)
        notes.extend(broken)
        audited, comments = suppressed(subject, heard)
        judged, missing = verdict(subject, (*findings, *audited))
        if broken and judged == "complete":
            judged = "undecided"  # what the audit that failed would have said is not known
        share = live_share(subject)
        if "branches" in options.only:
            gated = branches(subject)
    if ran is not None and (not options.only or options.only & {"calls", "unreached"}):
        edges = {**edges, **calls_of_modes(program, built, ran)}
        calls = call_edges(edges)
        reached = {callee for _, callee in edges} | program.constructed
        idle = tuple(dict.fromkeys(map(function_id, unreached(program, built, reached))))
    active = sheet.facts.get("parameters.active")
    return ClassResult(
        name=built.name,
        file=cls.file,
        line=cls.line,
        tree=tree,
        parameters={item.name: item.shape for item in parameters},
        tied=tuple(ties),
        total_parameters=count,
        active_parameters=active.value if active is not None and isinstance(active.value, int) else None,
        sheet=sheet,
        calls=calls,
        unreached=idle,
        live=_in_order(parameters, alive.live) if alive else (),
        unused=_in_order(parameters, alive.unused) if alive else (),
        selects=_in_order(parameters, alive.selects) if alive else (),
        undecided=tuple(dict.fromkeys(notes)),
        findings=(*findings, *audited),
        verdict=judged,
        config=settings,
        uses=uses(operations) if operations is not None and needs_facts(options) else (),
        steps=steps(operations) if operations is not None and needs_facts(options) else (),
        missing=missing,
        live_share=share,
        suppressions=comments,
        branches=gated,
        parts=parts,
        computed=_computed(program, built, ran) if ran is not None and options.operations else (),
        operations=computation.compared(_followed("", ran)) if ran and "operations" in options.only else (),
    )


def _with_source(
    result: ClassResult, program: Program, cls: ClassVal | None, module: ModuleVal, options: Options
) -> ClassResult:
    """The result of a class that could not be built with what its text reaches outside: the first thing to know of it."""
    if not needs_audit(options):
        return result
    return replace(result, findings=(*result.findings, *source_of_unbuilt(program, cls, module)))


def _with_computation(subject: Subject, sheet: FactSheet, plain: Forwarded) -> FactSheet:
    """The sheet with every operation of every way of calling ``forward`` as a fact, and the way of every setting."""
    program, built = subject.program, subject.built
    flow = settings_flow(subject)
    runs = [_followed("", plain)]
    ran: Edges = dict(plain.edges if plain.failure is None else {})
    for mode in _OTHER_WAYS:
        if runs[0].operations is not None:
            other = forward(program, built, mode)
            ran.update(other.edges if other.failure is None else {})
            runs.append(_followed(mode, other))
    neutral = {place for run in runs if run.operations is not None for place in neutral_places(run.operations)}
    called = [callee for _, callee in {**built.edges, **ran}]
    idle = dormant(subject, called, neutral, _mute(ran, runs))
    sheet = replace(sheet, facts={**sheet.facts, flow.key: flow, idle.key: idle})
    found = computation.operations(runs, (built.cls.file, built.cls.line))
    if isinstance(found, Undecided):
        return replace(sheet, undecided={**sheet.undecided, computation.OPERATIONS: found})
    return replace(sheet, facts={**sheet.facts, found.key: found})


def _computed(program: Program, built: Built, plain: Forwarded) -> tuple[ComputedPart, ...]:
    """Every operation of every way of calling ``forward`` that could be followed, and where others certainly raise."""
    found: list[ComputedPart] = []
    for name, ran in (("", plain), *((mode, forward(program, built, mode)) for mode in _OTHER_WAYS)):
        run = _followed(name, ran)
        if run.operations is not None:
            found.extend(computed(run.operations, name, run.lost))
        elif run.failure and ran.failure is not None and ran.certain:
            places = [place for place in ran.failure.places if not place.file.startswith("<")]
            place = places[0] if places else Place(built.cls.file, built.cls.line)
            found.append(refused(name, f"{ran.failure.kind}: {ran.failure.message}", place.file, place.line))
    return tuple(found)


def _mute(called: Edges, runs: Iterable[computation.Run]) -> list[Function]:
    """Functions that runs call and of which no output tells, nor of what they call: numbers made in plain Python."""
    telling = {
        (run.operations[index].file, run.operations[index].function)
        for run in runs
        if run.operations is not None
        for index in run.operations.ancestors(run.operations.outputs)
    }
    callers: dict[int, list[Function]] = {}
    for caller, callee in called:
        if caller is not None:
            callers.setdefault(id(callee), []).append(caller)
    loud: set[int] = set()
    waiting = [callee for _, callee in called if (callee.file, callee.qualname) in telling]
    while waiting:
        function = waiting.pop()
        if id(function) not in loud:
            loud.add(id(function))
            waiting.extend(callers.get(id(function), ()))
    # Of what a plain function made and the analysis lost hold of, its text has to tell.
    lost = {
        (run.operations[index].file, run.operations[index].function)
        for run in runs
        if run.operations is not None
        for index in run.lost
    }
    return list(
        {
            id(callee): callee
            for _, callee in called
            if id(callee) not in loud or (callee.owner is None and (callee.file, callee.qualname) in lost)
        }.values()
    )


def _followed(name: str, ran: Forwarded) -> computation.Run:
    if ran.failure is not None or ran.trace is None:
        certain = ran.failure is not None and ran.failure.kind not in ("Undecided", "Limit")
        return computation.Run(name, None, failure=f"raises {ran.failure.kind}" if certain and ran.failure else "")
    found = Operations(ran.trace.ops, ran.nodes, ran.trace.constants)
    return computation.Run(name, found, frozenset(ran.trace.lost))


def _unknown_sizes(parameters: list[NamedParameter], cls: ClassVal) -> Iterator[Undecided]:
    """One entry per line of code that made parameters of a size that is not known."""
    found: dict[tuple[str, int], list[str]] = {}
    for item in parameters:
        if not item.is_known:
            place = item.tensor.place
            found.setdefault((place.file, place.line) if place is not None else (cls.file, cls.line), []).append(
                item.name
            )
    for (file, line), names in found.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield Undecided(f"the size of parameter {names[0]}{more} is not known", file, line)


def _open_text(names: frozenset[str]) -> str:
    shown = sorted({re.sub(r"(?<=\.)\d+(?=\.|$)", "N", name) for name in names})
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return f"the run of forward does not tell whether {', '.join(shown[:3])}{more} are used (other inputs, training)"


def needs_forward(options: Options) -> bool:
    """Whether what is asked for takes a run of ``forward``."""
    return not options.only or bool(options.only - {"parameters", "tied", "total_parameters"})


def needs_facts(options: Options) -> bool:
    """Whether what is asked for takes the detectors."""
    return not options.only or bool(options.only & {"facts", "active_parameters", "verdict"})


def needs_audit(options: Options) -> bool:
    """Whether what is asked for takes the audits."""
    return not options.only or bool(options.only & {"findings", "verdict"})


def _callees(followed: Edges, possible: Edges) -> tuple[Function, ...]:
    """Functions that forward calls."""
    return tuple(dict.fromkeys(callee for _, callee in {**followed, **possible}))


def _in_order(parameters: list[NamedParameter], names: frozenset[str]) -> tuple[str, ...]:
    return tuple(item.name for item in parameters if item.name in names)
