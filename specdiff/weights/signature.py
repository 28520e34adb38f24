"""Verifies an OpenSSF model signature with the `model-signing` package, where that is installed; nothing is signed here."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from pathlib import Path

from specdiff.errors import Problem, TargetError
from specdiff.results import Severity
from specdiff.weights.model import Issue, WeightsResult

NAMES = ("model.sig", "model_signature.sig")
"""What a signature is called when nothing is said."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signature counts: a public key, or an identity that an issuer vouches for."""

    public_key: Path | None = None
    identity: str = ""
    issuer: str = ""


def find(folder: Path) -> Path | None:
    """A checkpoint's own signature."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def verify(folder: Path, signature: Path, trust: Trust) -> str:
    """An empty text where the signature holds for every file of the folder, else what is wrong.

    Raises:
        TargetError: the package is not installed, the signature is not there, or nobody is named to trust.
    """
    if not signature.is_file():
        raise TargetError(Problem(str(signature), 0, 0, "no such signature"))
    if trust.public_key is None and not (trust.identity and trust.issuer):
        raise TargetError(
            Problem(str(signature), 0, 0, "whose signature? give --public-key, or --identity with --issuer")
        )
    if trust.public_key is not None and not trust.public_key.is_file():
        raise TargetError(Problem(str(trust.public_key), 0, 0, "no such key"))
    try:
        from model_signing import hashing, verifying  # noqa: PLC0415 - optional
    except ImportError as error:
        raise TargetError(Problem(str(signature), 0, 0, _lacking(error.name or ""))) from None
    config = verifying.Config()
    # As the package's own command does: the signature itself and git's files are not what was signed.
    config.set_hashing_config(hashing.Config().set_ignored_paths(paths=[signature.resolve()], ignore_git_paths=True))
    try:
        if trust.public_key is not None:
            config.use_elliptic_key_verifier(public_key=trust.public_key)
        else:
            config.use_sigstore_verifier(identity=trust.identity, oidc_issuer=trust.issuer)
    except Exception as error:  # noqa: BLE001 - whatever a library says about a key is the answer
        raise TargetError(Problem(str(trust.public_key or trust.issuer), 0, 0, f"cannot be used: {error}")) from None
    try:
        config.verify(folder.resolve(), signature)
    except Exception as error:  # noqa: BLE001 - whatever a library says about a bad signature is the answer
        return _said(error)
    return ""


def _lacking(module: str) -> str:
    """What to install; the package of 2025 leaves out one that it imports where sigstore no longer brings it along."""
    if module.partition(".")[0] in ("model_signing", ""):
        return "verifying needs the model-signing package: pip install model-signing"
    package = {"OpenSSL": "pyOpenSSL"}.get(module.partition(".")[0], module)
    return f"the model-signing package is installed and cannot import {module}: pip install {package}"


_KINDS = (
    (re.compile(r"Hash mismatch for '(.+)': Expected", re.DOTALL), "changed since"),
    (re.compile(r"Extra files found in model .*?': (.+)", re.DOTALL), "not signed"),
    (re.compile(r"Missing files in model .*?': (.+)", re.DOTALL), "missing"),
)
"""The package's sentences, which it gives as the text of a list of them."""


def _said(error: Exception) -> str:
    """The package's words on one line, digests left out."""
    text = str(error)
    try:
        sentences = [str(each) for each in ast.literal_eval(text.partition(": ")[2])]
    except (ValueError, SyntaxError):
        sentences = []
    names: dict[str, list[str]] = {}
    for sentence in sentences:
        for pattern, kind in _KINDS:
            if match := pattern.match(sentence):
                names.setdefault(kind, []).append(match[1])
    if names:
        return "; ".join(f"{kind}: {', '.join(found)}" for kind, found in names.items())
    return " ".join(f"{type(error).__name__}: {text}".split()).removesuffix(":")


def verified(result: WeightsResult, signature: Path, wrong: str) -> WeightsResult:
    """A result with an issue where the signature does not hold."""
    if not wrong:
        return result
    issue = Issue("signature", Severity.ERROR, signature.name, f"the signature does not hold: {wrong}", signature.name)
    return replace(result, issues=(issue, *result.issues))
