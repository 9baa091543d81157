"""`pli doctor` names what is missing, too open, in the environment, ended or due."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from doubles.bench import Bench

from api.adapters import exposure
from api.adapters.clock import host_time
from api.adapters.timestamps import trusted_roots
from api.cli import run
from api.key_changes import newest_since
from api.settings import Settings
from crypto.notes import COSIGNATURE, VerifierKey

DAY = timedelta(days=1)


def told(bench: Bench, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return what the doctor finds wanting, by check."""
    capsys.readouterr()
    status = run(["doctor", "--home", str(bench.home.folder), "--json"])
    found = {
        name: text
        for name, text in json.loads(capsys.readouterr().out).items()
        if text.startswith("!")
    }
    assert status == (3 if found else 0)
    return found


def test_a_sound_home_is_told_so_beside_its_server(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.publish()
    assert told(bench, capsys) == {}
    assert run(["doctor", "--home", str(bench.home.folder)]) == 0
    assert "rotation" in capsys.readouterr().out


def opened(bench: Bench) -> None:
    bench.home.log_key.chmod(0o640)


def entered(bench: Bench) -> None:
    bench.home.folder.chmod(0o755)


def browsed(bench: Bench) -> None:
    bench.home.envelopes.chmod(0o750)


def listed(bench: Bench) -> None:
    bench.home.blobs.chmod(0o755)


def lost(bench: Bench) -> None:
    bench.home.subject_keys.unlink()


def left(bench: Bench) -> None:
    (bench.home.keys / "log.key.old").write_bytes(b"")
    (bench.home.keys / "log.key.old").chmod(0o600)


def credential(bench: Bench) -> None:
    (bench.home.keys / "custodian-2.credential").unlink()


def expiring(bench: Bench) -> None:
    passed = (host_time() - bench.platform.now()).days  # the bench lives at a day of its own
    bench.token("20009320100016", "BU", days=passed + 3)


@pytest.mark.parametrize(
    ("harm", "check", "words"),
    [
        (opened, "modes", "keys/log.key: chmod 600"),
        (entered, "modes", "home: chmod 700"),
        (entered, "modes", "private.db: chmod 600"),
        (entered, "modes", "accounts.db-wal: chmod 600"),
        (browsed, "modes", "envelopes: chmod 700"),
        (listed, "modes", "blobs: chmod 700"),
        (lost, "files", "keys/subjects.db is absent"),
        (left, "files", "log.key.old is not destroyed"),
        (credential, "files", "custodian-2.credential is absent"),
        (expiring, "tokens", "ends on"),
    ],
)
def test_what_is_wrong_is_named(
    bench: Bench,
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[Bench], None],
    check: str,
    words: str,
) -> None:
    bench.platform.desk.subjects.remember("person", "Ada", "Ada")
    harm(bench)
    found = told(bench, capsys)
    # a key that is open to others is not used: what would read it says so too
    assert set(found) - ({"home", "rotation", "custody"} if harm is opened else set()) == {check}
    assert words in found[check]


@pytest.mark.parametrize(
    ("environment", "faults"),
    [
        ({"PLI_TOKEN": "pli_x"}, 1),
        ({"PLI_OIDC_CLIENT_SECRET": "x"}, 1),
        ({"PLI_OIDC_CLIENT_SECRET_FILE": "/run/x"}, 0),
        ({"PLI_DATABASE_URL": "postgresql://pli:x@db/pli"}, 1),
        ({"PLI_DATABASE_URL": "postgresql://pli@db/pli"}, 0),
        ({"PLI_TOKEN": "", "OTHER_TOKEN": "x", "PLI_LANG": "fr"}, 0),
    ],
)
def test_secrets_of_the_environment(environment: dict[str, str], faults: int) -> None:
    found = exposure.secrets_in(environment)
    assert len(found) == faults
    assert not any("pli_x" in text or ":x@" in text for text in found)


def test_an_environment_with_a_secret_is_exit_three(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["doctor", "--home", str(tmp_path)]) == 0
    monkeypatch.setenv("PLI_TOKEN", "pli_x")
    assert run(["doctor", "--home", str(tmp_path)]) == 3


@pytest.mark.parametrize(
    ("hard", "told"),
    [
        (resource.RLIM_INFINITY, "8192"),
        (16_896, "8192"),
        (16_895, "! doctor.wanting: 8191 lines at once instead of 8192: LimitNOFILE=16896"),
        (1_024, "! doctor.wanting: 256 lines at once instead of 8192: LimitNOFILE=16896"),
    ],
)
def test_a_hard_limit_of_open_files_bounds_the_lines(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    hard: int,
    told: str,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (min(hard, 1_024) or 1_024, hard))
    status = run(["doctor", "--home", str(tmp_path), "--json"])
    assert json.loads(capsys.readouterr().out)["lines"] == told
    assert status == (3 if told.startswith("!") else 0)


