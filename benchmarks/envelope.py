"""The sealed envelope against raw libsodium, in interleaved rounds of one run.

Raw is the same AEAD on buffers of 1 MiB in memory, one thread, no copies. Ratios are medians over
the rounds, each of which measures raw and all the others, so a slow machine changes little. A busy
one still lowers ``seal_2_threads``: it needs the second core that raw, with one thread, does not.
``--quick`` takes 256 MiB instead of 1 GiB, ``--size`` what is asked; ``--json`` prints one object
as the only line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nacl._sodium import ffi, lib

from crypto import dkg, group, pli1, sealed_box, statements, threshold
from crypto.ceremony import Ceremony
from crypto.keyset import Keyset
from crypto.pli1_header import CHUNK
from crypto.sealing import Documents, Draw, Sealer

MIB = 1024 * 1024
# goal, and whether more is better
GOALS = {
    "seal_1_thread": (0.45, True),
    "seal_2_threads": (0.80, True),
    "open": (0.45, True),
    "commitment_receiving": (1.0, True),
    "memory_above_start_mib": (16, False),
    "capsule_check_ms": (1, False),
    "partial_ms": (1.5, False),
    "combine_3of5_ms": (5, False),
    "ceremony_3of5_ms": (80, False),
}


class Nowhere:
    """Takes everything and keeps nothing."""

    def write(self, data: memoryview, /) -> None:
        pass


class Custodians:
    """Five custodians with their keys; a whole ceremony is what they are timed at."""

    def __init__(self, k: int, n: int) -> None:
        self.everyone = range(1, n + 1)
        self.seeds = [secrets.token_bytes(32) for _ in self.everyone]
        self.boxes = [secrets.token_bytes(32) for _ in self.everyone]
        self.ceremony = Ceremony.parse(
            {
                "ceremony": secrets.token_hex(16),
                "k": k,
                "log": "ledger.example/1",
                "members": [self._member(index) for index in self.everyone],
                "n": n,
                "purpose": "consultation",
                "v": 1,
            }
        )

    def _member(self, index: int) -> dict[str, str | int]:
        return {
            "box": sealed_box.public_key(self.boxes[index - 1]).hex(),
            "custodian": f"custodian-{index}",
            "index": index,
            "organisation": f"organisation-{index}",
            "sign": statements.public_key(self.seeds[index - 1]).hex(),
        }

    def hold(self) -> tuple[Keyset, dict[int, bytes]]:
        """Hold all rounds for all custodians; return the checked keyset and the shares."""
        ceremony, k = self.ceremony, self.ceremony.k
        polynomials = [[scalar() for _ in range(k)] for _ in self.everyone]
        round1 = [
            dkg.commit(ceremony, i, polynomials[i - 1], scalar(), self.seeds[i - 1])
            for i in self.everyone
        ]
        commitments = dkg.check_commitments(ceremony, round1)
        round2 = [
            dkg.share_out(ceremony, i, polynomials[i - 1], commitments, self.seeds[i - 1])
            for i in self.everyone
        ]
        found = [dkg.finish(ceremony, i, self.boxes[i - 1], round1, round2) for i in self.everyone]
        acks = [dkg.acknowledge(found[0].digest, i, self.seeds[i - 1]) for i in self.everyone]
        keyset = Keyset.parse(dkg.keyset_document(ceremony, found[0], acks))
        return keyset, {outcome.index: outcome.share for outcome in found}


def scalar() -> bytes:
    """Return a random scalar."""
    return group.random_scalar(secrets.token_bytes(64))


def label(keyset: Keyset) -> dict[str, str | int | list[str]]:
    """Return a label for this keyset."""
    return {
        "bidder": "11" * 32,
        "consultation": "bench",
        "deposit": secrets.token_hex(16),
        "dossier": "33" * 32,
        "intent": "INITIAL",
        "keyset": keyset.digest.hex(),
        "kind": "OFFER",
        "lots": ["1"],
        "not_before": "2026-10-12T10:00:00.000000Z",
        "round": 1,
        "v": 1,
    }


def new_sealer(keyset: Keyset) -> Sealer:
    """Return an envelope to be sealed."""
    draw = Draw.of(secrets.token_bytes(Draw.SIZE))
    return Sealer(keyset, label(keyset), draw, Documents(1, bytes(32)))


def raw(size: int) -> None:
    """Encrypt so many bytes by libsodium alone."""
    plain = ffi.new("unsigned char[]", CHUNK)
    cipher = ffi.new("unsigned char[]", CHUNK + 16)
    key, nonce, header = bytes(32), bytes(24), bytes(32)
    for _ in range(size // CHUNK):
        lib.crypto_aead_xchacha20poly1305_ietf_encrypt(
            cipher, ffi.NULL, plain, CHUNK, header, 32, ffi.NULL, nonce, key
        )


def seconds(work: Callable[[], object]) -> float:
    """Return how long the work took."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def milliseconds(work: Callable[[], object], times: int) -> float:
    """Return the median time of one call."""
    return statistics.median(seconds(work) for _ in range(times)) * 1000


