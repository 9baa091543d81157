"""S2: 0, 1 and 7 bidders, two sizes of one bucket: nobody but the bidders sees a difference (T15).

The first bidders send a backup copy too, and hand in another on paper: only the desk knows that.

Inside a beat every byte is compared and nothing is canonicalised. After the closing head the log
has another root in each world, as it must: there the root and the signatures over it are the only
bytes that are taken out, and the published sizes are equal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from doubles.bench import SOON
from doubles.sizes import sized
from doubles.worlds import (
    BIDDERS,
    COPIES,
    LARGE,
    NAME,
    SMALL,
    Observers,
    World,
    base,
    differences,
)
from fastapi import Request, Response

from crypto.notes import parse_checkpoint, parse_note

WORLDS = {"1": (SMALL,), "0": (), "7": (SMALL, *(LARGE,) * (BIDDERS - 1))}
if sized(push=0, full=1, night=1):
    WORLDS |= {"1 larger": (LARGE,), "7 alike": (SMALL,) * BIDDERS}


@dataclass
class Worlds:
    """The shared home, and how a world is made of it."""

    folder: Path
    bench: Any
    observers: Observers

    def world(self, name: str) -> World:
        """Return a new copy."""
        return World(self.bench.twin(self.folder / name), self.observers)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Worlds:
    folder = tmp_path_factory.mktemp("worlds")
    (folder / "base").mkdir()
    bench, observers = base(folder / "base")
    return Worlds(folder, bench, observers)


def play(world: World, sizes: tuple[int, ...], guesses: dict[str, str]) -> dict[str, str]:
    """Deposit in secret, then let everybody look; return what somebody might have guessed."""
    told = world.deposit(sizes)
    index, copies = world.bench.platform.index, min(len(sizes), COPIES)
    assert len(index.deposits(NAME)) == len(sizes), "the secret is there"
    papers = copies if world.observers.desk else 0
    assert len(index.copies(NAME)) == copies + papers, "and so are the copies"
    found = guesses or {key: told[0][key] for key in ("deposit", "transmission", "copy")}
    world.watch("within the beat", found)
    return found


def after_the_closing(world: World, guesses: dict[str, str]) -> int:
    """Pass the deadline and look again; return the published size."""
    world.bench.forward(SOON)
    # at push those who see most; above, everybody again
    few = ("nobody", "buyer BU", "granted auditor")
    world.watch("closed", guesses, few[: sized(push=len(few), full=0, night=0)])
    note = world.bench.get("/checkpoint").content
    hide(world, note)
    return parse_checkpoint(parse_note(note).text).size


def hide(world: World, note: bytes) -> None:
    """Take the root of this world's closed log and the signatures over it out of what was seen."""
    root = parse_checkpoint(parse_note(note).text).root
    lines = [line.encode() for line in note.decode().splitlines()[2:] if line]
    forms = [root.hex().encode(), f"{root.hex()[:16]}…".encode(), *lines]
    forms += [line.replace(b"+", b"&#43;") for line in lines]
    for name, answer in world.seen.items():
        if name.startswith("closed"):
            kept = answer
            for form in forms:
                kept = kept.replace(form, b"")
            # a tile below the root is as long as in any other world
            world.seen[name] = b"%d" % len(kept) if "GET /tile/" in name else kept


def test_no_byte_tells_how_many_deposited(
    worlds: Worlds, capfd: pytest.CaptureFixture[str], proof: Callable[[str, str], None]
) -> None:
    played: dict[str, World] = {}
    sizes: dict[str, int] = {}
    guesses: dict[str, str] = {}
    for name in WORLDS:
        world = played[name] = worlds.world(name)
        capfd.readouterr()
        guesses = play(world, WORLDS[name], guesses)
        sizes[name] = after_the_closing(world, guesses)
        world.note_logs(capfd.readouterr().err)
        world.bench.close()
    assert len(set(sizes.values())) == 1, sizes
    for name in set(WORLDS) - {"1"}:
        assert not differences(played["1"], played[name]), name
    count = len(played["0"].seen)
    proof(
        "S2",
        f"{len(WORLDS)} worlds (0, 1, 7 bidders, two sizes of a bucket): {count} answers of "
        f"{len(worlds.observers.watching)} observers by token and {len(worlds.observers.sessions)} "
        "by session, and the logs byte-equal; controls: counters, a tag from a position, an "
        "access log line",
    )


def test_two_sizes_of_one_bucket_are_one_size(worlds: Worlds) -> None:
    world = worlds.world("sizes")
    token = worlds.observers.bidders[0]
    made = [world.seal(size, token).made.bytes for size in (SMALL, LARGE)]
    assert made[0] == made[1]
    world.bench.close()


def plant(world: World) -> None:
    """Add a counter, a tag from a position and an access log to a world."""
    app, platform = world.bench.app, world.bench.platform

    @app.get("/api/v1/planted/counter")
    def read_counter() -> dict[str, int]:
        return {"deposits": len(platform.index.deposits(NAME))}

    @app.get("/api/v1/planted/copies")
    def read_copies() -> dict[str, int]:
        return {"copies": len(platform.index.copies(NAME))}

    @app.get("/api/v1/planted/tag")
    def read_tag() -> Response:
        return Response("same", headers={"ETag": f'"{platform.ledger.head()}"'})

    @app.middleware("http")
    async def logged(request: Request, call_next: Any) -> Any:
        sys.stderr.write(f"{request.method} {request.url.path}\n")
        return await call_next(request)


def test_a_planted_counter_tag_and_log_line_are_seen(
    worlds: Worlds, capfd: pytest.CaptureFixture[str]
) -> None:
    guesses = {
        "deposit": "0" * 32,
        "copy": "0" * 32,
        "transmission": "00000000-0000-4000-8000-000000000000",
    }
    planted = []
    for name in ("0", "1"):
        world = worlds.world(f"planted {name}")
        world.observers = Observers({"nobody": None}, worlds.observers.bidders)
        plant(world)
        capfd.readouterr()
        play(world, WORLDS[name], guesses)
        world.note_logs(capfd.readouterr().err)
        world.bench.close()
        planted.append(world)
    assert differences(*planted) == [
        "within the beat nobody GET /api/v1/planted/copies",
        "within the beat nobody GET /api/v1/planted/counter",
        "within the beat nobody GET /api/v1/planted/tag",
        "logs",
    ]
