"""Spreads files over processes. A worker that dies costs one row: the class that it was at.

The parent hands out one file at a time, so sharing (the library around the models, interpreted once per process) and
balance both come by themselves. A worker that has grown too large is replaced after its file.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from specdiff import codec
from specdiff.errors import Problem, SpecdiffError
from specdiff.facts import Evidence, FactSheet, Undecided
from specdiff.options import Options, Told
from specdiff.project.targets import Target
from specdiff.results import ClassResult, Confidence, Finding, Severity
from specdiff.session import Session, deeply

MAX_WORKER_BYTES = 600 * 1024 * 1024
"""Memory of a worker above which it is replaced; one more file takes it to less than 1 GiB."""

ATTEMPTS = 2
"""How often a class is tried whose worker died (the first may have died of what came before it)."""

_BEGIN, _ROW, _WRONG, _END = b"b", b"r", b"w", b"e"
_STOP = b""
_SEPARATOR = b"\0"

Render = Callable[[ClassResult], str]


class _Task(NamedTuple):
    """A file, and the classes of it that are done or given up."""

    place: int
    """Of the file among all."""
    skip: tuple[str, ...] = ()


@dataclass
class _Worker:
    """A process and what it is at; owned by the parent."""

    process: Any
    connection: Connection
    task: _Task | None = None
    done: list[str] = field(default_factory=list)
    at: str = ""


def job_count(options: Options) -> int:
    """How many processes to use."""
    if options.jobs > 0:
        return options.jobs
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def results(
    items: Sequence[Target], options: Options, named: Collection[int], told: Told | None = None
) -> Iterator[tuple[int, ClassResult]]:
    """Results as they are done, each with the place of its file; classes of one file in their order.

    Args:
        items: The files.
        options: What the run is asked for.
        named: Places of files that were asked for by name: what is wrong with one of them ends the run, what is wrong
            with a file found in a folder is that file's row.
        told: Told how far the work is.

    Raises:
        SpecdiffError: see ``named``.
    """
    for index, row in _spread(items, options, named, None, told):
        if isinstance(row, ClassResult):
            yield index, row
        else:
            yield index, codec.decode(row)[0]


def rows(
    items: Sequence[Target], options: Options, named: Collection[int], render: Render, told: Told | None = None
) -> Iterator[str]:
    """Renderings as they are done; see `results`. ``render`` runs in the workers."""
    for _, row in _spread(items, options, named, render, told):
        yield render(row) if isinstance(row, ClassResult) else row.decode("utf-8", "surrogatepass")


def _spread(
    items: Sequence[Target], options: Options, named: Collection[int], render: Render | None, told: Told | None
) -> Iterator[tuple[int, bytes | ClassResult]]:
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    waiting = deque(_Task(index) for index in range(len(items)))
    attempts: dict[tuple[int, str], int] = {}
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < min(job_count(options), len(waiting) + len(workers)):
                workers.append(_started(context, items, options, render, waiting.popleft()))
            for connection in wait([worker.connection for worker in workers]):
                worker = next(worker for worker in workers if worker.connection is connection)
                try:
                    message = worker.connection.recv_bytes()
                except (EOFError, OSError):
                    workers.remove(worker)
                    yield from _lost(worker, items, waiting, attempts)
                    continue
                assert worker.task is not None
                kind, body = message[:1], message[1:]
                if kind == _BEGIN:
                    worker.at = body.decode()
                elif kind == _ROW:
                    name, _, row = body.partition(_SEPARATOR)
                    worker.done.append(name.decode())
                    worker.at = ""
                    yield worker.task.place, row
                elif kind == _WRONG:
                    problems = [Problem(*fields) for fields in json.loads(body)]
                    if worker.task.place in named:
                        raise SpecdiffError(*problems)
                    yield worker.task.place, _wrong(items[worker.task.place], problems)
                else:
                    if told is not None:
                        told(len(items) - len(waiting) - len(workers) + 1, len(items))
                    if waiting and body != b"large":
                        _assign(worker, waiting.popleft())
                    else:
                        workers.remove(worker)
                        _dismiss(worker)
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()
            worker.connection.close()


def _started(context: Any, items: Sequence[Target], options: Options, render: Render | None, task: _Task) -> _Worker:
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, items, options, render), daemon=True)
    process.start()
    there.close()
    worker = _Worker(process, here)
    _assign(worker, task)
    return worker


def _assign(worker: _Worker, task: _Task) -> None:
    worker.task, worker.done, worker.at = task, [], ""
    with contextlib.suppress(OSError):  # it may have died; reading from it says so
        worker.connection.send_bytes(
            _SEPARATOR.join([str(task.place).encode(), *(name.encode() for name in task.skip)])
        )


def _dismiss(worker: _Worker) -> None:
    with contextlib.suppress(OSError):
        worker.connection.send_bytes(_STOP)
    worker.process.join()
    worker.connection.close()


def _lost(
    worker: _Worker, items: Sequence[Target], waiting: deque[_Task], attempts: dict[tuple[int, str], int]
) -> Iterator[tuple[int, ClassResult]]:
    """A worker died: its class is tried once more in a fresh process, then given up; the file's others go on."""
    worker.process.join()
    worker.connection.close()
    task = worker.task
    assert task is not None
    skip = (*task.skip, *worker.done)
    tried = attempts[task.place, worker.at] = attempts.get((task.place, worker.at), 0) + 1
    if tried < ATTEMPTS:
        waiting.appendleft(_Task(task.place, skip))
        return
    code = worker.process.exitcode
    how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    message = f"the process that analysed it died ({how})"
    place = Evidence(items[task.place].path.name, 0, 0, message)
    yield task.place, _row(items[task.place], worker.at, "internal.crash", place)
    if worker.at:
        waiting.appendleft(_Task(task.place, (*skip, worker.at)))


