"""Analyses one file after the other: from the store where nothing changed, else by the pipeline.

The pipeline and the interpreter are imported when something must be analysed, and not before.
"""

from __future__ import annotations

import atexit
import gc
import threading
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from specdiff.options import Options
from specdiff.project.targets import Target
from specdiff.results import ClassResult
from specdiff.store import Store

if TYPE_CHECKING:
    from specdiff.project.modules import Program

STACK_BYTES = 512 * 1024 * 1024
"""Stack of the thread that analyses (address space, not memory): `pipeline.RECURSION_LIMIT` host frames fit, also
where each of them goes through C."""

FRAME_SLOTS = 1024 * 1024 + 1
"""Size of one frame, in words, that has CPython reserve twice as much (chunks double until it fits): 8 MiB stay for
the frames above, some 30,000 of ordinary size. What nobody touches takes address space, not memory."""

GC_THRESHOLD = (400_000, 20, 100)
"""How rarely cyclic garbage is looked for: nearly all that a run makes lives until the model is done with, and walking
it again and again costs a fifth of the run."""

_Result = TypeVar("_Result")


class Session:
    """Programs kept between targets, so that the library around the models is interpreted once."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._store = Store() if options.use_cache and not options.debug else None
        self._programs: dict[str, Program] = {}

    def analyse(
        self,
        target: Target,
        published: dict[str, Any] | None = None,
        skip: Collection[str] = (),
        begin: Callable[[str], None] | None = None,
    ) -> Iterator[ClassResult]:
        """The results for the classes of one file; one class's failure is that class's result.

        Args:
            target: The file.
            published: A configuration in place of the target's own; ``--config`` goes before it.
            skip: Classes to leave out.
            begin: Called with the name of each class before it is analysed.

        Raises:
            SpecdiffError: the file, a class or the configuration is not there or cannot be read.
        """
        store = self._store
        found = store.get(target, self.options, published) if store is not None else None
        if found is not None:
            yield from (result for result in found if result.name not in skip)
            return
        from specdiff import pipeline  # noqa: PLC0415 - the interpreter only where something must be analysed

        program = self.program(target)
        results: list[ClassResult] = []
        try:
            for result in pipeline.analyse(program, target, self.options, published, skip, begin):
                results.append(result)
                yield result
            if store is not None and not skip and not any(pipeline.is_defect(result) for result in results):
                store.put(target, self.options, published, results, program.facts(), program.ledger.shared)
        finally:
            program.forget_models()
            if program.cache is not None:
                program.cache.flush()

    def kept(self, target: Target) -> list[ClassResult] | None:
        """The results of an earlier run where they still hold; None where the file must be analysed."""
        return self._store.get(target, self.options, None) if self._store is not None else None

    def close(self) -> None:
        """Write what is to be kept and let go of the files."""
        for program in self._programs.values():
            if program.cache is not None:
                program.cache.close()
        if self._store is not None:
            self._store.close()

    def program(self, target: Target) -> Program:
        """The program for a target; targets that read the same packages share one."""
        from specdiff import pipeline  # noqa: PLC0415

        if target.roots.folder is not None:
            return pipeline.new_program(target, self.options)
        key = repr((sorted(target.roots.packages.items()), target.model_prefixes, target.roots.tree.digest()))
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = pipeline.new_program(target, self.options)
        return program


def _roomy(work: Callable[[], _Result]) -> _Result:
    """Call, from a frame so large that the chunk of stack it stands in has room for all frames above it.

    CPython gives its frames chunks of 16 KiB, each mapped when a call crosses into it and unmapped when that call
    returns, which a loop of calls at such a border does tens of thousands of times.
    """
    return work()


_roomy.__code__ = _roomy.__code__.replace(co_stacksize=FRAME_SLOTS)


def deeply(work: Callable[[], _Result]) -> _Result:
    """Run work in a thread whose stack is large enough for the interpreter's recursion."""
    gc.set_threshold(*GC_THRESHOLD)
    atexit.register(gc.freeze)  # a process that ends need not look for garbage in all that it made
    outcome: list[Callable[[], _Result]] = []

    def run() -> None:
        try:
            value = _roomy(work)
            outcome.append(lambda: value)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            caught = error

            def again() -> _Result:
                raise caught

            outcome.append(again)

    before = threading.stack_size(STACK_BYTES)
    try:
        thread = threading.Thread(target=run, name="specdiff", daemon=True)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    return outcome[0]()
