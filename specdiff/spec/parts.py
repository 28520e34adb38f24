"""One spec file as parts: its base and its variants, before `extends` and variants are put together."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from specdiff.errors import Problem
from specdiff.results import SourceDocument, SourceRef
from specdiff.spec import document
from specdiff.spec.claims import Context, read_claim, read_release, read_source
from specdiff.spec.document import Mapping, Scalar, Sequence, Unreadable
from specdiff.spec.fields import Report, check_known, describe, mapping, required_text, text
from specdiff.spec.model import Claim, Json, ReleaseItem

VERSION = 1
"""Of the file format."""

MAX_CONFIG_BYTES = 20_000_000
"""Largest config.json; published ones with long quantization lists have a few megabytes."""

_PART_FIELDS = ("target", "config", "config_source", "without", "claims", "release")
_FILE_FIELDS = ("specdiff", "name", "extends", "sources", "variants", *_PART_FIELDS)
_SOURCE_FIELDS = ("title", "url", "version", "note")


@dataclass(frozen=True, slots=True)
class Dropped:
    """One entry of ``without``."""

    key: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Part:
    """What a file (or one variant in it) says beyond what it extends."""

    target: str = ""
    config: dict[str, Json] | None = None
    config_path: str = ""
    config_source: SourceRef | None = None
    without: tuple[Dropped, ...] = ()
    claims: dict[str, Claim] = field(default_factory=dict)
    release: dict[str, ReleaseItem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpecFile:
    """One file, read and checked by itself."""

    name: str
    documents: dict[str, SourceDocument]
    base: Part
    variants: dict[str, Part]
    problems: tuple[Problem, ...]


class Reader:
    """Reads one file's sections; owned by one `read_file` call."""

    def __init__(self, path: str, inherited: dict[str, SourceDocument] | None, allow_todo: bool) -> None:
        self.report = Report(path)
        self._inherited = inherited
        self._allow_todo = allow_todo

    def file(self, root: Mapping) -> SpecFile:
        """The whole file; problems are collected."""
        report = self.report
        check_known(root, "spec", _FILE_FIELDS, report)
        self._version(root)
        name = required_text(root, "name", "spec", "the model's name", report)
        extends = text(root, "extends", "spec", report)
        documents = self._documents(root)
        sources = None if self._inherited is None else frozenset(self._inherited) | frozenset(documents)
        context = Context(sources, report, self._allow_todo)
        base = self._part(root, context)
        variants: dict[str, Part] = {}
        if "variants" in root.entries:
            node = mapping(root.entries["variants"][1], "variants", report)
            for key, (_, body) in (node.entries if node else {}).items():
                part = mapping(body, f"variants: {key}", report)
                if part is not None:
                    check_known(part, f"variants: {key}", _PART_FIELDS, report)
                    variants[key] = self._part(part, context)
        claimed = bool(base.claims) or any(part.claims for part in variants.values())
        if not (extends or claimed or report.problems):
            report.add(root, "spec: there are no claims; say what the sources claim under claims")
        return SpecFile(name, documents, base, variants, tuple(report.problems))

    def _version(self, root: Mapping) -> None:
        if "specdiff" not in root.entries:
            self.report.add(root, f"spec: 'specdiff: {VERSION}' is missing (the version of the spec format)")
            return
        node = root.entries["specdiff"][1]
        if not isinstance(node, Scalar) or node.value != VERSION or isinstance(node.value, bool):
            self.report.add(node, f"spec: format version {VERSION} is the only one, found {describe(node)}")

    def _documents(self, root: Mapping) -> dict[str, SourceDocument]:
        documents: dict[str, SourceDocument] = {}
        if "sources" not in root.entries:
            return documents
        node = mapping(root.entries["sources"][1], "sources", self.report)
        for name, (key, body) in (node.entries if node else {}).items():
            what = f"sources: {name}"
            documents[name] = SourceDocument(name, "", "")
            source = mapping(body, what, self.report)
            if source is None:
                continue
            check_known(source, what, _SOURCE_FIELDS, self.report)
            title = required_text(source, "title", what, "the document's title", self.report)
            url = required_text(source, "url", what, "where to read it", self.report)
            text(source, "version", what, self.report)
            text(source, "note", what, self.report)
            documents[name] = SourceDocument(name, title, url)
            inherited = (self._inherited or {}).get(name)
            if inherited is not None and inherited.url != url:
                self.report.add(key, f"{what}: the extended spec has another document under this id; choose another id")
        return documents

    def _part(self, node: Mapping, context: Context) -> Part:
        report = self.report
        config, config_path = self._config(node)
        config_source: SourceRef | None = None
        if "config_source" in node.entries:
            body = mapping(node.entries["config_source"][1], "config_source", report)
            if body is not None:
                check_known(body, "config_source", ("source", "where", "quote"), report)
                config_source = read_source(body, "config_source", context, quote=False)
        return Part(
            target=text(node, "target", "spec", report),
            config=config,
            config_path=config_path,
            config_source=config_source,
            without=self._without(node),
            claims=self._claims(node, context),
            release=self._release(node, context),
        )

    def _claims(self, node: Mapping, context: Context) -> dict[str, Claim]:
        if "claims" not in node.entries:
            return {}
        body = mapping(node.entries["claims"][1], "claims", self.report)
        found = [read_claim(name, value, context) for name, value in (body.entries.values() if body else ())]
        return {claim.key: claim for claim in found if claim is not None}

    def _release(self, node: Mapping, context: Context) -> dict[str, ReleaseItem]:
        if "release" not in node.entries:
            return {}
        body = mapping(node.entries["release"][1], "release", self.report)
        found = [read_release(name, value, context) for name, value in (body.entries.values() if body else ())]
        return {item.name: item for item in found if item is not None}

    def _without(self, node: Mapping) -> tuple[Dropped, ...]:
        if "without" not in node.entries:
            return ()
        listing = node.entries["without"][1]
        if not isinstance(listing, Sequence):
            self.report.add(listing, f"without: expected a list of keys, found {describe(listing)}")
            return ()
        dropped: list[Dropped] = []
        for item in listing.items:
            if isinstance(item, Scalar) and item.text:
                dropped.append(Dropped(item.text, item.line, item.column))
            else:
                self.report.add(item, f"without: expected a key, found {describe(item)}")
        return tuple(dropped)

    def _config(self, node: Mapping) -> tuple[dict[str, Json] | None, str]:
        """The configuration and the file it came from."""
        if "config" not in node.entries:
            return None, ""
        value = node.entries["config"][1]
        if isinstance(value, Mapping):
            return _json_mapping(document.plain(value)), ""
        if not isinstance(value, Scalar) or not isinstance(value.value, str) or not value.value:
            self.report.add(value, f"config: expected a path or a mapping, found {describe(value)}")
            return None, ""
        path = os.path.normpath(os.path.join(os.path.dirname(self.report.file), value.value))
        try:
            return _read_config(path), path
        except FileNotFoundError:
            self.report.add(value, f"config: no such file: {path}")
        except OSError as error:
            self.report.add(value, f"config: cannot read {path}: {error.strerror}")
        except Unreadable as error:
            self.report.problems.append(error.problem)
        return None, ""


