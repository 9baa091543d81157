"""Ceremony, keyset, capsule, partials and the key they give."""

from __future__ import annotations

from typing import Any

from api.known_answers.book import Book, Case, Out, raw
from crypto import dkg, keyset, label, threshold
from crypto.ceremony import Ceremony


def make_round1(_book: Book, case: Case) -> Out:
    """Make a round-1 message from fixed secrets."""
    polynomial = [bytes.fromhex(coefficient) for coefficient in case["poly"]]
    ceremony = Ceremony.parse(case["ceremony"])
    seed = raw(case, "sign_seed")
    return dkg.commit(ceremony, case["index"], polynomial, raw(case, "w"), seed)


def check_round1(_book: Book, case: Case) -> Out:
    """Check a round-1 message."""
    dkg.check_commitment(Ceremony.parse(case["ceremony"]), case["message"])
    return {}


def finish(_book: Book, case: Case) -> Out:
    """Check both rounds as one custodian and compute its share."""
    ceremony = Ceremony.parse(case["ceremony"])
    secret = raw(case, "box_secret")
    outcome = dkg.finish(ceremony, case["index"], secret, case["round1"], case["round2"])
    return {
        "digest": outcome.digest.hex(),
        "share": outcome.share.hex(),
        "shares": [share.hex() for share in outcome.shares],
        "y": outcome.y.hex(),
    }


def check_keyset(_book: Book, case: Case) -> Out:
    """Check a keyset document."""
    found = keyset.Keyset.parse(case["doc"])
    return {"ceremony": found.ceremony.cid.hex(), "digest": found.digest.hex()}


def alive(book: Book, case: Case) -> Out:
    """Check a proof of life."""
    keys = book.keyset(case["keyset"])
    keyset.check_alive(keys, case["index"], raw(case, "nonce"), raw(case, "proof"))
    return {}


def recovery(book: Book, case: Case) -> Out:
    """Open a recovery copy."""
    keys = book.keyset(case["keyset"])
    share = keyset.recover(keys, case["index"], raw(case, "box"), raw(case, "secret"))
    return {"share": share.hex()}


def encapsulate(book: Book, case: Case) -> Out:
    """Make a capsule and its key from fixed secrets."""
    keys = book.keyset(case["keyset"])
    bound = label.encode(case["label"])
    capsule, key = threshold.encapsulate(keys, bound, raw(case, "r"), raw(case, "w"))
    return {"capsule": capsule.hex(), "key": key.hex()}


def check_capsule(_book: Book, case: Case) -> Out:
    """Check a capsule."""
    bound = label.encode(case["label"])
    threshold.check_capsule(raw(case, "digest"), bound, raw(case, "capsule"))
    return {}


def make_partial(book: Book, case: Case) -> Out:
    """Make a partial from a fixed share."""
    share, w = raw(case, "share"), raw(case, "w")
    partial = threshold.make_partial(_lock(book, case), case["index"], share, w)
    return {"partial": partial.hex()}


def check_partial(book: Book, case: Case) -> Out:
    """Check a partial."""
    threshold.check_partial(_lock(book, case), case["index"], raw(case, "partial"))
    return {}


def combine(book: Book, case: Case) -> Out:
    """Combine partials into the key."""
    given: list[dict[str, Any]] = case["partials"]
    partials = [(each["index"], bytes.fromhex(each["partial"])) for each in given]
    combined = threshold.combine(_lock(book, case), partials)
    return {
        "bad": list(combined.bad),
        "key": combined.key.hex(),
        "used": list(combined.used),
    }


def _lock(book: Book, case: Case) -> threshold.Lock:
    keys = book.keyset(case["keyset"])
    return threshold.Lock(keys, label.encode(case["label"]), raw(case, "capsule"))
