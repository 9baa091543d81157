"""Refusals of the cryptographic layer: one class per reason, each with a stable code."""

from __future__ import annotations


class CryptoError(Exception):
    """Root of every refusal raised by ``crypto``; ``code`` is stable and machine-readable."""

    code = "crypto"
