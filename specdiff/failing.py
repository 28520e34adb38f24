"""What is said of a class that could not be built, and of operands that torch refuses."""

from __future__ import annotations

from dataclasses import replace

from specdiff.detect import detect
from specdiff.detect.scene import Scene
from specdiff.facts import Evidence, FactSheet, Undecided
from specdiff.interp.objects import ClassVal
from specdiff.interp.values import Place
from specdiff.project.build import Built, Failure
from specdiff.project.settings import asks_in_vain, plain_settings, setting_places
from specdiff.results import ClassResult, Confidence, Finding, Severity

DEFECT = "Defect"
"""Kind of the failure that an exception inside the analyser is."""


def refusal(failure: Failure, cls: ClassVal) -> Finding:
    """Operands that torch refuses in ``forward``, as a finding."""
    places = [place for place in failure.places if not place.file.startswith("<")] or [Place(cls.file, cls.line)]
    first, *others = places
    related = tuple(
        Evidence(place.file, place.line, place.line, "called from here")
        for place in dict.fromkeys(others)
        if place != first
    )
    return Finding(
        f"shape.{failure.shape}",
        Severity.ERROR,
        Confidence.HIGH,
        failure.message,
        Evidence(first.file, first.line, first.line, failure.message),
        related,
    )


def unbuilt(
    name: str, file: str, line: int, failure: Failure, built: Built | None = None, *, given: bool = True
) -> ClassResult:
    """The result of a class that could not be built; `given` says that its configuration came from outside."""
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
    severity = Severity.WARNING if undecided else Severity.ERROR
    refused = failure.kind == "ImportError" or (not given and failure.kind != "NotImplementedError")
    asks = failure.kind == "TypeError" and failure.message.startswith(f"{name}.__init__() missing")
    if (failure.deliberate and refused) or asks:
        # A guard that asks for another package, refuses defaults that nobody asked for, or a constructor that takes more
        # than settings, is no defect of the code.
        severity = Severity.NOTE
    finding = Finding(
        "build.defect" if failure.kind == DEFECT else "build.undecided" if undecided else "build.error",
        severity,
        Confidence.MEDIUM if undecided else Confidence.HIGH,
        failure.message if undecided or failure.kind == DEFECT else f"{failure.kind}: {failure.message}",
        primary,
        related,
    )
    # A name that nothing defines is a piece that is not there; any other failure may be the configuration's.
    lacks = (failure.message,) if failure.kind == "NameError" and where is not None else ()
    entry = Undecided(f"the class could not be built: {finding.message}", primary.file, primary.line)
    notes = tuple(Undecided(reason, place.file, place.line) for reason, place in built.notes) if built else ()
    sheet = declared_only(file, line, built, entry.reason) if built is not None else FactSheet({}, {}, {})
    if given and (_certainly(failure) or (built and asks_in_vain(failure.kind, failure.message, built.config))):
        sheet = replace(sheet, raises=Evidence(primary.file, primary.line, primary.line, finding.message))
    return ClassResult(
        name,
        file,
        line,
        None,
        {},
        (),
        None,
        None,
        sheet,
        (),
        (),
        (),
        (entry, *notes),
        (finding,),
        "partial" if lacks else "undecided",
        missing=lacks,
    )


def _certainly(failure: Failure) -> bool:
    """Whether Python or torch refuses a value: not what a gap in the modelled libraries looks like, or a guard's own choice."""
    value = failure.kind in ("KeyError", "IndexError", "ValueError", "RuntimeError", "ZeroDivisionError")
    return not failure.deliberate and (value or failure.message.startswith("empty(): argument 'size'"))


def declared_only(file: str, line: int, built: Built, why: str) -> FactSheet:
    """What the configuration says of a class that could not be built."""
    settings = plain_settings(built.config)
    scene = Scene(None, {}, {}, (), settings, setting_places(built.config, None), (file, line), why, refused=True)
    return detect(scene)
