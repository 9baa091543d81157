"""Offline verifier of Pli: one file, standard library only, no code shared with the platform.

    python3 -I -S verify.py receipt FILE --policy P [--file F.pli] [--pieces P.json] [--pin C]
    python3 -I -S verify.py log DIR --policy P [--pin C]          (each: [--lang fr|en] [--json])

Exit 0: proven by the keys of the policy file that the reader chose, by nothing that is verified; 1
refused, 2 usage, 3 unreadable. Functions return what they proved, or raise Refused(code). The plan:

    1 signatures   Ed25519 of RFC 8032, strict: canonical, no small order, no cofactor
    2 notes        C2SP signed-note, tlog-checkpoint, tlog-cosignature v1
    3 policies     C2SP tlog-policy: which log keys, which witnesses, how many of them
    4 trees        RFC 6962: roots, inclusion, consistency
    5 entries      canonical JSON without repair, the eight fields of pli-entry/1
    6 chains       genesis, version and link inside each stream, time that does not run back
    7 receipts     C2SP tlog-proof with the entry inside
    8 logs         C2SP tlog-tiles: every entry, leaf, tile and the root; a pin; single proofs
    9 deposits     commitment of a sealed file, list of its pieces
   10 command      files in, words or JSON out

Not checked: RFC 3161 tokens (`openssl ts -verify`), Unicode NFC (a rule for writers).
"""

from __future__ import annotations

import argparse
import base64
import copy
import functools
import hashlib
import json
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any, BinaryIO

    Json = dict[str, "Json"] | list["Json"] | str | int | bool
    Read = Callable[[str], bytes | None]
    Point = tuple[int, int, int, int]


class Refused(Exception):
    """What was given is not proven: `code` names the rule that broke, `facts` say where."""

    def __init__(self, code: str, **facts: str | int) -> None:
        super().__init__(" ".join([code, *(f"{name}={value}" for name, value in facts.items())]))
        self.code, self.facts = code, facts


