"""The command: exit status, French and English words, JSON; alone with the standard library."""

from __future__ import annotations

import base64
import io
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crypto import merkle
from crypto.canonical import encode
from crypto.notes import COSIGNATURE, LOG, Checkpoint, VerifierKey, cosign, note, sign, text
from crypto.package import Document, make_manifest
from crypto.policies import Policy
from ledger.exported import LogFolder
from ledger.fsck import LogUnsound, fsck
from replay import verifier

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
VERIFIER = Path(verifier.__file__)
LOG_POLICY = VECTORS / "policies/log.txt"
ONE = VECTORS / "policies/one.txt"
RECEIPT = VECTORS / "extra/proofs/423.tlog-proof"
ORIGIN = "log.example/1"
SEED, WITNESS = bytes(32), bytes([7]) * 32


def run(capsys, *words):
    status = verifier.main([str(word) for word in words])
    return status, capsys.readouterr().out


def said(capsys, *words):
    status, out = run(capsys, *words, "--json")
    assert out.count("\n") == 1
    return status, json.loads(out)


def test_a_receipt(capsys):
    status, out = run(capsys, "receipt", RECEIPT, "--policy", ONE)
    assert status == 0
    assert out.startswith("PROUVÉ\n  acte DepositSealed de deposit/d47f02fe-")
    assert "vu par les témoins : a 2026-03-03T08:00:00Z" in out
    assert "heure de la plateforme 2026-03-02T20:25:29.313838Z" in out
    status, out = run(capsys, "receipt", RECEIPT, "--policy", LOG_POLICY, "--lang", "en")
    assert (status, out.splitlines()[0]) == (0, "PROVEN")
    assert "seen by witnesses: -\n" in out


def test_a_receipt_for_machines(capsys):
    status, answer = said(capsys, "receipt", RECEIPT, "--policy", ONE, "--pin", "not-even-read")
    assert status == 0
    assert answer["verdict"] == "proven"
    assert (answer["verb"], answer["kind"], answer["position"]) == ("receipt", "DepositSealed", 423)
    assert answer["leaf"].startswith("d621700aa227fbb24be8a029813171db20a20d2f")
    assert answer["cosignatures"] == {"a": "2026-03-03T08:00:00Z"}
    assert answer["pin"] == "not compared with the pin"
    assert "RFC 3161" in answer["not_checked"]


def test_a_pin_beside_a_receipt_is_said_not_to_count(capsys):
    _, out = run(capsys, "receipt", RECEIPT, "--policy", ONE, "--pin", "x")
    assert "repère : non comparé au repère" in out


def test_a_log(capsys):
    pin = VECTORS / "extra/checkpoints/300"
    status, out = run(capsys, "log", VECTORS / "log", "--policy", ONE, "--pin", pin)
    assert status == 0
    assert "20 flux, horloge SIMULÉE (démonstration)" in out
    assert "repère : le registre le prolonge" in out
    status, answer = said(capsys, "log", VECTORS / "log", "--policy", ONE)
    assert (status, answer["size"], answer["streams"], answer["clock"]) == (0, 613, 20, "simulated")
    assert "pin" not in answer


@pytest.mark.parametrize(
    ("language", "words"), [("fr", "trop peu de témoins"), ("en", "too few witnesses")]
)
def test_a_refusal_says_why(capsys, language, words):
    receipt = VECTORS / "extra/proofs/0-in-1.tlog-proof"
    status, out = run(capsys, "receipt", receipt, "--policy", ONE, "--lang", language)
    assert status == 1
    assert words in out
    assert "[quorum cosignatures=0]" in out
    status, answer = said(capsys, "receipt", receipt, "--policy", ONE)
    assert (status, answer["verdict"], answer["code"]) == (1, "refused", "quorum")


def test_a_refused_entry_is_named_by_position(capsys, tmp_path):
    log = shutil.copytree(VECTORS / "mini", tmp_path / "log")
    bundle = log / "tile/entries/000.p/9"
    bundle.write_bytes(bundle.read_bytes().replace(b'"v":1', b'"v":0', 1))
    status, answer = said(capsys, "log", log, "--policy", LOG_POLICY)
    assert (status, answer["code"], answer["facts"]) == (1, "v", {"position": 0})
    _, out = run(capsys, "log", log, "--policy", LOG_POLICY)
    assert "REFUSÉ : ce qui est donné est mal formé [v]\n" in out.replace(" position=0", "")


