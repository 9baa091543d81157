"""Feasibility of an announce: only limits that were published, before the first byte (§4.6)."""

from __future__ import annotations

from crypto.padding import padme
from domain.errors import DepositTooLarge, DomainError, EnvelopeMismatch, TooManyFiles
from domain.events.consultation import Limits, Padding

CHUNK_TAG = 16
SMALLEST_PADDED = 65_536


def check_announce(limits: Limits, declared_bytes: int, declared_files: int) -> None:
    """Return quietly if the published limits allow this announce."""
    if declared_bytes > limits.max_total:
        raise DepositTooLarge("max_total", limits.max_total, declared_bytes)
    if declared_files > limits.max_files:
        raise TooManyFiles("max_files", limits.max_files, declared_files)


def check_padded(limits: Limits, body_bytes: int, chunks: int) -> None:
    """Return quietly if the body has a padded size, as published (envelope.md §6)."""
    plaintext = body_bytes - CHUNK_TAG * chunks
    padded = plaintext >= SMALLEST_PADDED and padme(plaintext) == plaintext
    if limits.padding == Padding.PADME and not padded:
        raise EnvelopeMismatch("padding")


def limit_refusal(limit: str, allowed: int, asked: int) -> DomainError:
    """Return the refusal which these recorded facts mean."""
    kinds = {"max_total": DepositTooLarge, "max_files": TooManyFiles}
    return kinds[limit](limit, allowed, asked)
