"""What rotary frequencies tell on their own, with no configuration that names a formula."""

from __future__ import annotations

import pytest

from specdiff.detect.scaling import by_parts, by_wavelength, llama3, plain, yarn

FORMULAS = {
    "yarn": (yarn(150_000.0, 32, 32.0, 4096, 32.0, 1.0, False), (150_000, 32)),
    "yarn, rounded ends": (yarn(10_000.0, 32, 40.0, 4096, 32.0, 1.0, True), (10_000, 40)),
    "plain": (plain(10_000.0, 32), None),
    "divided": ([value / 4 for value in plain(10_000.0, 32)], None),
    "llama3": (llama3(500_000.0, 64, 8.0, 1.0, 4.0, 8192), None),
    "a ramp that bends": (
        [base / 8 if i > 20 else base / (1 + (i / 20) ** 3 * 7) for i, base in enumerate(plain(10_000.0, 32))],
        None,
    ),
    "few": (plain(10_000.0, 4), None),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_ramped_frequencies(name: str) -> None:
    frequencies, expected = FORMULAS[name]
    assert by_parts(frequencies) == expected


WAVELENGTHS = {
    "llama3": (500_000, 8, 8192, 2048),
    "llama3, a factor of 32": (500_000, 32, 8192, 2048),
    "llama3, another ramp": (10_000, 4, 2048, 1024),
}
"""Base, factor, original context over the low and over the high factor."""


@pytest.mark.parametrize("name", [*FORMULAS, *WAVELENGTHS])
def test_frequencies_scaled_by_wavelength(name: str) -> None:
    made = {
        "llama3, a factor of 32": llama3(500_000.0, 32, 32.0, 1.0, 4.0, 8192),
        "llama3, another ramp": llama3(10_000.0, 64, 4.0, 2.0, 4.0, 4096),
    }
    found = by_wavelength(made[name] if name in made else FORMULAS[name][0])
    if name not in WAVELENGTHS:
        assert found is None
    else:
        assert found == pytest.approx(WAVELENGTHS[name], rel=1e-3)
