"""Life and death of one share: daily proof of life, destruction, return from its recovery copy.

Before its hour a share serves the proof of life and nothing else (`envelope.md` 2.7).
"""

from __future__ import annotations

from dataclasses import replace

from api.adapters.custodian_ceremony import polynomial_name, share_bound, share_name
from api.adapters.custodian_identity import RECOVERY_PLACES
from api.adapters.custodian_seat import NotAsked, Seat, Seen
from api.adapters.custodian_state import HeldShare
from api.adapters.keys import destroy_file
from crypto.canonical import Json
from crypto.ceremony import Ceremony
from crypto.group import random_scalar
from crypto.keyset import Keyset, alive_nonce, prove_alive, recover
from replay.custodian_facts import assigned_keyset


def alive(seat: Seat, digest: str, consultation: str | None) -> tuple[bytes, bytes]:
    """Return nonce and proof that the share is still held, durably recorded."""
    held = live(seat, digest)
    seen = seat.look(*([f"custody/{consultation}"] if consultation else []))
    if consultation:
        held = _bound(held, seen, consultation)
    nonce = alive_nonce(seen.view.note, held.place)
    share = seat.chest.get(share_name(digest), share_bound(bytes.fromhex(digest), held.place))
    drawn = random_scalar(seat.random.bytes(64))
    proof = prove_alive(keyset_of(held), held.place, nonce, share, drawn)
    body: dict[str, Json] = {
        "custodian": seat.identity.custodian,
        "digest": digest,
        "nonce": nonce.hex(),
        "proof": proof.hex(),
    }
    with seat.record(body, seat.sign(body), seen):
        seat.state.keep_share(held)
    return nonce, proof


def retire(seat: Seat, digest: str, consultation: str) -> bytes:
    """Erase the share that the ledger says is retired, its copies too; return the statement.

    What would compute it again from the ledger goes as well, whoever else would need it.
    """
    held = seat.state.share(digest)
    if held is None:
        raise NotAsked(f"no share of keyset {digest} is held here")
    seen = seat.look(f"custody/{consultation}")
    retired = seen.view.stream(f"custody/{consultation}").data_of("KeysetRetired")
    if held.consultation not in {"", consultation} or digest not in {
        data["digest"] for data in retired
    }:
        raise NotAsked(f"the ledger does not retire keyset {digest}")
    seat.chest.destroy(share_name(digest))
    for place in RECOVERY_PLACES:
        path = seat.folder / place / f"{digest}.plr1"
        if path.exists():
            destroy_file(path, seat.random)
    ceremony = Ceremony.parse(held.ceremony)
    seat.chest.destroy(polynomial_name(ceremony.ceremony))
    seat.boxes.forget(ceremony.member(held.place).box)
    seat.boxes.sweep()
    body: dict[str, Json] = {"custodian": seat.identity.custodian, "digest": digest}
    signature = seat.sign(body)
    # the statement comes after the fact: a crash before leaves a share to destroy again
    with seat.record(body, signature, seen):
        seat.state.keep_share(replace(held, destroyed=True))
    return signature


def restore(seat: Seat, digest: str, copy: bytes, offline: bytes) -> None:
    """Put a share back that this custodian knows, from a copy opened with the offline key."""
    held = live(seat, digest)
    share = recover(keyset_of(held), held.place, copy, offline)
    seat.chest.put(share_name(digest), share_bound(bytes.fromhex(digest), held.place), share)


def restore_from(seat: Seat, keyset: Keyset, copy: bytes, offline: bytes) -> None:
    """Put a share back of which the memory is lost too: the public document says what it was.

    A share that was destroyed does not come back; one whose memory is lost is bound to its
    consultation again by the ledger.
    """
    digest = keyset.digest.hex()
    if seat.state.share(digest) is None:
        own = [one for one in keyset.ceremony.members if one.sign == seat.identity.sign]
        if not own:
            raise NotAsked(f"{seat.identity.custodian} is no member of keyset {digest}")
        recover(keyset, own[0].index, copy, offline)  # refused before anything is remembered
        held = HeldShare(digest, own[0].index, keyset.ceremony.document, keyset.y, keyset.shares)
        body: dict[str, Json] = {
            "custodian": seat.identity.custodian,
            "digest": digest,
            "step": "restored",
        }
        with seat.record(body, seat.sign(body)):
            seat.state.keep_share(held)
    restore(seat, digest, copy, offline)


def live(seat: Seat, digest: str) -> HeldShare:
    """Return a share that is held and not destroyed, or raise NotAsked."""
    held = seat.state.share(digest)
    if held is None or held.destroyed:
        raise NotAsked(f"no live share of keyset {digest} is held here")
    return held


def keyset_of(held: HeldShare) -> Keyset:
    """Return the public keyset of a held share; it was proven when the share was made."""
    ceremony = Ceremony.parse(held.ceremony)
    return Keyset(ceremony, held.y, held.points, bytes.fromhex(held.digest), {})


def _bound(held: HeldShare, seen: Seen, consultation: str) -> HeldShare:
    """Bind a share to the consultation whose custody stream assigns its keyset; once."""
    given = assigned_keyset(seen.view.stream(f"custody/{consultation}"))
    if given != held.digest:
        return held
    if held.consultation not in {"", consultation}:
        raise NotAsked(f"keyset {held.digest} was assigned to {held.consultation} before")
    return replace(held, consultation=consultation)
