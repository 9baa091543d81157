"""The whole story on real contracts, as a stranger runs it, then judged without the product.

One performance serves every test of this file: it really waits for its deadline.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from crypto.keyset import Keyset

ROOT = Path(__file__).resolve().parents[2]
PLI = Path(sys.executable).with_name("pli")
VERIFIER = ROOT / "replay" / "verifier.py"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(argument) for argument in arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def verify(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Judge as an auditor does: no site packages, no environment, one file."""
    return run(sys.executable, "-I", "-S", VERIFIER, *arguments)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home where a first performance was killed while companies were sending."""
    folder = tmp_path_factory.mktemp("story") / "home"
    command = [str(PLI), "story", "--once", "--json", "--home", str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stderr is not None
        said = next((line for line in killed.stderr if "plis scellés et reçus" in line), "")
        killed.kill()
    assert said, "the first performance never came to its deposits"
    assert not (folder / "story.json").exists()
    return folder


@pytest.fixture(scope="module")
def told(home: Path) -> dict[str, object]:
    done = run(PLI, "story", "--once", "--json", "--home", home)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_every_act_happened_and_was_proven(told: dict[str, object]) -> None:
    assert told["consultations"] == 12
    assert told["refused_openings"] == 3
    for count in ("late", "withdrawn", "superseded", "resumed", "refused_too_large"):
        assert told[count] == 1, count
    # 36 bids are sent, one of them late; the replacement and the complement come on top
    assert told["deposits"] == 38
    assert told["opened"] == 38 - 1 - 1 - 1
    assert told["unopenable"] == 0
    assert told["fsck"] == "ok"
    assert told["projections_equal"] is True
    assert told["level"] == "A0"
    assert int(str(told["entries"])) % 256 == 0


def test_nothing_is_left_of_the_performance_that_was_killed_but_its_history(
    home: Path, told: dict[str, object]
) -> None:
    log = sqlite3.connect(f"file:{home / 'ledger.db'}?mode=ro", uri=True)
    asked = "SELECT COUNT(*) FROM events WHERE kind = 'ConsultationPublished'"
    assert log.execute(asked).fetchone() == (2 * int(str(told["consultations"])),)
    log.close()
    assert not [path for path in home.glob("story-*") if path.is_dir()]


def test_each_published_receipt_is_proven_by_the_verifier_alone(
    home: Path, told: dict[str, object], tmp_path: Path
) -> None:
    exported = tmp_path / "log"
    assert run(PLI, "ledger", "export", "--home", home, exported).returncode == 0
    receipts = sorted((home / "receipts").glob("*.tlog-proof"))
    assert len(receipts) == told["receipts_verified"]
    for receipt in receipts:
        judged = verify("receipt", receipt, "--policy", exported / "policy.txt")
        assert judged.returncode == 0, judged.stdout + judged.stderr


def test_a_changed_receipt_is_refused(home: Path, told: dict[str, object], tmp_path: Path) -> None:
    """The control of the test above: the same command must be able to say no."""
    assert told
    exported = tmp_path / "log"
    assert run(PLI, "ledger", "export", "--home", home, exported).returncode == 0
    receipt = next((home / "receipts").glob("*.tlog-proof")).read_bytes()
    forged = tmp_path / "forged.tlog-proof"
    forged.write_bytes(receipt.replace(b"A", b"B", 1))
    assert verify("receipt", forged, "--policy", exported / "policy.txt").returncode == 1


def test_the_exported_log_is_proven_whole(
    home: Path, told: dict[str, object], tmp_path: Path
) -> None:
    exported = tmp_path / "log"
    assert run(PLI, "ledger", "export", "--home", home, exported).returncode == 0
    judged = verify("log", exported, "--policy", exported / "policy.txt", "--json")
    assert judged.returncode == 0, judged.stdout + judged.stderr
    said = json.loads(judged.stdout)
    assert told["root"] in json.dumps(said)
    assert run(PLI, "ledger", "fsck", "--home", home).returncode == 0


def test_one_consultation_can_be_opened_again_by_somebody_else(
    home: Path, told: dict[str, object]
) -> None:
    assert told
    folder = home / "opening"
    document = json.loads((folder / "keyset.json").read_text())
    keyset = Keyset.parse(document)
    ceremony = json.loads((folder / "ceremony.json").read_text())
    assert ceremony["document"] == document
    assert len(ceremony["round1"]) == len(ceremony["round2"]) == 3
    deposits = [path for path in folder.iterdir() if path.is_dir()]
    assert deposits
    for deposit in deposits:
        label = json.loads((deposit / "label.json").read_text())
        assert label["keyset"] == keyset.digest.hex()
        assert (deposit / "file.pli").read_bytes()[:4] == b"PLI1"
        assert len((deposit / "recorded").read_text()) == 64
        partials = json.loads((deposit / "partials.json").read_text())
        assert len({row["index"] for row in partials}) >= 2
        assert json.loads((deposit / "pieces.json").read_text())["documents"]


def test_a_finished_story_appends_nothing_and_is_told_again(
    home: Path, told: dict[str, object]
) -> None:
    before = (home / "ledger.db").read_bytes()
    again = run(PLI, "story", "--once", "--json", "--home", home)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == told
    table = run(PLI, "story", "--home", home).stdout.splitlines()
    assert [line.split()[0] for line in table if "retiré avant l'heure" in line] == ["1"]
    assert [line.split()[0] for line in table if "depuis zéro" in line] == ["oui"]
    assert (home / "ledger.db").read_bytes() == before


def test_time_travel_shows_a_consultation_before_its_end(
    home: Path, told: dict[str, object]
) -> None:
    name = str(told["names"][0])  # type: ignore[index]
    now = run(PLI, "replay", f"consultation/{name}", "--json", "--home", home)
    assert now.returncode == 0, now.stderr
    then = run(
        PLI, "replay", f"consultation/{name}", "--at", told["deadline"], "--json", "--home", home
    )
    assert then.returncode == 0, then.stderr
    assert json.loads(now.stdout)["aggregate"] != json.loads(then.stdout)["aggregate"]


def test_a_file_with_too_few_contracts_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    record = {
        "id": "2018-1",
        "acheteur": {"id": "21590512600011", "nom": "Ville de Roubaix"},
        "objet": "Menuiseries",
        "codeCPV": "45421000-4",
        "montant": 272782.27,
        "dateNotification": "2018-07-05",
        "titulaires": [{"id": "40304303700031", "denominationSociale": "SAS BOUILLON"}],
    }
    few = tmp_path / "few.ndjson"
    few.write_text(json.dumps(record) + "\n" + json.dumps({**record, "id": ""}) + "\n")
    refused = run(PLI, "story", "--once", "--data", few, "--home", tmp_path / "home")
    assert refused.returncode == 1
    assert "story.too-few-contracts" in refused.stderr
    assert "id_missing" in refused.stderr, "and why the other one was passed over"
    assert not (tmp_path / "home").exists()


def test_a_data_file_that_is_no_decp_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("hello")
    refused = run(PLI, "story", "--once", "--data", wrong, "--home", tmp_path / "home")
    assert refused.returncode == 1
    assert "story.data-unreadable" in refused.stderr
    assert not (tmp_path / "home").exists()
