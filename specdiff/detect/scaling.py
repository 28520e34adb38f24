"""Rotary base and scaling, recovered from the frequencies that the code computes.

The formulas are tried on what the configuration declares and must reproduce the numbers:
linear (position interpolation, Chen et al. 2023, arXiv:2306.15595), YaRN (Peng et al. 2023, arXiv:2309.00071, section 3.2
and eq. 22), llama3 (Llama 3.1's reference code, `apply_scaling`), longrope (Ding et al. 2024, arXiv:2402.13753).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from specdiff.detect.scene import Scene, Tower, see
from specdiff.facts import Evidence, Level

if TYPE_CHECKING:
    from specdiff.detect.rotation import Rotation

CLOSE = 2e-5
"""Relative error at which two frequencies are the same: torch computes them in float32."""


def theta_of(rotation: Rotation) -> float | None:
    """The base of unscaled (or evenly divided) frequencies; None where they are not evenly spaced."""
    frequencies = rotation.frequencies
    count = len(frequencies)
    steps = [frequencies[i + 1] / frequencies[i] for i in range(count - 1)]
    if any(not math.isclose(step, steps[0], rel_tol=1e-4) for step in steps):
        return None
    ratio = float(frequencies[-1] / frequencies[0])
    base = _tidy(ratio ** (-count / (count - 1)))
    odd = _tidy(ratio ** (-(2 * count - 1) / (2 * count - 2)))  # over an odd number of channels, one fewer than turn
    return odd if _digits(odd) <= 2 and _digits(base) > 4 else base


def _digits(value: float) -> int:
    """Digits that a number is written with, zeros at its end left out."""
    return len(f"{value:.8e}".partition("e")[0].replace(".", "").rstrip("0"))


def _tidy(value: float) -> float:
    """A base without the rounding of float32: 9999.998 is 10000."""
    for digits in range(1, 9):
        rounded = float(f"{value:.{digits}g}")
        if math.isclose(rounded, value, rel_tol=CLOSE):
            return int(rounded) if rounded.is_integer() else rounded
    return value


def plain(theta: float, count: int, dims: int | None = None) -> list[float]:
    """Unscaled inverse frequencies, theta^(-2i/d)."""
    width = dims or 2 * count
    return [theta ** (-2 * i / width) for i in range(count)]


def yarn(
    theta: float, count: int, factor: float, original: int, fast: float, slow: float, truncate: bool
) -> list[float]:
    """YaRN's frequencies (arXiv:2309.00071, section 3.2: a ramp between kept and divided ones)."""
    width = 2 * count

    def channel(rotations: float) -> float:
        return width * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(theta))

    low, high = channel(fast), channel(slow)
    if truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, width - 1)
    if low == high:
        high += 0.001
    found = []
    for i, base in enumerate(plain(theta, count)):
        ramp = min(max((i - low) / (high - low), 0.0), 1.0)
        found.append(base / factor * ramp + base * (1 - ramp))
    return found


def llama3(theta: float, count: int, factor: float, low: float, high: float, original: int) -> list[float]:
    """Llama 3.1's frequencies: by wavelength, with a smooth part between."""
    found = []
    for base in plain(theta, count):
        length = 2 * math.pi / base
        if length > original / low:
            found.append(base / factor)
        elif length < original / high:
            found.append(base)
        else:
            smooth = (original / length - low) / (high - low)
            found.append((1 - smooth) * base / factor + smooth * base)
    return found


_LEAST = 8
"""Frequencies from which a ramp can be told."""


def _kept_and_divided(values: list[float]) -> tuple[float, list[float], float] | None:
    """Base, unscaled frequencies and factor of frequencies whose first are kept and whose last is divided."""
    count = len(values)
    if count < _LEAST or not math.isclose(values[0], 1.0, rel_tol=CLOSE) or min(values) <= 0:
        return None
    kept = 1
    while kept + 1 < count and math.isclose(values[kept + 1], values[1] ** (kept + 1), rel_tol=CLOSE):
        kept += 1
    if kept == count - 1 or values[kept] >= 1:
        return None
    theta = _tidy(float(values[kept] ** (-count / kept)))
    base = plain(theta, count)
    factor = _tidy(base[-1] / values[-1])
    return (theta, base, factor) if factor > 1 + CLOSE else None


