"""The built scripts and styles, by name, with the integrity that pages print."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass

import orjson

FOLDER = "static"
PREFIX = "/static"


@dataclass(frozen=True)
class Asset:
    """One built file."""

    address: str
    integrity: str


def built_assets() -> dict[str, Asset]:
    """Return the assets of the manifest; none where Pli was built without its front end."""
    try:
        manifest = pkgutil.get_data("api.web", f"{FOLDER}/manifest.json")
    except FileNotFoundError:
        return {}
    rows = orjson.loads(manifest or b"{}")
    return {name: Asset(f"{PREFIX}/{row['file']}", row["integrity"]) for name, row in rows.items()}
