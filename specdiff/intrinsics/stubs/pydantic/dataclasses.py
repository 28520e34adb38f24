"""pydantic's dataclasses are Python's for what an analysis needs."""

from dataclasses import dataclass
