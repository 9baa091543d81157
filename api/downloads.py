"""Downloads: always attachments, under a name that no file system or header is deceived by (T21).

RFC 6266: a quoted ASCII name for the oldest clients, ``filename*`` (RFC 8187) for all others. Names
stay data: what is stored lies under its hash.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

LONGEST = 200
"""Bytes of a name: every file system takes them, with room for an ending like " (1)"."""
UNSAFE = re.compile(r'[/\\:*?"<>|;%\x00-\x1f\x7f-\x9f]')
# names that Windows takes for a device, whatever their ending
DEVICES = re.compile(r"(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)")
FALLBACK = "document"


def disposition(name: str) -> dict[str, str]:
    """Return the headers that make an answer a download under this name."""
    shown = safe_name(name)
    plain = unicodedata.normalize("NFKD", shown).encode("ascii", "ignore").decode()
    plain = UNSAFE.sub("_", plain).strip(" .")
    value = (
        f"attachment; filename=\"{plain or FALLBACK}\"; filename*=UTF-8''{quote(shown, safe='')}"
    )
    return {"Content-Disposition": value}


def safe_name(name: str) -> str:
    """Return the last part of a name, as it may be written on any machine and read as it is."""
    last = re.split(r"[/\\]", name)[-1]
    visible = "".join(one for one in last if unicodedata.category(one) not in {"Cc", "Cf", "Cs"})
    clean = UNSAFE.sub("_", visible).strip(" .")
    clean = f"_{clean}" if DEVICES.match(clean) else clean
    while len(clean.encode()) > LONGEST:
        stem, dot, ending = clean.rpartition(".")
        clean = f"{stem[:-1]}{dot}{ending}" if stem[:-1] and len(ending) < 20 else clean[:-1]
    return clean or FALLBACK
