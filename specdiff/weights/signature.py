"""Verifies an OpenSSF model signature with the `model-signing` package, where that is installed; nothing is signed here."""

from __future__ import annotations

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
    try:
        from model_signing import verifying  # noqa: PLC0415 - optional
    except ImportError:
        raise TargetError(
            Problem(str(signature), 0, 0, "verifying needs the model-signing package: pip install model-signing")
        ) from None
    config = verifying.Config()
    try:
        if trust.public_key is not None:
            config = config.use_elliptic_key_verifier(public_key=trust.public_key)
        else:
            config = config.use_sigstore_verifier(identity=trust.identity, oidc_issuer=trust.issuer)
        config.verify(folder, signature)
    except Exception as error:  # noqa: BLE001 - whatever a library says about a bad signature is the answer
        return f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return ""


def verified(result: WeightsResult, signature: Path, wrong: str) -> WeightsResult:
    """A result with an issue where the signature does not hold."""
    if not wrong:
        return result
    issue = Issue("signature", Severity.ERROR, signature.name, f"the signature does not hold: {wrong}", signature.name)
    return replace(result, issues=(issue, *result.issues))
