"""The type of the fixture ``proof``: a harness tells its goal and what it counted."""

from collections.abc import Callable
from typing import TypeAlias

Proof: TypeAlias = Callable[[str, str], None]
