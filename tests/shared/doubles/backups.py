"""A few steps that every test of backup copies takes."""

from __future__ import annotations

from typing import Any

from doubles.platform import DEADLINE, MS, Platform

from domain.commands import open_backup
from domain.commands.fix_opening_plan import AnchorPlan, anchor_plan


def first_plan(platform: Platform) -> None:
    """Close, open what there is, and end the first plan."""
    platform.ready_to_open()
    platform.open()


def ask(platform: Platform, name: str, act: Any = None) -> Any:
    command = open_backup.AuthoriseBackupCopyOpening(name)
    done = open_backup.authorise_backup_copy_opening
    return platform.done(done, act or platform.act(), command)


def late_with_copy(platform: Platform) -> str:
    """Let a deposit begun in time end late, beside an electronic copy in time; close."""
    copy = platform.back_up("copy")
    platform.deposit("late", at=DEADLINE + MS)
    first_plan(platform)
    return copy.name


def anchored(platform: Platform) -> None:
    platform.done(anchor_plan, platform.act(), AnchorPlan("C1", "0"))
