"""What a publisher says is open, held against two published yardsticks; beside the verdict, and never part of it.

A spec's `release` block says less than either yardstick asks for, so an answer is at most "nothing said rules it out".
"""

from __future__ import annotations

from typing import NamedTuple

from specdiff.facts import Value
from specdiff.results import CheckResult

OSAID = "Open Source AI Definition 1.0 (Open Source Initiative, October 2024, https://opensource.org/ai/open-source-ai-definition)"
MOF = "Model Openness Framework (White et al. 2024, arXiv:2403.13784)"

_APPROVED = frozenset(
    "apache-2.0 mit mit-0 bsd-2-clause bsd-3-clause isc mpl-2.0 gpl-2.0 gpl-3.0 lgpl-2.1 lgpl-3.0 agpl-3.0 artistic-2.0 bsl-1.0 "
    "ecl-2.0 epl-2.0 eupl-1.2 ms-pl ncsa osl-3.0 postgresql unlicense upl-1.0 zlib 0bsd afl-3.0 cddl-1.0 mulanpsl-2.0".split()
)
"""SPDX ids (lower case) that the Open Source Initiative lists as approved."""
_DATA_TERMS = frozenset(
    "cdla-permissive-2.0 cdla-permissive-1.0 cc-by-4.0 cc0-1.0 odc-by-1.0 pddl-1.0 openmdw-1.0".split()
)
"""Further terms that the framework accepts for parameters and data."""


class Measure(NamedTuple):
    """One yardstick's answer."""

    yardstick: str
    level: str
    answer: str
    """`not met` with what rules it out, or `not ruled out` with what the spec does not say."""


def measures(result: CheckResult) -> tuple[Measure, ...]:
    """The definition and the framework's three classes; empty where the spec says nothing about the release."""
    if not result.release:
        return ()
    said = {name.removeprefix("release."): _plain(entry) for name, entry in result.release.items()}
    terms = _terms(result, said)
    definition = [
        _item("the weights", said.get("weights")),
        _item("code that runs the model", said.get("code")),
        _item("code that trains it", said.get("training_code")),
        # Data that are not published may still be described well enough, so a plain no decides nothing here.
        _item("information about the training data", True if said.get("training_data") is True else None),
        _item(f"terms that the Initiative approved{_named(terms)}", _judged(terms, _APPROVED)),
    ]
    parameters = [
        _item("the weights", said.get("weights")),
        _item(f"open terms{_named(terms)}", _judged(terms, _APPROVED | _DATA_TERMS)),
        _item("a technical report, evaluation results, model card and data card", None),
    ]
    tooling = [
        *parameters,
        _item("code that runs the model", said.get("code")),
        _item("code that trains it", said.get("training_code")),
        _item("code that evaluates it", None),
    ]
    science = [*tooling, _item("the training data", said.get("training_data")), _item("code that prepares them", None)]
    return (
        Measure(OSAID, "Open Source AI", _answer(definition)),
        Measure(MOF, "Class III, Open Model", _answer(parameters)),
        Measure(MOF, "Class II, Open Tooling", _answer(tooling)),
        Measure(MOF, "Class I, Open Science", _answer(science)),
    )


def _plain(entry: Value) -> Value:
    return entry.get("value") if isinstance(entry, dict) else entry


def _terms(result: CheckResult, said: dict[str, Value]) -> str:
    entry = result.release.get("weights") or result.release.get("release.weights")
    own = entry.get("license") if isinstance(entry, dict) else None
    return str(own or said.get("license") or "")


def _named(terms: str) -> str:
    return f" ({terms})" if terms else ""


def _judged(terms: str, known: frozenset[str]) -> bool | None:
    if not terms:
        return None
    plain = terms.lower().removesuffix("-only").removesuffix("-or-later")
    return plain in known


def _item(what: str, value: Value) -> tuple[str, bool | None]:
    return what, value if isinstance(value, bool) else None


def _answer(items: list[tuple[str, bool | None]]) -> str:
    lacking = [what for what, value in items if value is False]
    if lacking:
        return f"not met: {', '.join(lacking)}"
    silent = [what for what, value in items if value is None]
    return (
        f"not ruled out; the spec does not say: {', '.join(silent)}" if silent else "met as far as the publisher says"
    )
