"""Names for annotations."""

from typing import Any

Number = Any
Device = Any
Tensor = Any