def streaming(folder: Path, size: int, rounds: int) -> tuple[dict[str, float], float]:
    """Return the ratios to raw, and the rate of raw in MB/s."""
    sealer = new_sealer(Custodians(2, 3).hold()[0])
    plain, sealed = folder / "plain", folder / "sealed.pli"
    with plain.open("wb") as file:
        for _ in range(size // MIB):
            file.write(secrets.token_bytes(MIB))
    with plain.open("rb", buffering=0) as source, sealed.open("wb") as file:
        plan = sealer.plan(source, file)

    def seal(threads: int) -> None:
        with plain.open("rb", buffering=0) as source:
            sealer.plan(source, Nowhere(), threads)

    def commit() -> None:
        with sealed.open("rb", buffering=0) as source:
            pli1.commitment(source)

    def open_it() -> None:
        with sealed.open("rb", buffering=0) as source:
            bound = sealer.header.label.encoded
            pli1.open_envelope(source, bound, sealer.key, plan.commitment, Nowhere())

    works: dict[str, Callable[[], None]] = {
        "seal_1_thread": lambda: seal(1),
        "seal_2_threads": lambda: seal(2),
        "open": open_it,
        "commitment_receiving": commit,
    }
    ratios: dict[str, list[float]] = {name: [] for name in works}
    rates = []
    for _ in range(rounds):
        base = seconds(lambda: raw(size))
        rates.append(size / base / 1e6)
        for name, work in works.items():
            ratios[name].append(base / seconds(work))
    medians = {name: statistics.median(values) for name, values in ratios.items()}
    return medians, statistics.median(rates)


def keys() -> dict[str, float]:
    """Return the times of single operations and of a whole ceremony."""
    custodians = Custodians(3, 5)
    keyset, shares = custodians.hold()
    sealer = new_sealer(keyset)
    bound, capsule = sealer.header.label.encoded, sealer.header.capsule
    lock = threshold.Lock(keyset, bound, capsule)
    partials = [(i, threshold.make_partial(lock, i, shares[i], scalar())) for i in (1, 3, 5)]

    def answer() -> None:
        checked = threshold.Lock(keyset, bound, capsule)
        threshold.make_partial(checked, 1, shares[1], scalar())

    def combine() -> None:
        threshold.combine(threshold.Lock(keyset, bound, capsule), partials)

    return {
        "capsule_check_ms": milliseconds(lambda: threshold.Lock(keyset, bound, capsule), 200),
        "partial_ms": milliseconds(answer, 200),
        "combine_3of5_ms": milliseconds(combine, 60),
        "ceremony_3of5_ms": milliseconds(custodians.hold, 10),
    }


def memory(folder: Path) -> float:
    """Return by how many MiB sealing and opening raised the peak of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.envelope", "--memory-of", str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


def peak_above_start(folder: Path) -> float:
    """Seal with two threads and open the same file again; return the growth of the peak in MiB."""
    sealer = new_sealer(Custodians(2, 3).hold()[0])
    before = peak_kib()
    sealed = folder / "again.pli"
    with (folder / "plain").open("rb", buffering=0) as source, sealed.open("wb") as file:
        plan = sealer.plan(source, file, threads=2)
    with sealed.open("rb", buffering=0) as file:
        sealer.check(file, plan)
    sealed.unlink()
    return (peak_kib() - before) / 1024


def peak_kib() -> int:
    """Return the peak of this process alone.

    ``ru_maxrss`` will not do on Linux: it survives exec, so a child begins with the peak of the
    parent and would hide its own.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields["VmHWM"].split()[0])


def commit_id() -> str:
    """Return the commit that is measured, where git tells."""
    asked = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def table(found: dict[str, float], about: dict[str, object]) -> str:
    """Return the figures beside their goals."""
    rows = ["  ".join(f"{name} {value}" for name, value in about.items())]
    for name, (goal, more) in GOALS.items():
        good = found[name] >= goal if more else found[name] <= goal
        sign = "≥" if more else "≤"
        verdict = "met" if good else "NOT MET"
        rows.append(f"{name:<24}{found[name]:>9.2f}   goal {sign} {goal:<6}{verdict}")
    return "\n".join(rows)


def main() -> int:
    """Measure everything once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="256 MiB instead of 1 GiB")
    parser.add_argument("--size", type=int, default=1024, help="MiB of plaintext")
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        print(peak_above_start(options.memory_of))
        return 0
    size = (256 if options.quick else options.size) * MIB
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        found, rate = streaming(Path(name), size, rounds=3)
        found["memory_above_start_mib"] = memory(Path(name))
    found |= keys()
    about: dict[str, object] = {
        "commit": commit_id(),
        "cpus": os.cpu_count(),
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "raw_mb_s": round(rate),
        "size_mib": size // MIB,
    }
    if not options.json:
        print(table(found, about))
    rounded = {key: round(value, 3) for key, value in found.items()}
    print(json.dumps({"benchmark": "envelope", **about, **rounded}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