def by_parts(frequencies: Any) -> tuple[float, float] | None:
    """Base and factor of frequencies that are kept, then ramped, then divided, with a ramp that is linear in the channel.

    That is YaRN's shape (arXiv:2309.00071, eq. 22 as its authors implement it): kept and divided ones fix the base and the
    factor, and what lies between must be a straight line. Llama 3's ramp is linear in 1/wavelength, so it fits none.
    """
    values = [float(value) for value in frequencies]
    count = len(values)
    ends = _kept_and_divided(values)
    if ends is None:
        return None
    theta, base, factor = ends
    if not math.isclose(base[-2] / values[-2], factor, rel_tol=10 * CLOSE):
        return None
    ramp = [(1 - value / own) / (1 - 1 / factor) for value, own in zip(values, base, strict=True)]
    between = [i for i, part in enumerate(ramp) if 1e-4 < part < 1 - 1e-4]
    if len(between) < 4 or between != list(range(between[0], between[-1] + 1)):
        return None
    step = (ramp[between[-1]] - ramp[between[0]]) / (len(between) - 1)
    start = ramp[between[0]] - step * between[0]
    line = [min(max(start + step * i, 0.0), 1.0) for i in range(count)]
    same = all(math.isclose(a, b, abs_tol=1e-4) for a, b in zip(ramp, line, strict=True))
    return (theta, factor) if same else None


def by_wavelength(frequencies: Any) -> tuple[float, float, float, float] | None:
    """Base, factor and the two wavelengths between which the ramp of Llama 3's frequencies lies, the longer one first.

    Kept and divided ones fix the base and the factor; the ramp between must be linear in the frequency. The wavelengths are
    the original context over the low and over the high factor: of these three numbers the frequencies fix no more.
    """
    values = [float(value) for value in frequencies]
    ends = _kept_and_divided(values)
    if ends is None:
        return None
    theta, base, factor = ends
    smooth = [(value / own - 1 / factor) / (1 - 1 / factor) for value, own in zip(values, base, strict=True)]
    between = [i for i, part in enumerate(smooth) if 1e-4 < part < 1 - 1e-4]
    if len(between) < 3 or between != list(range(between[0], between[-1] + 1)):  # noqa: PLR2004 - two fix a line, a third proves it
        return None
    first, last = between[0], between[-1]
    step = (smooth[first] - smooth[last]) / (base[first] - base[last])
    start = smooth[first] - step * base[first]
    if step <= 0 or start >= 0:
        return None
    line = [min(max(start + step * own, 0.0), 1.0) for own in base]
    if not all(math.isclose(a, b, abs_tol=1e-4) for a, b in zip(smooth, line, strict=True)):
        return None
    return theta, factor, 2 * math.pi * step / -start, 2 * math.pi * step / (1 - start)


def _same(found: Any, expected: list[float]) -> bool:
    return len(found) == len(expected) and all(
        math.isclose(a, b, rel_tol=CLOSE, abs_tol=1e-12) for a, b in zip(found, expected, strict=True)
    )


def declared(scene: Scene, tower: Tower, part: str) -> tuple[dict[str, Any], list[Evidence]]:
    """What the configuration says about the rotation, from any of the places where it may stand."""
    found: dict[str, Any] = {}
    evidence: list[Evidence] = []
    for place in ("", "text_config") if not tower.prefix else (f"{tower.prefix}_config", ""):
        for name in (
            "rope_theta",
            "rotary_emb_base",
            "rope_base",
            "max_position_embeddings",
            "partial_rotary_factor",
            "original_max_position_embeddings",
        ):
            setting = scene.setting(name, part=place)
            if setting is not None:
                found.setdefault(name, setting[0])
        for name in ("rope_parameters", "rope_scaling"):
            setting = scene.setting(name, part=place)
            if setting is None or not isinstance(setting[0], Mapping):
                continue
            values = setting[0]
            if part and isinstance(values.get(part), Mapping):
                values = values[part]
            elif any(isinstance(value, Mapping) for value in values.values()):
                continue
            found.update({key: value for key, value in values.items() if value is not None})
            evidence.append(setting[1])
    return found, evidence