# 1 signatures ------------------------------------------------------------------------------------
FIELD = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE_D = -121665 * pow(121666, -1, FIELD) % FIELD
ROOT_OF_MINUS_ONE = pow(2, (FIELD - 1) // 4, FIELD)


def add_points(first: Point, second: Point) -> Point:
    """Return the sum on edwards25519 in extended coordinates; complete, so it doubles too."""
    x1, y1, z1, t1 = first
    x2, y2, z2, t2 = second
    a, b = (y1 - x1) * (y2 - x2) % FIELD, (y1 + x1) * (y2 + x2) % FIELD
    c, d = 2 * t1 * t2 * CURVE_D % FIELD, 2 * z1 * z2
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % FIELD, g * h % FIELD, f * g % FIELD, e * h % FIELD


def decode_point(data: bytes) -> Point:
    """Return the point; refuses y beyond the field, a point off the curve, or of small order."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    u, v = (y * y - 1) % FIELD, (CURVE_D * y * y + 1) % FIELD
    x = u * pow(v, 3, FIELD) * pow(u * pow(v, 7, FIELD), (FIELD - 5) // 8, FIELD) % FIELD
    if v * x * x % FIELD != u:
        x = x * ROOT_OF_MINUS_ONE % FIELD
    if y >= FIELD or v * x * x % FIELD != u:
        raise Refused("signature", reason="point")
    x = x if x & 1 == sign else FIELD - x
    point = by_eight = (x, y, 1, x * y % FIELD)
    for _ in range(3):
        by_eight = add_points(by_eight, by_eight)
    if by_eight[0] == 0:  # the eight points of small order, x = 0 with either sign among them
        raise Refused("signature", reason="order")
    return point


BASE = decode_point(b"\x58" + b"\x66" * 31)


@functools.lru_cache(maxsize=4096)
def check_ed25519(key: bytes, message: bytes, signature: bytes) -> None:
    """Return if the key signed the message; good ones are remembered by all three."""
    scalar = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or scalar >= ORDER:
        raise Refused("signature", reason="form")
    x, y, _, _ = decode_point(signature[:32])
    ax, ay, _, at = decode_point(key)
    hashed = hashlib.sha512(signature[:32] + key + message).digest()
    challenge = int.from_bytes(hashed, "little") % ORDER
    minus_key = (FIELD - ax, ay, 1, FIELD - at)
    terms = ((0, 1, 1, 0), BASE, minus_key, add_points(BASE, minus_key))
    total = terms[0]
    for bit in range(252, -1, -1):  # scalar * BASE - challenge * key, both in one pass
        total = add_points(total, total)
        if which := (scalar >> bit & 1) + 2 * (challenge >> bit & 1):
            total = add_points(total, terms[which])
    if (total[0] - x * total[2]) % FIELD or (total[1] - y * total[2]) % FIELD:
        raise Refused("signature", reason="equation")


# 2 notes -----------------------------------------------------------------------------------------
LOG_KEY, WITNESS_KEY = 1, 4
SIGNATURE_LINE = re.compile("— ([^\\s+]+) ([A-Za-z0-9+/]+={0,2})")
VKEY = re.compile("([^\\s+]+)\\+([0-9a-f]{8})\\+([A-Za-z0-9+/]+={0,2})")
ALWAYS = range(2**63)
EMPTY_ROOT = hashlib.sha256(b"").digest()


class Checkpoint(NamedTuple):
    """What a log signs: so many entries have this root."""

    origin: str
    size: int
    root: bytes


def read_base64(text: str, code: str, length: int | None = None) -> bytes:
    """Return the bytes of strict base64: padding there, spare bits zero, the length if one."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused(code, reason="base64") from None
    if base64.b64encode(data).decode() != text or length not in {None, len(data)}:
        raise Refused(code, reason="base64")
    return data


def read_decimal(text: str) -> int:
    """Return a number below 2^63 written in the one plain way."""
    if not re.fullmatch("0|[1-9][0-9]{0,18}", text) or int(text) >= 2**63:
        raise Refused("integer")
    return int(text)


def parse_vkey(text: str, kind: int) -> tuple[str, bytes, bytes]:
    """Return name, id and public key of `name+id+base64`, of this kind alone, its id recomputed."""
    found = VKEY.fullmatch(text)
    if not found:
        raise Refused("vkey")
    data = read_base64(found[3], "vkey", 33)
    key_id = hashlib.sha256(found[1].encode("utf-8", "surrogateescape") + b"\n" + data).digest()[:4]
    if data[0] != kind or key_id.hex() != found[2]:
        raise Refused("vkey", name=found[1], kind=data[0])
    return found[1], key_id, data[1:]


def parse_note(note: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Return the signed text and (name, key id, signature) of every line, none verified yet."""
    try:
        text = note.decode()
    except UnicodeDecodeError:
        raise Refused("note", reason="utf8") from None
    body, blank, lines = text.rpartition("\n\n")
    if re.search("[\x00-\x09\x0b-\x1f]", text) or not blank or not lines.endswith("\n"):
        raise Refused("note", reason="form")
    signatures = list[tuple[str, bytes, bytes]]()
    for line in lines[:-1].split("\n"):
        found = SIGNATURE_LINE.fullmatch(line)
        data = read_base64(found[2], "note") if found else b""
        if not found or len(data) < 5 or len(signatures) == 100:
            raise Refused("note", reason="line")
        signatures.append((found[1], data[:4], data[4:]))
    return body + "\n", signatures


def parse_checkpoint(text: str) -> Checkpoint:
    """Return origin, size and root of a checkpoint's text; extension lines carry no meaning."""
    lines = text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise Refused("checkpoint")
    size, root = read_decimal(lines[1]), read_base64(lines[2], "hash", 32)
    if size == 0 and root != EMPTY_ROOT:
        raise Refused("checkpoint", size=0)
    return Checkpoint(lines[0], size, root)


# 3 policies --------------------------------------------------------------------------------------
class Policy:
    """The keys that its owner trusts; nothing that is verified can add to it."""

    def __init__(self, data: bytes) -> None:
        """Read a policy file; bytes above 0x7f are opaque, as the format says."""
        if re.search(rb"[^\t\n\x20-\x7e\x80-\xff]", data):
            raise Refused("policy", reason="characters")
        self.keys: dict[
            tuple[str, bytes], tuple[bytes, str, str]
        ] = {}  # public, witness or "", vkey
        self.valid: dict[str, range] = {}  # sizes of checkpoints for which a key counts
        self.groups: dict[str, tuple[int, list[str]]] = {}
        self.names = {"none"}
        self.quorum = ""
        for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
            items = re.split("[ \t]+", line.strip(" \t"))
            if items[0] == "#pli-valid" or (items[0] and not items[0].startswith("#")):
                self._take(items, number)
        if not self.quorum:
            raise Refused("policy", reason="quorum")

    def _take(self, items: list[str], line: int) -> None:
        """Learn one line: log, witness, group or quorum; names are defined before use, once."""
        match items:
            case ["log", vkey] | ["log", vkey, _]:
                self._trust(vkey, LOG_KEY, "")
            case ["witness", name, vkey] | ["witness", name, vkey, _] if name not in self.names:
                self._trust(vkey, WITNESS_KEY, name)
                self.names.add(name)
            case ["group", group, threshold, *members] if group not in self.names:
                needed = {"any": "1", "all": str(len(members))}.get(threshold, threshold)
                taken = [*members, *(one for _, others in self.groups.values() for one in others)]
                known = set(members) <= self.names - {"none"} and len(taken) == len(set(taken))
                if not known or not 1 <= read_decimal(needed) <= len(members):
                    raise Refused("policy", line=line)
                self.groups[group] = (int(needed), members)
                self.names.add(group)
            case ["quorum", name] if not self.quorum and name in self.names:
                self.quorum = name
            case ["#pli-valid", vkey, *ends] if self.valid.get(vkey) is ALWAYS:
                self.valid[vkey] = range(*map(read_decimal, [*ends, str(ALWAYS[-1])][:2]))
                if not self.valid[vkey] or not 1 <= len(ends) <= 2:
                    raise Refused("policy", line=line)
            case _:
                raise Refused("policy", line=line)

    def _trust(self, vkey: str, kind: int, witness: str) -> None:
        """Keep a key unless another line of the same sort has it already."""
        name, key_id, public = parse_vkey(vkey, kind)
        for other, role, _ in self.keys.values():
            if other == public and bool(role) == bool(witness):
                raise Refused("policy", reason="duplicate", name=name)
        self.keys[name, key_id], self.valid[vkey] = (public, witness, vkey), ALWAYS

    def check_quorum(self, cosigned: Collection[str]) -> None:
        """Return if these witnesses are enough."""
        met = {"none", *cosigned}
        for name, (needed, members) in self.groups.items():  # each defined after its members
            if len(met & set(members)) >= needed:
                met.add(name)
        if self.quorum not in met:
            raise Refused("quorum", cosignatures=len(cosigned))

    def verify(self, note: bytes, *, quorum: bool = True) -> tuple[Checkpoint, dict[str, int]]:
        """Return the checkpoint and when each witness saw it; one bad line of a key refuses all."""
        text, signatures = parse_note(note)
        checkpoint, signed, seen = parse_checkpoint(text), False, dict[str, int]()
        for name, key_id, signature in signatures:
            key, witness, vkey = self.keys.get((name, key_id), (b"", "", ""))
            counts = checkpoint.size in self.valid.get(vkey, ALWAYS)
            if witness and quorum:  # cosignature/v1: eight bytes of time, then the signature
                time = int.from_bytes(signature[:8], "big")
                check_ed25519(key, f"cosignature/v1\ntime {time}\n{text}".encode(), signature[8:])
                if counts:
                    seen[witness] = min(time, seen.get(witness, time))
            elif key and not witness:
                check_ed25519(key, text.encode(), signature)
                signed = signed or (counts and name == checkpoint.origin)
        if not signed or any(time >= 2**63 for time in seen.values()):
            raise Refused("signature", origin=checkpoint.origin, reason="absent")
        if quorum:
            self.check_quorum(seen)
        return checkpoint, seen

    def check_changes(self, changes: list[dict[str, Json]], notes: list[bytes]) -> None:
        """Return if the notes hold too with the log's keys bounded by what its entries say."""
        strict = copy.copy(self)
        strict.valid = dict(self.valid)
        for change in changes:
            size = read_number(json.dumps(change.get("from_size")))
            for word, first, end in (("added", size, GREATEST), ("retired", 0, size)):
                if word in change and parse_vkey(vkey := str(change[word]), LOG_KEY):
                    old = strict.valid.get(vkey, ALWAYS)
                    strict.valid[vkey] = range(max(old.start, first), min(old.stop, end))
        for note in notes if changes else []:
            strict.verify(note, quorum=False)


# 4 trees -----------------------------------------------------------------------------------------
def leaf_hash(data: bytes) -> bytes:
    """Return the RFC 6962 leaf hash."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the RFC 6962 hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(hashes: bytes) -> bytes:
    """Return the root over leaf hashes given in one row; a last one without sibling moves up."""
    row = [hashes[at : at + 32] for at in range(0, len(hashes), 32)] or [EMPTY_ROOT]
    while len(row) > 1:
        odd = row[-1:] if len(row) % 2 else []
        row = [node_hash(*pair) for pair in zip(row[::2], row[1::2], strict=False)] + odd
    return row[0]


def split(size: int) -> int:
    """Return the largest power of two below the size (2 or more)."""
    return 1 << (size - 1).bit_length() - 1


def check_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> None:
    """Return if the leaf hash stands at index in the tree of this size and root."""
    if {len(value) for value in (leaf, root, *proof)} != {32}:
        raise Refused("hash")
    if not 0 <= index < size:
        raise Refused("index", index=index, size=size)
    rest = [*proof]

    def climb(index: int, size: int) -> bytes:
        if size == 1:
            return leaf
        middle, sibling = split(size), rest.pop() if rest else b""
        if index < middle:
            return node_hash(climb(index, middle), sibling)
        return node_hash(sibling, climb(index - middle, size - middle))

    if climb(index, size) != root or rest:
        raise Refused("proof", index=index, size=size)


def check_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: list[bytes]
) -> None:
    """Return if the tree of the first size and root is a beginning of the second's."""
    if {len(value) for value in (first_root, second_root, *proof)} != {32}:
        raise Refused("hash")
    rest, roots = [*proof], (EMPTY_ROOT, second_root)

    def climb(old: int, new: int, whole: bool) -> tuple[bytes, bytes]:
        if old == new and whole:
            return first_root, first_root
        sibling = rest.pop() if rest else b""
        if old == new:
            return sibling, sibling
        middle = split(new)
        if old <= middle:
            then, now = climb(old, middle, whole)
            return then, node_hash(now, sibling)
        then, now = climb(old - middle, new - middle, whole=False)
        return node_hash(sibling, then), node_hash(sibling, now)

    if 0 < first <= second:
        roots = climb(first, second, whole=True)
    if not 0 <= first <= second or roots != (first_root, second_root) or rest:
        raise Refused("consistency", first=first, second=second)


# 5 entries ---------------------------------------------------------------------------------------
GREATEST, GUARD = 2**53 - 1, timedelta(seconds=10)
AT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z"
RULES = {
    "at": AT,
    "kind": "[A-Z][A-Za-z0-9]{1,63}",
    "prev": "[0-9a-f]{64}",
    "salt": "[0-9a-f]{32}",
    "stream": "[a-z][a-z0-9-]{0,31}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?",
}
ENTRY = re.compile(
    '{{"at":"({at})","data":({{.*}}),"kind":"({kind})","prev":"({prev})","salt":"({salt})",'
    '"stream":"({stream})","v":([1-9][0-9]{{0,4}}),"version":([1-9][0-9]{{0,15}})}}'.format(**RULES)
)
STRING = r'"[^"\\\x00-\x1f]*(?:\\(?:["\\bfnrt]|u00(?:0[1-7bef]|1[0-9a-f]))[^"\\\x00-\x1f]*)*"'
PLAIN_VALUE = re.compile(rf"(?<=[:\[,])(?:{STRING}|-?[1-9][0-9]{{0,14}})(?=[,\]}}])")


class Entry(NamedTuple):
    """One recorded act, its eight fields checked; `data` stays the canonical text it is."""

    at: str
    data: str
    kind: str
    prev: str
    salt: str
    stream: str
    v: int
    version: int


def read_members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Return an object whose keys are plain and ascend strictly, so that none stands twice."""
    last = ""
    for key, _ in pairs:
        if not re.fullmatch("[a-z][a-z0-9_]{0,63}", key) or key <= last:
            raise Refused("order" if key <= last else "key", key=key[:64])
        last = key
    return dict(pairs)


def read_number(text: str) -> int:
    """Return an integer within 2^53, written in the one plain way; no float, no NaN."""
    if not re.fullmatch("0|-?[1-9][0-9]*", text):
        raise Refused("number", text=text[:32])
    if len(text) > 17 or abs(int(text)) > GREATEST:
        raise Refused("range", text=text[:32])
    return int(text)


NUMBERS: Any = dict.fromkeys(("parse_int", "parse_float", "parse_constant"), read_number)


def check_value(value: Json | None, level: int = 1) -> None:
    """Return if there is no null, no U+0000 and no more than 16 levels."""
    if value is None or (isinstance(value, str) and "\x00" in value):
        raise Refused("null" if value is None else "nul")
    if isinstance(value, dict | list):
        if level > 16:
            raise Refused("depth")
        for item in value.values() if isinstance(value, dict) else value:
            check_value(item, level + 1)


def parse_object(data: bytes) -> dict[str, Json]:
    """Return one object of the canonical profile: reading and writing it gives the same bytes."""
    try:
        text = data.decode()
        value: Json = json.loads(text, object_pairs_hook=read_members, **NUMBERS)
    except UnicodeDecodeError as error:
        raise Refused("utf8", offset=error.start) from None
    except json.JSONDecodeError as error:
        bad = re.search(r"\\|control", error.msg)
        raise Refused("escape" if bad else "syntax", offset=error.pos) from None
    except RecursionError:
        raise Refused("depth") from None
    check_value(value)
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if written != text:
        other = next((a for a, b in zip(text, written, strict=False) if a != b), " ")
        raise Refused("space" if other in " \t\r\n" else "escape")
    if not isinstance(value, dict):
        raise Refused("syntax", offset=0)
    return value


def instant(at: str) -> datetime:
    """Return the instant of an `at`; a day that no calendar has is refused."""
    try:
        return datetime.fromisoformat(at[:-1])
    except ValueError:
        raise Refused("at", at=at) from None


def strict_entry(data: bytes) -> Entry:
    """Return the entry by the exact path: every rule in turn, its code on refusal."""
    if len(data) > 65535:
        raise Refused("size", bytes=len(data))
    fields = parse_object(data)
    if tuple(fields) != Entry._fields:
        raise Refused("fields")
    for name, rule in RULES.items():
        if not isinstance(value := fields[name], str) or not re.fullmatch(rule, value):
            raise Refused(name)
    for name, greatest in (("v", 65535), ("version", GREATEST)):
        if type(number := fields[name]) is not int or not 1 <= number <= greatest:
            raise Refused(name)
    instant(str(fields["at"]))
    if not isinstance(fields["data"], dict):
        raise Refused("data")
    whole = data.decode()
    text = whole[43 : whole.rindex(',"kind":"')]  # `at` has one length, later values no quotes
    return Entry(**{**fields, "data": text})  # type: ignore[arg-type]


SHAPES: set[tuple[str, str]] = set()  # day, and data with "" for each plain value: seen before


def read_entry(data: bytes) -> Entry:
    """Return the entry, ten times faster where the shape of its data has been seen.

    Sound: in an accepted text, "" there is a whole empty string: any valid literal may replace it.
    """
    try:
        found = ENTRY.fullmatch(data.decode())
    except UnicodeDecodeError:
        found = None
    if not found or len(data) > 65535:
        return strict_entry(data)
    at, text, kind, prev, salt, stream, v, version = found.groups()
    shape = (at[:10], PLAIN_VALUE.sub('""', text))
    entry = Entry(at, text, kind, prev, salt, stream, int(v), int(version))
    if shape not in SHAPES or entry.v > 65535 or entry.version > GREATEST:
        entry = strict_entry(data)
        if len(SHAPES) >= 10_000:
            SHAPES.clear()
        SHAPES.add(shape)
    return entry


# 6 chains ----------------------------------------------------------------------------------------
class Chain:
    """The rules between the entries of one log, fed in the order of positions."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.tips: dict[str, tuple[int, str, str]] = {}
        self.first = self.latest = self.genesis = ""
        self.clock: Json = ""
        self.changes: list[dict[str, Json]] = []  # of the log's own keys

    def follow(self, position: int, entry: Entry, leaf: str) -> None:
        """Return if the entry may stand here: genesis, version and link, time."""
        if position == 0:
            self._check_genesis(entry)
            self.genesis, self.first, tip = leaf, entry.at, (0, "0" * 64, "")
        else:
            tip = self.tips.get(entry.stream, (0, self.genesis, ""))
        version, prev, at = tip
        if entry.version != version + 1 or entry.prev != prev:
            raise Refused("chain", stream=entry.stream, version=entry.version)
        if entry.at < at:
            raise Refused("time", stream=entry.stream, at=entry.at)
        if (entry.stream, entry.kind) == ("log", "LogKeyChanged"):
            self.changes.append(parse_object(entry.data.encode()))
        self.latest = max(self.latest, entry.at)
        if self.latest > entry.at and instant(self.latest) - instant(entry.at) > GUARD:
            raise Refused("time", at=entry.at, latest=self.latest)
        self.tips[entry.stream] = (entry.version, leaf, entry.at)

    def _check_genesis(self, entry: Entry) -> None:
        """Return if entry 0 founds this log and no other."""
        data = parse_object(entry.data.encode())
        self.clock = data.get("clock", "-")
        found = (*entry[2:4], entry.stream, entry.version, data.get("format"), data.get("origin"))
        if found != ("LogCreated", "0" * 64, "log", 1, "pli-entry/1", self.origin):
            raise Refused("genesis", stream=entry.stream, kind=entry.kind)


# 7 receipts --------------------------------------------------------------------------------------
class Proven(NamedTuple):
    """An entry, where it stands in which log, and the checkpoint under which that is proven."""

    entry: Entry
    leaf: bytes
    position: int
    checkpoint: Checkpoint
    cosignatures: dict[str, int]


def check_receipt(proof: bytes, policy: Policy, entry: bytes | None = None) -> Proven:
    """Return the entry that a tlog-proof proves under the policy.

    An entry given apart is the one judged; without it, the one in the `extra` line.
    """
    head, blank, note = proof.partition(b"\n\n")
    lines = head.decode("latin-1").split("\n")
    if not blank or lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise Refused("proof", reason="form")
    extra = lines.pop(0)[6:] if lines and lines[0].startswith("extra ") else None
    inside = None if extra is None else read_base64(extra, "proof")
    if not 1 <= len(lines) <= 64 or not lines[0].startswith("index "):
        raise Refused("proof", reason="form")
    index = read_decimal(lines[0][6:])
    hashes = [read_base64(line, "hash", 32) for line in lines[1:]]
    checkpoint, seen = policy.verify(note)
    data = inside if entry is None else entry
    if data is None:
        raise Refused("proof", reason="entry")
    read, leaf = read_entry(data), leaf_hash(data)
    check_inclusion(leaf, index, checkpoint.size, hashes, checkpoint.root)
    return Proven(read, leaf, index, checkpoint, seen)


# 8 logs ------------------------------------------------------------------------------------------
TILE = 256 * 32
TILED = r"(?a)(entries|[0-5])/(?!x000)(x\d{3}/){0,5}\d{3}(\.p/([1-9]\d?|1\d\d|2[0-4]\d|25[0-5]))?"


def tile_path(level: int, n: int, width: int = 256) -> str:
    """Return the path of a tile, or at level -1 of an entry bundle."""
    path = f"{n % 1000:03}"
    while n := n // 1000:
        path = f"x{n % 1000:03}/{path}"
    path = f"tile/{'entries' if level < 0 else level}/{path}"
    return path if width == 256 else f"{path}.p/{width}"


def read_part(read: Read, level: int, n: int, size: int) -> tuple[bytes, int, int]:
    """Return a tile's bytes, the items they hold, those that count; a full one stands in."""
    width = min(256, (size >> 8 * max(level, 0)) - 256 * n)
    for held in sorted({width, 256}):
        if (data := read(tile_path(level, n, held))) is not None:
            return data, held, width
    raise Refused("missing", path=tile_path(level, n, width))


def read_tile(read: Read, level: int, n: int, size: int) -> bytes:
    """Return the hashes of one tile of a log of this size."""
    data, held, width = read_part(read, level, n, size)
    if len(data) != 32 * held:
        raise Refused("tile", path=tile_path(level, n, held), bytes=len(data))
    return data[: 32 * width]


def read_bundle(read: Read, n: int, size: int) -> list[bytes]:
    """Return the entries of one bundle of a log of this size, nothing left over."""
    data, held, width = read_part(read, -1, n, size)
    entries, end = list[bytes](), 0
    for _ in range(held):
        start = end + 2
        end = start + int.from_bytes(data[end:start], "big")
        entries.append(data[start:end])
    if end != len(data):  # a bundle cut short ends elsewhere too
        raise Refused("bundle", path=tile_path(-1, n, held), bytes=len(data))
    return entries[:width]


def read_checkpoint(read: Read, policy: Policy) -> tuple[Checkpoint, dict[str, int]]:
    """Return the checkpoint of a log under the policy, and who saw it when."""
    if (note := read("checkpoint")) is None:
        raise Refused("missing", path="checkpoint")
    return policy.verify(note)


def check_pin(policy: Policy, pin: bytes, now: Checkpoint) -> Checkpoint:
    """Return the pin: signed by the log (a quorum is not asked again), same origin, not larger."""
    pinned, _ = policy.verify(pin, quorum=False)
    if pinned.origin != now.origin or pinned.size > now.size:
        raise Refused("pin", size=now.size, pin=pinned.size, origin=pinned.origin)
    return pinned


def check_log(
    read: Read, policy: Policy, pin: bytes | None = None
) -> tuple[Checkpoint, dict[str, int], Chain]:
    """Return what a served or exported log proves: every entry, leaf, tile, root, and the pin."""
    checkpoint, seen = read_checkpoint(read, policy)
    pinned = check_pin(policy, pin, checkpoint) if pin is not None else None
    chain, leaves, size = Chain(checkpoint.origin), bytearray(), checkpoint.size
    for n in range((size + 255) // 256):
        for position, data in enumerate(read_bundle(read, n, size), start=256 * n):
            leaf = leaf_hash(data)
            try:
                chain.follow(position, read_entry(data), leaf.hex())
            except Refused as refusal:
                refusal.facts["position"] = position
                raise
            leaves += leaf
    level, row = 0, bytes(leaves)
    while row:
        tiles = [row[at : at + TILE] for at in range(0, len(row), TILE)]
        for n, tile in enumerate(tiles):
            if read_tile(read, level, n, size) != tile:
                raise Refused("tile", level=level, n=n)
        level, row = level + 1, b"".join(tree_root(tile) for tile in tiles if len(tile) == TILE)
    if tree_root(bytes(leaves)) != checkpoint.root:
        raise Refused("root", size=size)
    policy.check_changes(chain.changes, [read("checkpoint") or b"", *([pin] if pin else [])])
    if pinned and tree_root(bytes(leaves[: 32 * pinned.size])) != pinned.root:
        raise Refused("pin", size=size, pin=pinned.size)
    return checkpoint, seen, chain


def subtree(read: Read, size: int, start: int, end: int) -> bytes:
    """Return the hash over leaves start..end of a log, from its tiles."""
    width = end - start
    if width & (width - 1):
        middle = start + split(width)
        return node_hash(subtree(read, size, start, middle), subtree(read, size, middle, end))
    level = (width.bit_length() - 1) // 8
    n, offset = divmod(start >> 8 * level, 256)
    tile = read_tile(read, level, n, size)
    return tree_root(tile[32 * offset : 32 * (offset + (width >> 8 * level))])


def tile_proof(read: Read, size: int, index: int, first: int = 0) -> list[bytes]:
    """Return, from tiles, the inclusion proof of index, or, index + 1 = first, of consistency."""
    start, end, path = 0, size, list[bytes]()
    while end - start > 1 and end != first:
        middle = start + split(end - start)
        left, right = (start, middle), (middle, end)
        (start, end), other = (left, right) if index < middle else (right, left)
        path.append(subtree(read, size, *other))
    if first and start:
        path.append(subtree(read, size, start, end))
    return path[::-1]


def check_include(read: Read, policy: Policy, index: int, expected: bytes | None = None) -> Proven:
    """Return the entry at index, proven from tiles against the checkpoint; the expected one."""
    checkpoint, seen = read_checkpoint(read, policy)
    if not 0 <= index < checkpoint.size:
        raise Refused("index", index=index, size=checkpoint.size)
    data = read_bundle(read, index // 256, checkpoint.size)[index % 256]
    if expected not in {None, data}:
        raise Refused("proof", index=index, reason="entry")
    entry, leaf = read_entry(data), leaf_hash(data)
    proof = tile_proof(read, checkpoint.size, index)
    check_inclusion(leaf, index, checkpoint.size, proof, checkpoint.root)
    return Proven(entry, leaf, index, checkpoint, seen)


def check_growth(read: Read, policy: Policy, old: bytes) -> Checkpoint:
    """Return the log's checkpoint, proven from tiles to continue the older one."""
    now, _ = read_checkpoint(read, policy)
    first = (pinned := check_pin(policy, old, now)).size
    proof = tile_proof(read, now.size, first - 1, first) if first else []
    check_consistency(first, now.size, pinned.root, now.root, proof)
    return now


# 9 deposits --------------------------------------------------------------------------------------
FULL_CHUNK = 1_048_576 + 16
PIECE = {"kind": str, "name": str, "salt": str, "sha256": str, "size": int}


def deposit_commitment(file: BinaryIO) -> str:
    """Return the commitment over the ciphertext of a PLI1 file, one chunk in memory at a time."""
    magic, length = file.read(4), int.from_bytes(file.read(4), "big")
    header = file.read(min(length, 65537))
    if magic != b"PLI1" or len(header) != length or length > 65536:
        raise Refused("framing", reason="header")
    leaves, count, last = bytearray(), 0, 0
    while chunk := file.read(FULL_CHUNK):
        count, last = count + 1, len(chunk)
        leaves += leaf_hash(chunk)
    if last < 16 or count > 2**20 or (count > 1 and last == 16):
        raise Refused("framing", chunks=count, last=last)
    state, root = hashlib.blake2b(digest_size=32), tree_root(bytes(leaves))
    parts = (b"pli/v1/deposit", hashlib.sha256(header).digest(), root, count.to_bytes(8, "big"))
    for part in parts:
        state.update(len(part).to_bytes(8, "little") + part)
    return state.hexdigest()


def check_file(file: BinaryIO, entry: Entry) -> str:
    """Return the commitment of a sealed file if it is the one that the entry recorded."""
    commitment = deposit_commitment(file)
    if commitment != parse_object(entry.data.encode()).get("commitment"):
        raise Refused("commitment", kind=entry.kind, file=commitment)
    return commitment


def check_pieces(manifest: bytes, entry: Entry) -> list[Json]:
    """Return the documents of a list whose root and count are those that the entry recorded."""
    data, listed = parse_object(entry.data.encode()), parse_object(manifest)
    documents = listed.get("documents")
    if list(listed) != ["documents", "padding", "v"] or not isinstance(documents, list):
        raise Refused("package", reason="keys")
    leaves = bytearray()
    for number, piece in enumerate(documents, start=1):
        if not isinstance(piece, dict) or {key: type(piece[key]) for key in piece} != PIECE:
            raise Refused("package", piece=number)
        leaves += leaf_hash(json.dumps(piece, ensure_ascii=False, separators=(",", ":")).encode())
    root, count = tree_root(bytes(leaves)).hex(), len(documents)
    if (root, count) != (data.get("documents_root"), data.get("documents_count")):
        raise Refused("documents", count=count, root=root)
    return documents


# 10 command --------------------------------------------------------------------------------------
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, as every time here
SIZES = {"checkpoint": 1 << 20, "entries": 256 * 65537}
SAID = {
    "kind": ("acte {kind} de {stream}, rang {version}", "act {kind} of {stream}, no. {version}"),
    "at": ("heure de la plateforme {at}", "time of the platform {at}"),
    "position": ("position {position}, empreinte {leaf}", "position {position}, leaf {leaf}"),
    "origin": ("registre {origin}, {size} écritures", "log {origin}, {size} entries"),
    "root": ("racine {root}", "root {root}"),
    "cosignatures": ("vu par les témoins : {cosignatures}", "seen by witnesses: {cosignatures}"),
    "streams": ("{streams} flux, horloge {clock}", "{streams} streams, clock {clock}"),
    "first_at": ("actes de {first_at} à {last_at}", "acts from {first_at} to {last_at}"),
    "file": ("fichier scellé conforme : {file}", "sealed file as recorded: {file}"),
    "pieces": ("pièces conformes : {pieces}", "pieces as recorded: {pieces}"),
    "pin": ("repère : {pin}", "pin: {pin}"),
    "not_checked": ("non vérifié : {not_checked}", "not checked: {not_checked}"),
}
FRENCH = {
    "simulated": "SIMULÉE (démonstration)",
    "real": "réelle",
    "continued": "le registre le prolonge",
    "not compared with the pin": "non comparé au repère",
}
REASONS = (
    ("signature", "une signature manque ou est fausse", "a signature is absent or wrong"),
    ("quorum", "trop peu de témoins ont contresigné", "too few witnesses have cosigned"),
    ("index proof root tile", "cela ne mène pas à la racine signée", "not under the signed root"),
    ("genesis chain time", "la suite des écritures est rompue", "the entries do not follow"),
    ("pin consistency", "l'histoire a été changée ou coupée", "history was changed or cut"),
    ("missing", "un fichier manque", "a file is missing"),
    ("commitment documents", "ce n'est pas ce qui est inscrit", "this is not what was recorded"),
    ("", "ce qui est donné est mal formé", "what is given is malformed"),
)


def utc(seconds: int) -> str:
    """Return the second of a cosignature as a date, or as it is beyond the calendar."""
    dated = seconds < 253402300800  # the year 10000
    return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}Z" if dated else str(seconds)


def of_checkpoint(checkpoint: Checkpoint, seen: dict[str, int]) -> dict[str, Json]:
    """Return what a checkpoint under a policy lets one say."""
    times: Json = {name: utc(time) for name, time in sorted(seen.items())}
    return {**checkpoint._asdict(), "root": checkpoint.root.hex(), "cosignatures": times}


def run_receipt(given: argparse.Namespace) -> dict[str, Json]:
    """Verify a receipt and what is given beside it."""
    policy = Policy(given.policy.read_bytes())
    proven = check_receipt(given.target.read_bytes(), policy)
    entry = proven.entry
    said: dict[str, Json] = {name: getattr(entry, name) for name in ("kind", "at", "stream")}
    said |= {"version": entry.version, "position": proven.position, "leaf": proven.leaf.hex()}
    said |= of_checkpoint(proven.checkpoint, proven.cosignatures)
    if given.file:
        with given.file.open("rb") as file:
            said["file"] = check_file(file, entry)
    if given.pieces:
        said["pieces"] = check_pieces(given.pieces.read_bytes(), entry)
    return said | ({"pin": "not compared with the pin"} if given.pin else {})


def run_log(given: argparse.Namespace) -> dict[str, Json]:
    """Verify a served or exported log."""
    policy = Policy(given.policy.read_bytes())
    pin = given.pin.read_bytes() if given.pin else None
    any(given.target.iterdir())  # raises where there is no folder
    files = (path for path in given.target.glob("tile/**/*") if not path.is_dir())
    for name in sorted(str(path.relative_to(given.target / "tile")) for path in files):
        if not re.fullmatch(TILED, name):  # nobody would read it; older partial tiles may stay
            raise Refused("path", path=f"tile/{name}")

    def read(path: str) -> bytes | None:
        file = given.target / path
        limit = next((size for name, size in SIZES.items() if name in path), TILE)
        if not file.is_file():
            return None
        with file.open("rb") as opened:
            return bytes(opened.read(limit + 1))  # one byte too many refuses, a huge file too

    checkpoint, seen, chain = check_log(read, policy, pin)
    said = of_checkpoint(checkpoint, seen) | {"streams": len(chain.tips), "clock": chain.clock}
    said |= {"first_at": chain.first, "last_at": chain.latest}
    return said | ({"pin": "continued"} if given.pin else {})


def shown(value: Json | None) -> str:
    """Return a value as words; what could break or deceive a terminal is escaped."""
    if isinstance(value, dict):
        return ", ".join(f"{shown(name)} {shown(item)}" for name, item in value.items()) or "-"
    if isinstance(value, list):
        return "".join(f"\n    {shown(item)}" for item in value)
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(value))


def arguments() -> argparse.ArgumentParser:
    """Return the command line; it exits with 2 by itself on wrong usage."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("verify.py", description=__doc__, formatter_class=plain)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, run in (("receipt", run_receipt), ("log", run_log)):
        options = verbs.add_parser(verb, allow_abbrev=False)
        options.set_defaults(run=run)
        options.add_argument("target", type=Path, metavar="FILE" if verb == "receipt" else "DIR")
        options.add_argument("--policy", type=Path, required=True)
        for name in ("--pin", "--file", "--pieces")[: 3 if verb == "receipt" else 1]:
            options.add_argument(name, type=Path)
        options.add_argument("--lang", choices=("fr", "en"), default="fr")
        options.add_argument("--json", action="store_true")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run one verb: 0 proven, 1 refused, 2 usage, 3 something could not be read."""
    try:
        given = arguments().parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)
    french = given.lang == "fr"
    said: dict[str, Json] = {"verb": given.verb, "verdict": "proven"}
    try:
        said |= given.run(given) | {"not_checked": "RFC 3161 (openssl ts -verify), Unicode NFC"}
        texts = [text[not french] for name, text in SAID.items() if name in said]
        words = {name: shown(value) for name, value in said.items()}
        for name in {"clock", "pin"} & words.keys() if french else ():
            words[name] = FRENCH.get(words[name], words[name])
        status, line = 0, "\n  ".join(["PROUVÉ" if french else "PROVEN", *texts]).format(**words)
    except Refused as refusal:
        reason = next(row for row in REASONS if refusal.code in row[0].split() or not row[0])
        said |= {"verdict": "refused", "code": refusal.code, "facts": {**refusal.facts}}
        status, line = 1, f"{'REFUSÉ' if french else 'REFUSED'} : {reason[1 if french else 2]}"
        line += f" [{shown(str(refusal))}]"
    except OSError as error:
        said |= {"verdict": "unreadable", "facts": {"path": str(error.filename)}}
        status, line = 3, f"{'ILLISIBLE' if french else 'UNREADABLE'} : {error}"
    line = json.dumps(said, sort_keys=True) if given.json else line
    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
