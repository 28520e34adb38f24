"""Control flow as operators."""

from .associative_scan import associative_scan
