"""Single entries of a table that several modules share, each under a number of its own (``cache.is_updated[self.layer_idx]``).

A recorded run that comes to such a table only in this way depends on its own entry and not on the rest of the table,
which its like have changed in the meantime.
"""

from __future__ import annotations

from typing import Any

from specdiff.interp import attributes
from specdiff.interp.objects import MISSING, Frame, HostMethod, Instance, Value
from specdiff.interp.run import Run
from specdiff.interp.tracked import Cell, RunRecording, Tracked
from specdiff.ir import nodes as ir

_PLAIN = frozenset({type(None), bool, int, float, str})
_TABLES = frozenset({dict, list})


def table(run: Run, node: ir.Attr, frame: Frame) -> tuple[Value, bool]:
    """The value of an attribute, and whether the recording has come to what it holds by this expression alone."""
    obj = run.evaluate(node.value, frame)
    run.line = node.line
    recording = run.recording
    if type(recording) is not RunRecording or not isinstance(obj, Instance) or "getattribute" in obj.cls.flags:
        return attributes.get(run, obj, node.name), False
    own = obj.attrs.get(node.name)
    new = type(own) in _TABLES and id(own) not in recording.outside
    value = attributes.get(run, obj, node.name)
    return value, new and value is own and id(own) in recording.outside


def read(run: Run, container: Any, index: Tracked) -> Value:
    """An entry of a table that `table` gave, or `MISSING` where the run depends on the table as a whole."""
    recording = index.recording
    if recording is not run.recording or type(recording) is not RunRecording:
        return MISSING
    found = entry(container, index.value)
    if type(found) not in _PLAIN:
        return MISSING
    del recording.outside[id(container)]
    recording.read_cell(Cell(container, index.function, index.value, found))
    return found


def got(run: Run, method: Value, args: tuple[Value, ...]) -> Value:
    """``table.get(index)`` of a table that `table` gave, or `MISSING` as for `read`."""
    if type(method) is not HostMethod or method.name != "get" or type(method.receiver) is not dict:
        return MISSING
    index, default = (*args, None)[:2]
    if type(index) is not Tracked or len(args) > 2 or type(default) not in _PLAIN:
        return MISSING
    recording = index.recording
    if index.value not in method.receiver and recording is run.recording and type(recording) is RunRecording:
        del recording.outside[id(method.receiver)]
        recording.read_cell(Cell(method.receiver, index.function, index.value, MISSING))
        return default
    return read(run, method.receiver, index)


def write(run: Run, container: Any, index: Tracked, value: Value) -> bool:
    """Set an entry of a table that `table` gave; False where the run has to count as one that changes the table."""
    recording = index.recording
    if recording is not run.recording or type(recording) is not RunRecording or type(value) not in _PLAIN:
        return False
    before = entry(container, index.value)
    if not run.on_every_way() or (before is MISSING and type(container) is list):
        return False
    del recording.outside[id(container)]
    recording.read_cell(Cell(container, index.function, index.value, before))
    run.touch(container)
    container[index.value] = value
    recording.cells_set[id(container), index.value] = Cell(container, index.function, index.value, value)
    return True


def entry(container: Any, key: Any) -> Value:
    """What a table has under a key, or `MISSING`."""
    try:
        return container[key]
    except (LookupError, TypeError):
        return MISSING