STRAYS = [
    *("tile/0/note.txt", "tile/0/1", "tile/9/000", "tile/entries/000.p/0", "tile/entries/000.p/09"),
    *("tile/0/000.p/256", "tile/0/000.p/999", "tile/0/x000/001", "tile/.hidden"),
]
KEPT = ["tile/0/000.p/3", "tile/entries/000.p/255", "tile/1/000", "tile/0/x001/234.p/1", "beside"]


@pytest.mark.parametrize("name", STRAYS + KEPT)
def test_what_is_no_tile_among_the_tiles_is_refused_alike(capsys, tmp_path, name):
    log = shutil.copytree(VECTORS / "mini", tmp_path / "log")
    (log / name).parent.mkdir(parents=True, exist_ok=True)
    (log / name).write_bytes(b"x")
    status, answer = said(capsys, "log", log, "--policy", LOG_POLICY)
    policy = Policy.parse(LOG_POLICY.read_text())
    if name in KEPT:
        assert status == 0, "older partial tiles are still served"
        assert fsck(LogFolder(log), policy).streams == 4
        return
    assert (status, answer["code"], answer["facts"]) == (1, "path", {"path": name})
    with pytest.raises(LogUnsound) as refusal:
        fsck(LogFolder(log), policy)
    assert (refusal.value.first.code, refusal.value.total) == ("path", 1)
    assert name in refusal.value.first.detail


def test_a_huge_file_is_not_read_whole(capsys, tmp_path):
    log = shutil.copytree(VECTORS / "mini", tmp_path / "log")
    for path, size in (("tile/entries/000.p/9", 1 << 40), ("tile/0/000.p/9", 1 << 40)):
        whole = (log / path).read_bytes()
        with (log / path).open("r+b") as file:
            file.truncate(size)  # sparse: it takes no room
        status, answer = said(capsys, "log", log, "--policy", LOG_POLICY)
        assert (status, answer["code"]) == (1, "tile" if "/0/" in path else "bundle")
        (log / path).write_bytes(whole)
    assert said(capsys, "log", log, "--policy", LOG_POLICY)[0] == 0
    (log / "checkpoint").unlink()
    assert said(capsys, "log", log, "--policy", LOG_POLICY)[1]["code"] == "missing"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["bundle", "x"],
        ["receipt"],
        ["receipt", "x"],
        ["log", "x", "--policy", "p", "--file", "f"],
        ["log", "x", "--pol", "p"],
        ["receipt", "x", "--policy", "p", "--lang", "de"],
    ],
)
def test_wrong_usage(capsys, words):
    assert run(capsys, *words)[0] == 2


def test_help(capsys):
    status, out = run(capsys, "--help")
    assert status == 0
    assert "standard library only" in out


@pytest.mark.parametrize(
    "words",
    [
        ["receipt", "/nowhere/r", "--policy", LOG_POLICY],
        ["receipt", RECEIPT, "--policy", "/nowhere/p"],
        ["receipt", RECEIPT, "--policy", LOG_POLICY, "--file", "/nowhere/f"],
        ["receipt", RECEIPT, "--policy", LOG_POLICY, "--pieces", "/nowhere/f"],
        ["log", "/nowhere/log", "--policy", LOG_POLICY],
        ["log", VECTORS / "mini/checkpoint", "--policy", LOG_POLICY],
        ["log", VECTORS / "mini", "--policy", LOG_POLICY, "--pin", "/nowhere/c"],
    ],
)
def test_what_cannot_be_read(capsys, words):
    status, answer = said(capsys, *words)
    assert (status, answer["verdict"]) == (3, "unreadable")
    assert answer["facts"]["path"]
    assert run(capsys, *words)[1].startswith("ILLISIBLE : ")


