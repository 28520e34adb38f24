"""specdiff compares model implementations with what their papers say, without running them.

import specdiff

result = specdiff.check("specs/gpt-oss-120b.yaml")
print(result.verdict, [claim.key for claim in result.claims if claim.status == "missing"])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specdiff._version import __version__

if TYPE_CHECKING:
    from specdiff.options import Options
    from specdiff.results import CheckResult, ClassResult
    from specdiff.spec.model import Spec

__all__ = ["__version__", "check", "inspect", "load_spec"]


def check(
    spec: str | Path,
    target: str | None = None,
    *,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    attention: str = "eager",
) -> CheckResult:
    """Hold a spec against the code it speaks of.

    Args:
        spec: Path of a YAML spec.
        target: What to analyse in place of the spec's own target.
        config: A `config.json` in place of the spec's.
        settings: Configuration values on top, by dotted key.
        attention: The attention back end to follow.

    Raises:
        SpecdiffError: the spec does not validate, or the target is not there.
    """
    from specdiff import api

    return api.check(Path(spec), _options((), config, settings, attention), target)


def inspect(
    target: str,
    classes: Sequence[str] = (),
    *,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    attention: str = "eager",
) -> list[ClassResult]:
    """Analyse a target's model classes: parameters, facts, calls, what is undecided.

    Args:
        target: A model type of the installed transformers, a file or a folder, each with an optional `::Class`.
        classes: Classes to analyse; all model classes when empty.
        config: A `config.json`.
        settings: Configuration values on top, by dotted key.
        attention: The attention back end to follow.

    Raises:
        SpecdiffError: the target or a class is not there, or the configuration cannot be read.
    """
    from specdiff import api

    return api.inspect(target, _options(tuple(classes), config, settings, attention))


def load_spec(path: str | Path) -> Spec:
    """Read and validate a spec.

    Raises:
        SpecError: it does not validate; the error carries every problem with file, line and column.
    """
    from specdiff.spec.load import load_spec as load

    return load(Path(path))


def _options(classes: tuple[str, ...], config: Any, settings: Mapping[str, Any] | None, attention: str) -> Options:
    from specdiff.options import Options

    return Options(
        classes=classes,
        config=Path(config) if config is not None else None,
        settings=tuple((settings or {}).items()),
        attention=attention,
    )
