"""One act of the profession per file: a frozen dataclass says what, one function does it.

Every function is ``act(desk, act, command) -> Recorded``. A command id that is known returns its
earlier record before any rule is applied. A refusal that matters is saved as an event first, then
the ``DomainError`` is raised.
"""
