"""Whose clock a custodian believes: alone only one that kernel or operator vouch for (12.1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from doubles.views import ShownLedger
from starlette.testclient import TestClient

from api.adapters import clock
from api.cli import run, serve
from crypto.canonical import encode

QUESTION = encode({"nonce": "ab" * 32})


@pytest.mark.parametrize(
    ("options", "kernel_us", "status"),
    [
        ((), None, 403),
        ((), 1_000, 200),
        (("--clock-bound-ms", "250"), None, 200),
        (("--while-fed",), None, 200),
    ],
    ids=["nobody vouches", "the kernel does", "its operator does", "embedded, level A0"],
)
def test_an_unsynchronised_host_is_no_source_for_a_custodian_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    kernel_us: int | None,
    status: int,
) -> None:
    folder, said = tmp_path / "gardien", []

    async def asked(app: Any, *_: object, **__: object) -> None:
        said.append(TestClient(app).post("/v1/time", content=QUESTION))

    def vouch() -> int | None:
        return kernel_us

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.delenv("PLI_CLOCK_BOUND_MS", raising=False)
    monkeypatch.setattr(serve, "serve_until_signal", asked)
    monkeypatch.setattr("os._exit", leave)
    monkeypatch.setattr(clock, "kernel_bound_us", vouch)
    monkeypatch.setitem(clock.HostClock.__init__.__kwdefaults__, "kernel", vouch)
    log = str(ShownLedger().vkey)
    run(["custodian", "init", str(folder), "--organisation", "org-1", "--log-key", log])
    capsys.readouterr()
    run(["custodian", "serve", str(folder), *options])
    (answer,) = said
    assert answer.status_code == status
    told = json.loads(answer.content)["body"]
    assert told.get("code") == ("clock" if status == 403 else None)
    warned = "not synchronised" in capsys.readouterr().err
    assert warned == (status == 403)
