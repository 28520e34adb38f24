"""The spec language: YAML in, a frozen and validated `Spec` out, or every problem at once."""
