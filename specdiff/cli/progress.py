"""Progress of long work: on standard error, and only where a person watches."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from specdiff.options import Told


@contextlib.contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Told]:
    """A bar from the first thing done to the last, gone when the work ends.

    Args:
        what: What is counted (``files``).
        quiet: Whether there is none: what is printed meanwhile goes to the same terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    # No thread of its own draws it: worker processes are forked while it stands.
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,
    )
    task = bar.add_task(what, total=None)

    def told(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total, refresh=True)

    try:
        yield told
    finally:
        bar.stop()
