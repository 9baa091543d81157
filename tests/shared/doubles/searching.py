"""Where a secret could lie: every file of a folder, and the memory of a process and its children.

In files a secret is looked for as it is, as text in other encodings, in hexadecimal and base64, a
scalar also the other way round; in memory as it is, in the wide forms of texts, and in hexadecimal.
Memory is read through ``/proc``: what a process may write, and the files of the home that it maps.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

BLOCK = 256 * 1024
REGION = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)")
Needles = Mapping[str, frozenset[bytes]]


def needles_of(secrets: Mapping[str, str | bytes]) -> Needles:
    """Return how each secret may stand somewhere."""
    return {
        name: of_bytes(secret) if isinstance(secret, bytes) else of_text(secret)
        for name, secret in secrets.items()
    }


def in_memory_of(secrets: Mapping[str, str | bytes]) -> Needles:
    """Return how each secret may stand in memory, where a program works with it."""
    return {
        name: frozenset({secret, secret.hex().encode()})
        if isinstance(secret, bytes)
        else frozenset(secret.encode(form) for form in ("utf-8", "utf-16-le", "utf-32-le"))
        for name, secret in secrets.items()
    }


def of_text(word: str) -> frozenset[bytes]:
    plain = word.encode()
    found = {plain, word.encode("utf-16-le"), word.encode("utf-32-le")}
    found |= {quote(word).encode(), json.dumps(word)[1:-1].encode()}
    return frozenset(found | encoded(plain))


def of_bytes(data: bytes) -> frozenset[bytes]:
    return frozenset({data, data[::-1]} | encoded(data) | encoded(data[::-1]))


def encoded(data: bytes) -> set[bytes]:
    """Return hexadecimal and base64; digits that depend on what stands beside are left out."""
    found = {data.hex().encode(), data.hex().upper().encode()}
    for shift in range(3):
        digits = base64.b64encode(bytes(shift) + data)
        found.add(digits[-(-8 * shift // 6) : len(digits) // 4 * 4 - 4])
    return found


def in_folder(folder: Path, needles: Needles) -> dict[str, set[str]]:
    """Return which secrets stand in which files, by their path in the folder; names count too."""
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*")):
        named = hits(str(path.relative_to(folder)).encode(), needles)
        if path.is_file():
            with path.open("rb") as file:
                named |= in_blocks(iter(lambda: file.read(BLOCK), b""), needles)
        if named:
            found[str(path.relative_to(folder))] = named
    return found


def in_memory(process: int, needles: Needles, home: Path) -> set[str]:
    """Return which secrets stand in the memory of a process or of one of its children."""
    found: set[str] = set()
    for one in family(process):
        for start, end in regions(one, home):
            found |= in_blocks(memory(one, start, end), needles)
    return found


def size_of_memory(process: int, home: Path) -> int:
    """Return how many bytes of memory are searched."""
    return sum(end - start for one in family(process) for start, end in regions(one, home))


def family(process: int) -> list[int]:
    """Return a process and everything that it started."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [process]
    for one in found:
        found += parents.get(one, [])
    return found


def regions(process: int, home: Path) -> Iterator[tuple[int, int]]:
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        match = REGION.fullmatch(line)
        assert match, line
        start, end, rights, path = match.groups()
        if path.startswith(("[vvar", "[vsyscall", "/dev/")):
            continue
        if rights.startswith("rw") or (rights[0] == "r" and path.startswith(str(home))):
            yield int(start, 16), int(end, 16)


def memory(process: int, start: int, end: int) -> Iterator[bytes]:
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as file:
        for place in range(start, end, BLOCK):
            try:
                file.seek(place)
                yield file.read(min(BLOCK, end - place)) or b""
            except OSError:
                return  # given back meanwhile


def in_blocks(blocks: Iterator[bytes], needles: Needles) -> set[str]:
    """Return which secrets stand in these blocks, also across two of them."""
    longest = max(len(one) for every in needles.values() for one in every)
    found: set[str] = set()
    tail = b""
    for block in blocks:
        if not block.strip(b"\0"):
            tail = b""  # nothing was ever written there
            continue
        found |= hits(tail + block[:longest], needles) if tail else set()
        found |= hits(block, needles)
        tail = block[-longest:]
    return found


def hits(data: bytes, needles: Needles) -> set[str]:
    return {name for name, every in needles.items() if any(one in data for one in every)}