def deposit(folder):
    """Write a deposit, its receipt in a log of one entry, its file and its list of pieces."""
    sealed = b"PLI1" + bytes(4) + b"\x07" * 500
    listed = make_manifest([Document("plan.pdf", bytes(16), bytes(32), 4)], "none")
    deceiving = listed.encoded.replace(b"plan.pdf", "a\u202efdp.exe\u009b[2J\\n".encode())
    document = deceiving.partition(b"[")[2].rpartition(b"]")[0]
    entry = encode(
        {
            "at": "2026-03-02T07:00:00.000000Z",
            "data": {
                "commitment": verifier.deposit_commitment(io.BytesIO(sealed)),
                "documents_count": 1,
                "documents_root": merkle.leaf_hash(document).hex(),
            },
            "kind": "DepositSealed",
            "prev": "0" * 64,
            "salt": "0" * 32,
            "stream": "deposit/1",
            "v": 1,
            "version": 1,
        }
    )
    head = Checkpoint(ORIGIN, 1, merkle.leaf_hash(entry))
    lines = [
        sign(head, ORIGIN, SEED),
        *(cosign(text(head), "w.example", WITNESS, time) for time in (2**63 - 1, 2**62)),
    ]
    proof = f"c2sp.org/tlog-proof@v1\nextra {base64.b64encode(entry).decode()}\nindex 0\n\n"
    policy = (
        f"log {VerifierKey.of_seed(ORIGIN, LOG, SEED)}\n"
        f"witness w {VerifierKey.of_seed('w.example', COSIGNATURE, WITNESS)}\nquorum w\n"
    )
    files = {
        "receipt": proof.encode() + note(head, lines),
        "policy": policy.encode(),
        "file": sealed,
        "pieces": deceiving,
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)


def test_file_and_pieces_beside_a_receipt(capsys, tmp_path):
    deposit(tmp_path)
    words = ["receipt", tmp_path / "receipt", "--policy", tmp_path / "policy"]
    words += ["--file", tmp_path / "file", "--pieces", tmp_path / "pieces"]
    status, answer = said(capsys, *words)
    assert status == 0
    assert len(answer["file"]) == 64
    assert [piece["size"] for piece in answer["pieces"]] == [4]
    assert answer["cosignatures"] == {"w": str(2**62)}  # beyond the calendar: said as it is
    status, out = run(capsys, *words)
    assert status == 0
    assert r"name a\u202efdp.exe\x9b[2J\n, salt" in out  # nothing that deceives a terminal
    (tmp_path / "file").write_bytes(b"PLI1" + bytes(4) + b"\x07" * 501)
    assert said(capsys, *words)[1]["code"] == "commitment"
    _, out = run(capsys, *words, "--lang", "en")
    assert "this is not what was recorded" in out


def test_it_runs_alone_in_isolated_mode(tmp_path):
    alone = shutil.copy(VERIFIER, tmp_path / "verify.py")
    words = ["receipt", str(RECEIPT), "--policy", str(ONE)]
    result = subprocess.run(
        [sys.executable, "-I", "-S", str(alone), *words],
        check=False,
        capture_output=True,
        cwd=tmp_path,
        env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.startswith("PROUVÉ".encode())


def test_as_a_program_it_exits_with_the_status(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["verify.py", "log", "/nowhere", "--policy", str(ONE)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(VERIFIER), run_name="__main__")
    assert end.value.code == 3
    assert capsys.readouterr().out.startswith("ILLISIBLE")


def test_a_terminal_without_accents(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert verifier.main(["receipt", str(RECEIPT), "--policy", str(ONE)]) == 0
    out.flush()
    assert out.buffer.getvalue().startswith(b"PROUV\\xc9\n")


# logs that the vectors do not have


def test_an_empty_log_is_proven_empty():
    head = Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT)
    signed = note(head, [sign(head, ORIGIN, SEED)])
    policy = verifier.Policy(
        f"log {VerifierKey.of_seed(ORIGIN, LOG, SEED)}\nquorum none\n".encode()
    )
    files = {"checkpoint": signed}
    checkpoint, _, chain = verifier.check_log(files.get, policy, signed)
    assert (checkpoint.size, chain.tips) == (0, {})
    assert verifier.check_growth(files.get, policy, signed) == checkpoint
    with pytest.raises(verifier.Refused, match="index"):
        verifier.check_include(files.get, policy, 0)
