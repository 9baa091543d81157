"""Leave the platform with a complete export, which is proven (domain.md §4.1)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.commands.loading import found, own_buyer
from domain.consultation import Consultation
from domain.errors import BadForm, ExportIncomplete, ExportUnproven, ProceduresWait
from domain.events.parties import BuyerLeft
from domain.identifiers import HEX64, check
from domain.opening import OpeningSession
from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class LeavePlatform:
    """Leave with an export of the log at this size, which has this root."""

    buyer: str
    size: int
    root: str


def leave_platform(desk: Desk, act: Act, command: LeavePlatform) -> Recorded:
    """Append BuyerLeft: 1 no lot waits, 2 the export is a published state, 3 nothing came after it.

    1 comes before 3: whether a deposit came after an export must not show before the plan (N11).
    """
    if earlier := desk.earlier(act, command):
        return earlier
    buyer = own_buyer(desk, act, command.buyer, "leave the platform")
    check(HEX64, "root", command.root)
    if command.buyer == desk.platform:
        raise BadForm("buyer", "the platform does not leave itself")
    check_unsealed(desk, command.buyer)  # 1
    if desk.heads.published_root(command.size) != command.root:  # 2
        raise ExportUnproven(command.size, command.root)
    if desk.register.acted_since(command.buyer, command.size):  # 3
        raise ExportIncomplete(command.buyer, command.size)
    meta = desk.meta(act, desk.reading(buyer), command.buyer)
    buyer.append(BuyerLeft(**buyer.stamp(meta), size=command.size, root=command.root))
    return desk.save(act, command, [buyer])


def check_unsealed(desk: Desk, buyer: str) -> None:
    """Return quietly if each lot that the buyer published has its plan, else raise ProceduresWait.

    An export holds the places of entries in the log, and these would tell how many deposited while
    a lot waits (N11). What is asked here is public, so the refusal itself tells nothing.
    """
    for name in desk.register.published_of(buyer):
        for lot in found(desk, Consultation, name).lot_names():
            session = desk.files.find(OpeningSession, f"opening/{name}.{lot}")
            if session is None or not session.plans:
                raise ProceduresWait(name)