def scaling_facts(scene: Scene, tower: Tower, rotation: Rotation, part: str) -> None:
    """`rope.theta` and `rope.scaling.*` from one set of frequencies."""
    key = tower.key
    frequencies = rotation.frequencies
    count = len(frequencies)
    assert rotation.frequencies_at is not None
    at = see(
        rotation.frequencies_at,
        f"{count} inverse frequencies, from {float(frequencies[0]):.4g} to {float(frequencies[-1]):.4g}",
    )
    settings, evidence = declared(scene, tower, part)
    kind = str(settings.get("rope_type", settings.get("type", "default")))
    even = theta_of(rotation)
    factor = settings.get("factor")
    theta = settings.get("rope_theta", settings.get("rotary_emb_base", settings.get("rope_base")))
    if even is not None and math.isclose(float(frequencies[0]), 1.0, rel_tol=CLOSE):
        if kind == "yarn" and factor not in (None, 1, 1.0) and isinstance(theta, int | float):
            pass  # a ramp that leaves all of few frequencies alone is decided below
        elif kind in ("longrope", "su"):
            pass
        else:
            scene.fact(key("rope.theta"), even, [at, *evidence])
            if kind == "dynamic":
                scene.fact(key("rope.scaling.type"), "dynamic", [at, *evidence])
                _declared(scene, key, settings, evidence, ("factor", "original_max_position_embeddings"))
                return
            scene.fact(key("rope.scaling.type"), "none", [at])
            for name in ("factor", "original_context", "beta_fast", "beta_slow"):
                scene.absent(key(f"rope.scaling.{name}"), "the frequencies are not scaled", [at])
            _attention_factor(scene, key, rotation)
            return
    if not isinstance(theta, int | float):
        if _ramped(scene, tower, rotation, settings, [at, *evidence]):
            return
        if kind == "linear" and even is not None:
            theta = even  # the base is a number in the code
    if not isinstance(theta, int | float):
        scene.unsure(
            key("rope.theta"), "the frequencies are scaled and the configuration names no base", rotation.frequencies_at
        )
        return
    original = settings.get("original_max_position_embeddings") or settings.get("max_position_embeddings")
    proof = [at, *evidence]
    if kind == "linear" or (even is not None and even == _tidy(float(theta))):
        divisor = 1.0 / float(frequencies[0])
        # What nobody calls linear is a scale only if it is round: frequencies of every other channel begin lower, too.
        is_round = divisor >= 1 and math.isclose(divisor * 4, round(divisor * 4), rel_tol=1e-6)
        if (kind == "linear" or is_round) and _same(
            frequencies, [value / divisor for value in plain(float(theta), count)]
        ):
            scene.fact(key("rope.theta"), theta, proof)
            scene.fact(key("rope.scaling.type"), "linear", proof)
            scene.fact(key("rope.scaling.factor"), _tidy(divisor), proof)
            return
    if _same(frequencies, plain(float(theta), 2 * count)[1::2]):
        # Every other pair of a plain row: the pairs between turn with another axis (a picture's rows).
        scene.fact(key("rope.theta"), theta, proof)
        scene.fact(key("rope.scaling.type"), "none", proof)
        return
    if kind == "llama3" and original:
        low, high = settings.get("low_freq_factor", 1.0), settings.get("high_freq_factor", 4.0)
        if factor and _same(
            frequencies, llama3(float(theta), count, float(factor), float(low), float(high), int(original))
        ):
            scene.fact(key("rope.theta"), theta, proof)
            scene.fact(key("rope.scaling.type"), "llama3", proof)
            scene.fact(key("rope.scaling.factor"), factor, proof)
            scene.fact(key("rope.scaling.low_freq_factor"), low, proof)
            scene.fact(key("rope.scaling.high_freq_factor"), high, proof)
            scene.fact(key("rope.scaling.original_context"), int(original), proof)
            _attention_factor(scene, key, rotation)
            return
    if kind == "yarn" and factor and original:
        fast, slow = settings.get("beta_fast") or 32, settings.get("beta_slow") or 1
        asked = settings.get("truncate", True)
        for truncate in (bool(asked), not asked):
            if _same(
                frequencies, yarn(float(theta), count, float(factor), int(original), float(fast), float(slow), truncate)
            ):
                scene.fact(key("rope.theta"), theta, proof)
                scene.fact(key("rope.scaling.type"), "yarn", proof)
                scene.fact(key("rope.scaling.factor"), factor, proof)
                scene.fact(key("rope.scaling.original_context"), int(original), proof)
                scene.fact(key("rope.scaling.beta_fast"), fast, proof)
                scene.fact(key("rope.scaling.beta_slow"), slow, proof)
                scene.fact(key("rope.scaling.truncate"), truncate, proof)
                _mscale(scene, tower, rotation, settings, float(factor), proof)
                _attention_factor(scene, key, rotation)
                return
    if kind in ("longrope", "su") and original:
        for name in ("short_factor", "long_factor"):
            factors = settings.get(name)
            if factors and len(factors) == count:
                expected = [base / f for base, f in zip(plain(float(theta), count), factors, strict=True)]
                if _same(frequencies, expected):
                    scene.fact(key("rope.theta"), theta, proof)
                    scene.fact(key("rope.scaling.type"), "longrope", proof)
                    scene.fact(key(f"rope.scaling.{name}"), tuple(factors), proof)
                    _declared(
                        scene,
                        key,
                        settings,
                        evidence,
                        ("short_factor", "long_factor", "factor", "original_max_position_embeddings"),
                    )
                    _attention_factor(scene, key, rotation)
                    return
    fraction = settings.get("partial_rotary_factor")
    if kind == "proportional" and isinstance(fraction, int | float):
        scene.unsure(
            key("rope.scaling.type"),
            "the frequencies are spaced over more channels than are rotated",
            rotation.frequencies_at,
        )
    if _ramped(scene, tower, rotation, settings, proof):
        return
    scene.unsure(
        key("rope.theta"),
        f"the frequencies fit no known formula ({kind}) with the configuration's settings",
        rotation.frequencies_at,
    )
    scene.unsure(
        key("rope.scaling.type"),
        f"the frequencies fit no known formula ({kind}) with the configuration's settings",
        rotation.frequencies_at,
    )