def read_file(path: str, root: Mapping, inherited: dict[str, SourceDocument] | None, allow_todo: bool) -> SpecFile:
    """Checks one file's tree.

    Args:
        path: As given; a relative `config` is looked up beside it.
        root: The file's tree.
        inherited: Documents of the specs it extends, which its claims may cite; None where those cannot be read.
        allow_todo: Accept claims whose source is still TODO.
    """
    return Reader(path, inherited, allow_todo).file(root)


def read_tree(path: str) -> tuple[Mapping | None, list[Problem]]:
    """A file's tree; None (and the reason as a problem) where there is none."""
    try:
        with open(path, "rb") as stream:
            raw = stream.read(document.MAX_BYTES + 1)
    except FileNotFoundError:
        return None, [Problem(path, 0, 0, "no such file")]
    except OSError as error:
        return None, [Problem(path, 0, 0, f"cannot be read: {error.strerror}")]
    if len(raw) > document.MAX_BYTES:
        return None, [Problem(path, 0, 0, f"larger than {document.MAX_BYTES} bytes, which no spec is")]
    try:
        decoded = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + raw.count(b"\n", 0, error.start)
        return None, [Problem(path, line, 0, "not UTF-8 text")]
    try:
        root, problems = document.read(decoded, path)
    except Unreadable as error:
        return None, [error.problem]
    if isinstance(root, Mapping):
        return root, problems
    found = "nothing" if root is None else describe(root)
    return None, [
        *problems,
        Problem(path, 1, 1, f"spec: expected a mapping (specdiff, name, claims, …), found {found}"),
    ]


def _read_config(path: str) -> dict[str, Json]:
    with open(path, "rb") as stream:
        raw = stream.read(MAX_CONFIG_BYTES + 1)
    if len(raw) > MAX_CONFIG_BYTES:
        raise Unreadable(Problem(path, 0, 0, f"larger than {MAX_CONFIG_BYTES} bytes, which no config.json is"))
    try:
        value: object = json.loads(raw)
    except json.JSONDecodeError as error:
        raise Unreadable(Problem(path, error.lineno, error.colno, f"not JSON: {error.msg}")) from None
    except RecursionError:
        raise Unreadable(Problem(path, 0, 0, "not a configuration: nested too deeply")) from None
    except ValueError as error:
        raise Unreadable(Problem(path, 0, 0, f"not JSON: {error}")) from None
    if not isinstance(value, dict):
        raise Unreadable(Problem(path, 1, 1, "not a configuration: expected an object { … }"))
    return _json_mapping(value)


def _json_mapping(value: object) -> dict[str, Json]:
    """Asserts the type that the JSON parser (or `document.plain`) guarantees."""
    assert isinstance(value, dict)
    return value


def exists(path: str) -> bool:
    """Whether a file is there."""
    return Path(path).is_file()
