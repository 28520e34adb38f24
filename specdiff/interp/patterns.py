"""``match`` patterns."""

from __future__ import annotations

from specdiff.interp import attributes, lookups, ops
from specdiff.interp.expressions import evaluate
from specdiff.interp.objects import ClassVal, Frame, Instance, Value
from specdiff.interp.run import Run
from specdiff.interp.tracked import plain
from specdiff.interp.values import Unknown
from specdiff.ir import nodes as ir


def matches(run: Run, pattern: ir.Pattern, subject: Value, frame: Frame) -> bool | None:
    """Whether a value matches, binding captures; None where that is not known."""
    subject = plain(subject)
    if isinstance(pattern, ir.PatCapture):
        if pattern.name is not None:
            frame.locals[pattern.name] = subject
        return True
    if isinstance(pattern, ir.PatAs):
        answer = matches(run, pattern.pattern, subject, frame)
        if answer:
            frame.locals[pattern.name] = subject
        return answer
    if isinstance(pattern, ir.PatOr):
        for option in pattern.patterns:
            answer = matches(run, option, subject, frame)
            if answer is not False:
                return answer
        return False
    if isinstance(subject, Unknown):
        return None
    if isinstance(pattern, ir.PatValue):
        return ops.truth(run, ops.compare(run, "==", subject, evaluate(run, pattern.value, frame)))
    if isinstance(pattern, ir.PatSequence):
        return _sequence(run, pattern, subject, frame)
    if isinstance(pattern, ir.PatMapping):
        return _mapping(run, pattern, subject, frame)
    if isinstance(pattern, ir.PatClass):
        return _class(run, pattern, subject, frame)
    return False


def _sequence(run: Run, pattern: ir.PatSequence, subject: Value, frame: Frame) -> bool | None:
    if not isinstance(subject, list | tuple):
        return False
    items = pattern.items
    star = next((index for index, item in enumerate(items) if isinstance(item, ir.PatStar)), None)
    if star is None:
        if len(items) != len(subject):
            return False
        return _all(run, list(zip(items, subject, strict=True)), frame)
    after = len(items) - star - 1
    if len(subject) < len(items) - 1:
        return False
    rest = items[star]
    assert isinstance(rest, ir.PatStar)
    if rest.name is not None:
        frame.locals[rest.name] = list(subject[star : len(subject) - after])
    pairs = [*zip(items[:star], subject[:star], strict=True)]
    if after:
        pairs += [*zip(items[star + 1 :], subject[-after:], strict=True)]
    return _all(run, pairs, frame)


def _all(run: Run, pairs: list[tuple[ir.Pattern, Value]], frame: Frame) -> bool | None:
    undecided = False
    for pattern, value in pairs:
        answer = matches(run, pattern, value, frame)
        if answer is False:
            return False
        undecided = undecided or answer is None
    return None if undecided else True


def _mapping(run: Run, pattern: ir.PatMapping, subject: Value, frame: Frame) -> bool | None:
    subject = lookups.payload(subject)
    if not isinstance(subject, dict):
        return False
    pairs = []
    keys = [evaluate(run, key, frame) for key in pattern.keys]
    for key, inner in zip(keys, pattern.patterns, strict=True):
        if key not in subject:
            return False
        pairs.append((inner, subject[key]))
    if pattern.rest is not None:
        frame.locals[pattern.rest] = {key: value for key, value in subject.items() if key not in keys}
    return _all(run, pairs, frame)


def _class(run: Run, pattern: ir.PatClass, subject: Value, frame: Frame) -> bool | None:
    cls = evaluate(run, pattern.cls, frame)
    if isinstance(cls, ClassVal):
        if not isinstance(subject, Instance) or cls not in subject.cls.mro:
            return False
        names = attributes.get(run, cls, "__match_args__", ())
    elif isinstance(cls, type):
        if not isinstance(subject, cls):
            return False
        if pattern.patterns:
            return matches(run, pattern.patterns[0], subject, frame)
        names = ()
    else:
        return None
    pairs = [(inner, attributes.get(run, subject, name)) for name, inner in zip(names, pattern.patterns, strict=False)]
    for name, inner in zip(pattern.keys, pattern.key_patterns, strict=True):
        value = attributes.get(run, subject, name, None)
        pairs.append((inner, value))
    return _all(run, pairs, frame)
