"""`specdiff weights`: does a published checkpoint fit the code?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from specdiff.cli.options import DIFFERS, OK, TARGET_HELP, add_classes, emit, pipeline_options, wants_colour


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command and its options."""
    weights = commands.add_parser(
        "weights",
        parents=[shared],
        help="hold a checkpoint against the code",
        description="Hold a checkpoint's headers against the code's parameters; no tensor data is read.",
    )
    weights.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="a folder, a *.safetensors file, or an index.json alone"
    )
    weights.add_argument("target", nargs="?", metavar="TARGET", help=TARGET_HELP + " (default: what config.json names)")
    add_classes(weights)
    weights.add_argument("--hashes", action="store_true", help="print each file's SHA-256 (reads the files whole)")
    weights.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="hold SHA-256 hashes against a manifest (sha256sum's format, or JSON from names to hashes)",
    )
    weights.add_argument(
        "--spec",
        metavar="SPEC",
        help="hold SHA-256 hashes against those that a spec's release.hashes gives as published",
    )
    weights.add_argument(
        "--signature",
        type=Path,
        metavar="FILE",
        help="verify an OpenSSF model signature (needs the model-signing package; reads the files whole)",
    )
    weights.add_argument("--public-key", type=Path, metavar="FILE", help="the signer's public key, PEM")
    weights.add_argument(
        "--identity", default="", metavar="NAME", help="the signer's identity, with --issuer (sigstore)"
    )
    weights.add_argument("--issuer", default="", metavar="URL", help="who vouches for the identity")
    weights.add_argument(
        "--format", choices=("terminal", "markdown", "json"), default="terminal", help="(default: terminal)"
    )
    weights.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare, print, and say by the exit code whether it fits."""
    from specdiff import checkpoints
    from specdiff.report import weights as report
    from specdiff.session import deeply
    from specdiff.weights import hashes, signature

    options = pipeline_options(arguments)
    result = deeply(lambda: checkpoints.weights(arguments.checkpoint, arguments.target, options))
    digests: dict[str, str] = {}
    published = _published(arguments.spec) if arguments.spec is not None else {}
    manifest = hashes.manifest(arguments.manifest) if arguments.manifest is not None else {}
    if arguments.hashes or arguments.manifest is not None or published:
        digests = hashes.of(result.checkpoint, {*published, *manifest})
    if arguments.manifest is not None:
        result = hashes.verified(result, digests, manifest)
    if published:
        result = hashes.verified(result, digests, published, "the spec")
    if arguments.signature is not None or arguments.public_key is not None or arguments.identity:
        folder = arguments.checkpoint if arguments.checkpoint.is_dir() else arguments.checkpoint.parent
        place = arguments.signature or signature.find(folder) or folder / signature.NAMES[0]
        trust = signature.Trust(arguments.public_key, arguments.identity, arguments.issuer)
        wrong = signature.verify(folder, place, trust)
        result = signature.verified(result, place, wrong)
        if not wrong:
            print(f"{place.name}: the signature holds", file=sys.stderr)  # noqa: T201
    emit(arguments, report.render(result, arguments.format, wants_colour(arguments), digests))
    return OK if result.fits else DIFFERS


def _published(place: str) -> dict[str, str]:
    """Hashes by file name that a spec's `release.hashes` gives.

    Raises:
        SpecdiffError: the spec does not load, or gives none.
    """
    from specdiff.errors import Problem, SpecdiffError
    from specdiff.spec.load import load_specs

    items = [item for spec in load_specs([Path(place)]) for item in spec.release if item.name == "hashes"]
    found = {name: digest for item in items for name, digest in item.files}
    if not found:
        raise SpecdiffError(Problem(place, 0, 0, "its release.hashes gives no files with their SHA-256"))
    return found
