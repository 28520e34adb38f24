"""Arithmetic of splitting."""


def ensure_divisibility(numerator, denominator):
    assert numerator % denominator == 0, "{} is not divisible by {}".format(numerator, denominator)


def divide_and_check_no_remainder(numerator, denominator):
    ensure_divisibility(numerator, denominator)
    return numerator // denominator
