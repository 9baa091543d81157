"""Leave the platform with a complete export, which is proven (domain.md §4.1)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.commands.loading import own_buyer
from domain.errors import BadForm, ExportIncomplete, ExportUnproven
from domain.events.parties import BuyerLeft
from domain.identifiers import HEX64, check
from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class LeavePlatform:
    """Leave with an export of the log at this size, which has this root."""

    buyer: str
    size: int
    root: str


def leave_platform(desk: Desk, act: Act, command: LeavePlatform) -> Recorded:
    """Append BuyerLeft: 1 the export is a published state of the log, 2 nothing came after it."""
    if earlier := desk.earlier(act, command):
        return earlier
    buyer = own_buyer(desk, act, command.buyer, "leave the platform")
    check(HEX64, "root", command.root)
    if command.buyer == desk.platform:
        raise BadForm("buyer", "the platform does not leave itself")
    if desk.heads.published_root(command.size) != command.root:  # 1
        raise ExportUnproven(command.size, command.root)
    if desk.register.acted_since(command.buyer, command.size):  # 2
        raise ExportIncomplete(command.buyer, command.size)
    meta = desk.meta(act, desk.reading(buyer), command.buyer)
    buyer.append(BuyerLeft(**buyer.stamp(meta), size=command.size, root=command.root))
    return desk.save(act, command, [buyer])