def _wrong(target: Target, problems: Sequence[Problem]) -> ClassResult:
    """The row of a file that is not fit to be analysed."""
    first = problems[0]
    message = "; ".join(problem.message for problem in problems)
    return _row(target, "", "input.wrong", Evidence(first.file, first.line, first.line, message))


def _row(target: Target, name: str, identifier: str, place: Evidence) -> ClassResult:
    """The row of a class, or of a whole file, that could not be analysed."""
    return ClassResult(
        name=name or "::".join((target.path.stem, *target.classes[:1])),
        file=place.file,
        line=place.line,
        tree=None,
        parameters={},
        tied=(),
        total_parameters=None,
        active_parameters=None,
        sheet=FactSheet({}, {}, {}),
        calls=(),
        live=(),
        unused=(),
        undecided=(Undecided(place.what, place.file, place.line),),
        findings=(Finding(identifier, Severity.ERROR, Confidence.HIGH, place.what, place),),
        verdict="undecided",
    )


def _work(connection: Connection, items: Sequence[Target], options: Options, render: Render | None) -> None:
    """The worker: files until it is dismissed or has grown too large."""

    def serve() -> None:
        session = Session(options)
        while True:
            message = connection.recv_bytes()
            if message == _STOP:
                break
            index, *skip = message.split(_SEPARATOR)
            try:
                for result in session.analyse(
                    items[int(index)],
                    skip=[name.decode() for name in skip],
                    begin=lambda name: connection.send_bytes(_BEGIN + name.encode()),
                ):
                    row = codec.encode([result]) if render is None else render(result).encode("utf-8", "surrogatepass")
                    connection.send_bytes(_ROW + result.name.encode() + _SEPARATOR + row)
            except SpecdiffError as error:
                connection.send_bytes(_WRONG + json.dumps([astuple(problem) for problem in error.problems]).encode())
            connection.send_bytes(_END + (b"large" if _resident_bytes() > MAX_WORKER_BYTES else b""))
        session.close()

    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):  # the parent is gone
        deeply(serve)


def _resident_bytes() -> int:
    """Memory this process occupies now; its peak where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        import resource  # noqa: PLC0415 - not there on every system

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
