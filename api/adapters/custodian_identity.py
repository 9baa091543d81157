"""Who a custodian is: keys in its chest, public identity beside, one folder.

Names of the keys (`envelope.md` §10): `sign` under every answer, `box` to which shares are sealed
(the first one lies here until the first start, see `custodian_boxes`), `cosign` as a witness of
checkpoints, `recovery`, whose secret half is kept offline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from api.adapters.keys import Chest, ChestLocked, Credential, Random, write_durably
from crypto import sealed_box, statements
from crypto.canonical import Json, decode, encode
from crypto.log_errors import PolicyRefused
from crypto.notes import COSIGNATURE, VerifierKey
from crypto.policies import Policy, log_policy

SEED_BYTES = 32
KEYS_BOUND = b"pli/custodian/keys/v1\x00"
LOG_KEYS = "log-keys.txt"
RECOVERY_PLACES = ("recovery-1", "recovery-2")


@dataclass(frozen=True, slots=True)
class Secrets:
    """The long-term secrets of a custodian."""

    sign: bytes = field(repr=False)
    cosign: bytes = field(repr=False)
    first_box: bytes | None = field(repr=False)
    """The box secret of the enrolment, until it lies in the chest by itself (ADR 0040)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a custodian says about itself; its box key is that of the enrolment."""

    custodian: str
    organisation: str
    sign: bytes
    box: bytes
    cosign: VerifierKey
    recovery: bytes
    log: VerifierKey


def create_custodian(  # noqa: PLR0913 - the facts of a new custodian
    folder: Path,
    *,
    custodian: str,
    organisation: str,
    log: VerifierKey,
    credential: Credential,
    random: Random,
) -> None:
    """Make the folder of a new custodian: keys in its chest, identity beside; done once.

    The offline recovery key is made here too and lies in `offline/`: at level A0 it is for the
    operator to carry it away; the service never reads it.
    """
    if (folder / "identity.json").exists():
        return
    chest = Chest(folder, credential, random)
    sign, box, cosign, offline = (random.bytes(SEED_BYTES) for _ in range(4))
    secrets: dict[str, Json] = {"box": box.hex(), "cosign": cosign.hex(), "sign": sign.hex()}
    chest.put("keys", KEYS_BOUND + custodian.encode(), encode(secrets))
    for place in ("offline", *RECOVERY_PLACES):
        (folder / place).mkdir(exist_ok=True, mode=0o700)
    write_durably(folder / "offline" / "recovery.key", offline.hex().encode() + b"\n")
    witness = VerifierKey.of_seed(f"{log.name}/{custodian}", COSIGNATURE, cosign)
    identity: dict[str, Json] = {
        "box": sealed_box.public_key(box).hex(),
        "cosign": str(witness),
        "custodian": custodian,
        "log": str(log),
        "organisation": organisation,
        "recovery": sealed_box.public_key(offline).hex(),
        "sign": statements.public_key(sign).hex(),
        "v": 1,
    }
    # after this line the custodian exists; a crash before leaves nothing that was ever shown
    write_durably(folder / "identity.json", encode(identity))


def read_identity(folder: Path) -> Identity:
    """Return the public identity of the custodian in a folder."""
    kept = {
        key: str(value) for key, value in decode((folder / "identity.json").read_bytes()).items()
    }
    return Identity(
        custodian=kept["custodian"],
        organisation=kept["organisation"],
        sign=bytes.fromhex(kept["sign"]),
        box=bytes.fromhex(kept["box"]),
        cosign=VerifierKey.parse(kept["cosign"]),
        recovery=bytes.fromhex(kept["recovery"]),
        log=VerifierKey.parse(kept["log"]),
    )


def trusted_log(folder: Path, identity: Identity) -> Policy:
    """Return the keys of the log that a custodian believes: its first one, until it is told more.

    What it is told must still name that first key, so that no other log takes the place.
    """
    told = folder / LOG_KEYS
    if not told.exists():
        return Policy.parse(log_policy(identity.log))
    policy = Policy.parse(told.read_text())
    if identity.log not in policy.logs:
        raise PolicyRefused(1, f"it does not name {identity.log}")
    return policy


def read_secrets(chest: Chest, identity: Identity) -> Secrets:
    """Return the secrets of a custodian; they belong to its identity, or ChestLocked."""
    kept = {
        name: bytes.fromhex(str(value))
        for name, value in decode(
            chest.get("keys", KEYS_BOUND + identity.custodian.encode())
        ).items()
    }
    secrets = Secrets(kept["sign"], kept["cosign"], kept.get("box"))
    box = identity.box if secrets.first_box is None else sealed_box.public_key(secrets.first_box)
    if (statements.public_key(secrets.sign), box) != (identity.sign, identity.box):
        raise ChestLocked("keys")
    return secrets


def drop_first_box(chest: Chest, identity: Identity, secrets: Secrets) -> None:
    """Overwrite the box secret among the keys, now that it lies in the chest by itself."""
    chest.let_go("keys")
    if secrets.first_box is None:
        return
    left: dict[str, Json] = {"cosign": secrets.cosign.hex(), "sign": secrets.sign.hex()}
    chest.replace("keys", KEYS_BOUND + identity.custodian.encode(), encode(left))
