"""A writer that is killed: eight threads save, and each answer is written to the parent's pipe.

``python kill_child.py HOME RUN MODE [URL SCHEMA PLACE]``: an answer is one short line, so that a
pipe takes it whole or not at all. MODE ``early`` is a planted bug: it answers before the commit;
``lax`` another: it works with a server that loses commits. With a URL the log stands in a schema of
PostgreSQL, and PLACE is the folder of this process beside others on the same log; MODE ``timed``
tells each position with the readings of one clock around it; MODE ``elected`` saves through the
inbox of an elected sequencer.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":  # in place of this folder, whose names shadow the library's
    sys.path[:1] = [str(ROOT), str(ROOT / "tests" / "shared")]

from doubles.ledger import Bench  # noqa: E402

from ledger.entry import Draft, checked_state, instant_text  # noqa: E402
from ledger.high_water import FolderHighWater  # noqa: E402
from ledger.recorder import checked_save  # noqa: E402
from ledger.sequencer import Save  # noqa: E402

THREADS = int(os.environ.get("KILL_CHILD_THREADS", "8"))
EACH = int(os.environ.get("KILL_CHILD_EACH", "0"))


def kill_bench(
    home: Path, url: str = "", schema: str = "", place: str = "", *, elected: bool = False
) -> Bench:
    """Return the bench of a home whose mark survives the process."""
    if url:
        from ledger.postgres import PostgresDatabase

        folder = home / (place or "main")
        folder.mkdir(exist_ok=True)
        bench = Bench(folder, database=PostgresDatabase(url, schema, elected=elected))
    else:
        bench = Bench(home)
    bench.high_water = FolderHighWater(home / "highwater")
    return bench


def save_of(run: str, thread: int, number: int) -> Save:
    """Return one save: one entry in the stream of its thread."""
    name = f"{run}-{thread}"
    state = checked_state(instant_text(Bench(Path()).clock.at), {"n": number}, 1)
    draft = Draft(f"counter/{name}", number, "Counted", state)
    command = f"{name}/{number}"
    return checked_save(command, hashlib.sha256(command.encode()).digest(), [draft], {})


def main() -> None:
    """Save until killed."""
    home, run, mode = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    if mode == "lax":
        from ledger import postgres

        postgres.check_engine = lambda session: None
    ledger = kill_bench(home, *sys.argv[4:], elected=mode == "elected").open(pause=0.05)
    sequencer = ledger._recorder._sequencer

    def tell(line: str) -> None:
        os.write(1, line.encode())

    def work(thread: int) -> None:
        for number in range(1, 1_000_000):
            save = save_of(run, thread, number)
            if mode == "early":
                tell(f"{save.command}\n")
                sequencer.submit(save)
            elif mode == "timed":
                asked = time.monotonic_ns()
                position = sequencer.submit(save).first
                tell(f"{asked} {time.monotonic_ns()} {position} {save.command}\n")
                if number == EACH:
                    return
            else:
                sequencer.submit(save)
                tell(f"{save.command}\n")

    tell("ready\n")
    working = [threading.Thread(target=work, args=(thread,)) for thread in range(THREADS)]
    for each in working:
        each.start()
    for each in working:
        each.join()
    ledger.close()


if __name__ == "__main__":
    main()