def _ramped(scene: Scene, tower: Tower, rotation: Rotation, settings: Mapping[str, Any], proof: list[Evidence]) -> bool:
    """YaRN's type, base and factor from the frequencies alone; its context and betas cannot be told apart there."""
    ends = _kept_and_divided([float(value) for value in rotation.frequencies])
    fit = by_parts(rotation.frequencies)
    if fit is None and ends is not None and _named(scene, rotation, (ends[0], ends[2])) is not None:
        fit = (ends[0], ends[2])  # a ramp of too few channels to tell by itself
    if fit is None:
        return _by_wavelength(scene, tower, rotation, proof)
    key = tower.key
    scene.fact(key("rope.theta"), fit[0], proof)
    scene.fact(key("rope.scaling.type"), "yarn", proof)
    scene.fact(key("rope.scaling.factor"), fit[1], proof)
    _mscale(scene, tower, rotation, settings, fit[1], proof)
    if _under_other_names(scene, tower, rotation, fit, proof):
        _attention_factor(scene, key, rotation)
        return True
    for name in ("original_context", "beta_fast", "beta_slow", "truncate"):
        scene.unsure(
            key(f"rope.scaling.{name}"),
            "the frequencies are YaRN's, and the configuration has no setting of a usual name for this",
            rotation.frequencies_at or rotation.at,
        )
    _attention_factor(scene, key, rotation)
    return True


_OTHER_NAMES = {
    "original_context": (
        "initial_context_length",
        "original_seq_len",
        "original_context_length",
        "original_max_seq_len",
    ),
    "beta_fast": ("beta_fast", "rope_ntk_beta", "rope_beta_fast"),
    "beta_slow": ("beta_slow", "rope_ntk_alpha", "rope_beta_slow"),
}
"""What publishers' own code calls YaRN's settings; they count where the formula makes the frequencies of them."""


def _named(scene: Scene, rotation: Rotation, fit: tuple[float, float]) -> tuple[dict[str, Any], list[Evidence]] | None:
    """Settings that make the frequencies by YaRN's formula, with the lines where they stand; None where none do."""
    found = {name: scene.setting(*names) for name, names in _OTHER_NAMES.items()}
    values: dict[str, Any] = {name: setting[0] for name, setting in found.items() if setting is not None}
    if len(values) < len(found) or not all(isinstance(value, int | float) and value > 0 for value in values.values()):
        return None
    original, fast, slow = int(values["original_context"]), float(values["beta_fast"]), float(values["beta_slow"])
    for cut in (True, False):
        if _same(rotation.frequencies, yarn(fit[0], len(rotation.frequencies), fit[1], original, fast, slow, cut)):
            shown = [setting[1] for setting in found.values() if setting is not None]
            return {**values, "original_context": original, "truncate": cut}, shown
    return None


def _under_other_names(
    scene: Scene, tower: Tower, rotation: Rotation, fit: tuple[float, float], proof: list[Evidence]
) -> bool:
    named = _named(scene, rotation, fit)
    if named is None:
        return False
    for name, value in named[0].items():
        scene.fact(tower.key(f"rope.scaling.{name}"), value, [*proof, *named[1]])
    return True