def test_a_list_of_breached_passwords_that_cannot_serve_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "breached.txt"
    monkeypatch.setenv("PLI_BREACHED_PASSWORDS", str(place))

    def passwords() -> str:
        run(["doctor", "--home", str(tmp_path), "--json"])
        return str(json.loads(capsys.readouterr().out)["passwords"])

    assert passwords().startswith("! platform.breached-passwords")
    place.write_bytes(b"0" * 40 + b":1\r\n")
    assert passwords() == str(place)
    monkeypatch.delenv("PLI_BREACHED_PASSWORDS")
    assert passwords() == "no list of breached ones"
    monkeypatch.setenv("PLI_SECURE", "true")
    assert passwords().startswith("! doctor.wanting: no list of breached ones")


def test_services_that_are_called_in_plain_are_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = (
        "https://chamber.example",
        "http://127.0.0.1:8410",
        "postgresql:///pli",
        "postgresql://pli@db.example/pli?sslmode=verify-full",
        "http://10.0.0.7:8410",
        "postgresql://pli:x@db.example/pli",
        "postgresql://db.example/pli?sslmode=prefer",
        "postgresql:///pli?host=/run/postgresql",
        "postgresql:///pli?host=127.0.0.1,replica.example",
        "tcp://clamav.example:3310",
        "smtps://mail.example:465",
        "starttls://mail.example:587",
        "smtp://127.0.0.1:25",
        "smtp://mail.example:25",
    )
    plain = ["http://10.0.0.7", "postgresql://db.example", "postgresql://db.example"]
    plain += ["postgresql://replica.example", "tcp://clamav.example", "smtp://mail.example"]
    assert exposure.in_plain(urls) == plain
    allowed = {"10.0.0.7", "db.example", "replica.example", "mail.example"}
    assert exposure.in_plain(urls, allowed) == ["tcp://clamav.example"]
    monkeypatch.setenv("PLI_TSA_URL", "http://stamp.example/tsr")
    home = ["--home", str(bench.home.folder), "--json"]
    assert run(["doctor", *home]) == 3
    assert json.loads(capsys.readouterr().out)["calls"].startswith("! network.plain")
    monkeypatch.setenv("PLI_PLAIN_HOSTS", "stamp.example")
    run(["doctor", *home])
    assert json.loads(capsys.readouterr().out)["calls"] == "without TLS: http://stamp.example"
    monkeypatch.delenv("PLI_TSA_URL")
    run(["doctor", *home])
    assert json.loads(capsys.readouterr().out)["calls"] == "ok"


def test_no_line_to_another_machine_is_begun_without_tls(bench: Bench) -> None:
    """Refused before anybody is called, unless the host is named (ASVS 5.0, V12.3.1)."""
    bench.close()
    kept = bench.settings
    for name, address in (
        ("tsa_url", "http://other.example/tsr"),
        ("clock_sources", "http://other.example/tsr"),
        ("clamd", "other.example:3310"),
        ("database_url", "postgresql://other.example/pli"),
        ("smtp", "smtp://other.example:25"),
        ("blobs", "s3://pli/files?endpoint=http://other.example:8333"),
    ):
        bench.settings = Settings(**kept.model_dump() | {name: address})
        with pytest.raises(exposure.PlainLine, match=r"//other\.example"):
            bench.reopen()
        allowed = bench.settings.model_copy(update={"plain_hosts": "10.0.0.7, other.example"})
        exposure.check_lines(allowed, [])
        with pytest.raises(exposure.PlainLine, match=r"witness\.example"):
            exposure.check_lines(allowed, ["http://witness.example"])
    bench.settings = kept
    bench.home.policy.write_text(told_to_call(bench, "http://witness.example"))
    with pytest.raises(exposure.PlainLine, match=r"witness\.example"):
        bench.reopen()
    bench.home.policy.unlink()
    bench.reopen()


def told_to_call(bench: Bench, url: str) -> str:
    """Return the policy of a home with one witness more, elsewhere."""
    key = VerifierKey.of_seed("witness.example", COSIGNATURE, bytes(32))
    lines = bench.platform.policies["policy.txt"].splitlines()
    return "\n".join([lines[0], f"witness far {key} {url}", *lines[1:], ""])


def test_certificates_end(bench: Bench) -> None:
    roots = trusted_roots(bench.home.keys, None)
    assert roots
    last = min(one.not_valid_after_utc for one in roots)
    assert exposure.ending(roots, last - 31 * DAY) == []
    assert len(exposure.ending(roots, last - 30 * DAY)) == len(exposure.ending(roots, last)) == 1


def test_a_rotation_is_due_by_age(bench: Bench) -> None:
    since = newest_since(bench.home)
    assert since is not None
    month = timedelta(days=30)

    def due(days: int) -> list[str]:
        assert since is not None
        return exposure.rotation_due(bench.home, since, month, since + days * DAY)

    assert (len(due(729)), len(due(730))) == (0, 1)
    bench.home.next_log_key.write_bytes(b"")
    assert (len(due(29)), len(due(30))) == (0, 1)
    assert exposure.rotation_due(bench.home, None, month, datetime.max.replace(tzinfo=UTC)) == []
    assert exposure.tokens_ending(bench.home.folder / "nowhere.db", host_time()) == []