def _by_wavelength(scene: Scene, tower: Tower, rotation: Rotation, proof: list[Evidence]) -> bool:
    """Llama 3's type, base and factor from the frequencies alone."""
    fit = by_wavelength(rotation.frequencies)
    if fit is None:
        return False
    key = tower.key
    theta, factor, longest, shortest = fit
    scene.fact(key("rope.theta"), theta, proof)
    scene.fact(key("rope.scaling.type"), "llama3", proof)
    scene.fact(key("rope.scaling.factor"), factor, proof)
    for name in ("original_context", "low_freq_factor", "high_freq_factor"):
        scene.unsure(
            key(f"rope.scaling.{name}"),
            f"the frequencies fix the original context over the low and the high factor alone: {longest:.5g} and {shortest:.5g}",
            rotation.frequencies_at or rotation.at,
        )
    _attention_factor(scene, key, rotation)
    return True


def _mscale(
    scene: Scene, tower: Tower, rotation: Rotation, settings: Mapping[str, Any], factor: float, proof: list[Evidence]
) -> None:
    """`mscale` and `mscale_all_dim`: proven used where the factors that they make are the ones the code applies.

    The publisher's code (DeepSeek-V2, `yarn_get_mscale`): 0.1·m·ln(factor) + 1; cosines and sines take the quotient of the
    two, the attention scale the square of the second. Where there is but one, it stands for the factor itself.
    """
    first, second = (_setting(scene, settings, name) for name in ("mscale", "mscale_all_dim"))

    def made(number: Any) -> float:
        return 0.1 * float(number) * math.log(factor) + 1 if factor > 1 else 1.0

    scale, width = scene.facts.get(tower.key("attention.scale")), scene.facts.get(tower.key("attention.head_dim"))
    on_scores = None
    if scale is not None and width is not None and isinstance(scale.value, float) and isinstance(width.value, int):
        on_scores = scale.value * width.value**0.5
    turned, scaled = rotation.factor, bool(second) and _near(on_scores, made(second or 0) ** 2)
    if first is None and second is None:
        for name in ("mscale", "mscale_all_dim"):
            if _near(turned, 1.0) and _near(on_scores, 1.0):
                words = "neither cosines and sines nor the scores have a factor"
                scene.absent(tower.key(f"rope.scaling.{name}"), words, proof)
            else:
                words = "no setting of this name, and cosines, sines or scores have a factor of their own"
                scene.unsure(tower.key(f"rope.scaling.{name}"), words, rotation.at)
        return
    if second is not None:
        shown = [*proof, *(scale.evidence if scaled and scale is not None else ())]
        scene.fact(tower.key("rope.scaling.mscale_all_dim"), second, shown, Level.USED if scaled else Level.DECLARED)
    if first is not None:
        if second:
            quotient = made(first) / made(second)
            used = _near(turned, quotient) and (scaled or not _near(quotient, made(1)))
        else:
            used = (_near(turned, 1.0) and _near(on_scores, made(first) ** 2)) or (
                _near(turned, made(first)) and _near(on_scores, 1.0)
            )
        scene.fact(tower.key("rope.scaling.mscale"), first, proof, Level.USED if used else Level.DECLARED)


def _setting(scene: Scene, settings: Mapping[str, Any], name: str) -> Any:
    if settings.get(name) is not None:
        return settings[name]
    found = scene.setting(name)
    return found[0] if found is not None else None


def _near(value: float | None, expected: float) -> bool:
    return value is not None and math.isclose(value, expected, rel_tol=1e-6)


def _declared(
    scene: Scene, key: Any, settings: Mapping[str, Any], evidence: list[Evidence], names: tuple[str, ...]
) -> None:
    for name in names:
        value = settings.get(name)
        if value is None:
            continue
        target = "original_context" if name == "original_max_position_embeddings" else name
        shown = tuple(value) if isinstance(value, list | tuple) else value
        scene.fact(key(f"rope.scaling.{target}"), shown, evidence, Level.DECLARED)


def _attention_factor(scene: Scene, key: Any, rotation: Rotation) -> None:
    if rotation.factor is not None:
        scene.fact(
            key("rope.scaling.attention_factor"),
            round(rotation.factor, 12),
            [see(rotation.at, f"cosines and sines times {rotation.factor:.6g}")],
        )
