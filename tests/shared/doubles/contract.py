"""Calls that a published contract promises to answer, sent to a platform that knows their objects.

Schemathesis makes the calls from the OpenAPI document alone, half of them wrong on purpose. What no
document can say is put in here: objects that exist, tokens of several roles, and the formats of
``api/openapi.py``. Every check of the library judges every answer.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import schemathesis
from doubles.bench import BUYER, COMPANY, OTHER_BUYER, SOON, Bench
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.drivers import CoverageGenerator
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.generation.overrides import Override

from api.depositor.sealing import Wish
from api.forms import written
from api.paging import token

# a rule may refuse what the form admits; a refusal of the form itself is judged below
REFUSALS = ["2xx", "3xx", "401", "403", "404", "409", "412", "413", "416", "422", "429", "5xx"]
# 503 and 507 are answers of a sound platform: come again, after the time that the answer says
SOUND = ["2xx", "3xx", "4xx", "503", "507"]
PAPER = {
    "lots": ["0"],
    "bidder": COMPANY,
    "medium": "PAPER",
    "label_ok": True,
    "received": {"local": "2026-11-02T09:00"},
    "desk": "accueil",
}
# what says nothing of the act that was asked for
Draw = Callable[[Any], Any]
AT_THE_DOOR = ("request.", "login.", "role.not-allowed", "object.not-found")
FORMS = {"request.form", "request.json", "request.key-required", "request.page"}
FREE_SIRET = "73282932000074"
AUDITOR = "audit-region"
SPEAKER = "Mme R"
CPVS = ("45261910", "72000000")


TOKENS = st.sampled_from(["", *map(token, ("lille-1", "lille-2", "é"))])


def whole(value: Any) -> Any:
    """Return 1.0 as 1, inside too: an integer to JSON Schema, never to the platform (N7)."""
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def recordable(text: str) -> bool:
    try:
        written(text)
    except ValueError:
        return False
    return True


def publish_formats() -> None:
    """Teach the library what the formats of the document mean."""
    texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
    nfc = texts.map(lambda text: unicodedata.normalize("NFC", text)).filter(recordable)
    hours = st.datetimes(datetime(2026, 11, 1), datetime(2027, 3, 1))  # noqa: DTZ001 - local
    winter = hours.filter(lambda hour: hour.month != 3 or hour.day < 28)
    formats: dict[str, Any] = {
        "recordable": nfc,
        "page-token": TOKENS,
        "legal-hour": winter.map(lambda hour: f"{hour:%Y-%m-%dT%H:%M}"),
        "time-zone": st.sampled_from(["Europe/Paris", "Indian/Reunion", "America/Martinique"]),
    }
    for name, strategy in formats.items():
        schemathesis.openapi.format(name, strategy)


@dataclass
class World:
    """A platform with a consultation in each state, and the names of all that is in it."""

    bench: Bench
    known: dict[str, list[Any]]
    auditor: str
    desk: str

    @classmethod
    def of(cls, bench: Bench) -> World:
        """Fill a platform: one draft, one published with a deposit, one opened."""
        bench.register()
        at = bench.publish("lille-1")
        opened = bench.seal(at)
        ended = bench.deposit(opened)["transmission"]
        bench.deposit(bench.seal(at, wish=Wish("BACKUP", ("0",))))
        (own,) = bench.get("/api/v1/backup-copies", bench.tokens.company).json()["backup_copies"]
        desk = bench.token(BUYER, "RD")
        paper = bench.done(f"{at}/desk/backup-copies", desk, PAPER)["backup_copy"]
        bench.forward(SOON)
        place = bench.attend()
        bench.done(f"{place}/plan", bench.tokens.buyer)
        bench.done(f"{place}/envelopes", bench.tokens.buyer, {})
        bench.deadline = "2026-12-20T12:00"
        bench.draft("lille-draft")
        at = bench.publish("lille-2")
        sealed = bench.seal(at)
        bench.deposit(sealed)
        begun = bench.announce(bench.seal(bench.publish("lille-3"))).json()["transmission"]
        dossier = bench.get(f"{at}/dossier").json()["files"][0]
        people = [f"conseiller {number}" for number in range(7)]
        elected = {"president": "la maire", "titulars": people[:5], "substitutes": people[5:]}
        committee = elected | {"deliberation": "2026-07"}
        bench.done(f"/api/v1/buyers/{BUYER}/committee", bench.tokens.buyer, committee)
        platform = bench.platform.desk.platform
        whole_log = {
            "to": AUDITOR,
            "scope": "platform",
            "until_on": "2030-01-01",
            "ground": "audit",
        }
        bench.done(f"/api/v1/buyers/{platform}/accesses", bench.tokens.admin, whole_log)
        speaks = {"person": SPEAKER}
        bench.done(f"/api/v1/operators/{COMPANY}/representatives", bench.tokens.company, speaks)
        bench.done("/api/v1/ledger/checkpoints", bench.tokens.admin)
        known = {
            "consultation": ["lille-1", "lille-2", "lille-3", "lille-draft"],
            "lot": ["0"],
            "copy": [own["backup_copy"], paper],
            "deposit": [opened.made.deposit, sealed.made.deposit],
            "transmission": [begun, begun, ended],
            "name": [dossier["name"]],
            "sha256": [dossier["sha256"]],
            "siret": [FREE_SIRET, OTHER_BUYER, BUYER],
            "operator": [COMPANY],
            "person": [SPEAKER],
            "path": ["0/000.p/1", "000.p/1"],
            "index": [0],
            "number": [1],
            "lots": [["0"]],
            "cpv": list(CPVS),
            "procedure": ["ADAPTED"],
            "place": ["FRE11"],
            "technique": ["NONE"],
        }
        return cls(bench, known, bench.token(AUDITOR, "AU"), desk)

    def tokens(self, path: str) -> st.SearchStrategy[str | None]:
        """Return whose token comes with a call: half the time of the role it is made for."""
        own = self.bench.tokens
        everybody = [own.buyer, own.company, own.rival, own.admin, own.other, own.custodian, None]
        return st.sampled_from([*everybody, *([self.usual(path)] * len(everybody))])

    def usual(self, path: str) -> str:
        """Return the token of whom an operation is made for: the first part that fits decides."""
        own = self.bench.tokens
        made_for = (
            (r".*/desk(/.*)?", self.desk),
            (r".*/(admission|rejection|opening|exclusions)", own.buyer),
            (r".*/(authorisation|setting-aside|malware|destruction)", own.buyer),
            (r"/tile/entries.*", self.auditor),
            (r"/api/v1/(operators/.*|(transmissions|deposits|backup-copies)(/.*)?)", own.company),
            (r"/api/v1/(consultations|openings|buyers/.*)(/.*)?", own.buyer),
        )
        return next((who for form, who in made_for if re.fullmatch(form, path)), own.admin)

    def named(self, draw: Draw, fields: dict[str, Any], known: int) -> dict[str, Any]:
        """Return fields in which `known` of 8 names are names of something that exists."""
        return {name: self._named(draw, name, value, known) for name, value in fields.items()}

    def _named(self, draw: Draw, name: str, value: Any, known: int) -> Any:
        # the library draws 0 most of all: it stands for a name that exists
        if name in self.known and draw(st.integers(0, 7)) < known:
            return draw(st.sampled_from(self.known[name]))
        if isinstance(value, dict):
            return self.named(draw, value, known)
        if isinstance(value, list):
            return [self._named(draw, "", item, known) for item in value]
        return whole(value)


@dataclass
class Conversation:
    """Everything that was asked and answered, and what broke the contract."""

    world: World
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    broken: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        publish_formats()
        self.schema = schemathesis.openapi.from_asgi("/openapi.json", self.world.bench.app)
        self.schema.config.generation.with_security_parameters = False
        checks = self.schema.config.checks
        checks.not_a_server_error.expected_statuses = SOUND
        checks.positive_data_acceptance.expected_statuses = REFUSALS

    def operations(self) -> Iterator[tuple[str, Any]]:
        """Yield every operation of the document by its name."""
        for result in self.schema.get_all_operations():
            operation = result.ok()
            yield operation.definition.raw["operationId"], operation

    def fuzz(self, name: str, operation: Any, examples: int) -> None:
        """Send this many calls, right and wrong ones; then right ones, if none passed the door."""
        self._fuzz(name, operation, examples, (GenerationMode.POSITIVE, GenerationMode.NEGATIVE))
        if name not in self.reached:
            self._fuzz(name, operation, examples, (GenerationMode.POSITIVE,))

    def _fuzz(
        self, name: str, operation: Any, examples: int, modes: tuple[GenerationMode, ...]
    ) -> None:
        calls = st.one_of([operation.as_strategy(mode) for mode in modes])
        mixed = len(modes) > 1
        known = 7 if mixed else 8

        @settings(
            max_examples=examples, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )
        @given(call=calls, data=st.data())
        def send(call: Any, data: st.DataObject) -> None:
            wrong = self._wrong(call)
            if call.path_parameters and ParameterLocation.PATH not in wrong:
                call.path_parameters = self.world.named(data.draw, call.path_parameters, known)
                if "/openings/" in call.path and data.draw(st.booleans()):
                    call.path_parameters["consultation"] = self.world.known["consultation"][0]
            if "after" in (call.query or {}) and ParameterLocation.QUERY not in wrong:
                # the library leaves the format of a field out that may also be absent
                call.query["after"] = data.draw(TOKENS)
            if isinstance(call.body, dict) and ParameterLocation.BODY not in wrong:
                call.body = self.world.named(data.draw, call.body, known)
            usual = self.world.usual(operation.path)
            self.send(name, call, data.draw(self.world.tokens(operation.path)) if mixed else usual)

        send()

    def walk(self, walks: int, steps: int) -> None:
        """Go from answer to answer, as the links of the document lead."""
        talk = self

        class Walk(self.schema.as_state_machine()):  # type: ignore[misc]
            def before_call(self, case: Any) -> None:
                case.body = whole(case.body)

            def get_call_kwargs(self, case: Any) -> dict[str, Any]:
                return {"headers": talk.headers(talk.world.usual(case.operation.path))}

            def validate_response(self, response: Any, case: Any, *_: Any, **__: Any) -> None:
                name = case.operation.definition.raw["operationId"]
                talk.judge(name, case, response, talk.world.usual(case.operation.path))

        Walk.run(
            settings=settings(
                max_examples=walks,
                stateful_step_count=steps,
                suppress_health_check=list(HealthCheck),
            )
        )

    def cover(self, name: str, operation: Any) -> None:
        """Send the edge of every schema, each wrong type, and the methods that are not there."""
        edges = CoverageGenerator(
            operation=operation,
            generation_modes=list(GenerationMode),
            generation_config=self.schema.config.generation_for(
                operation=operation, phase="coverage"
            ),
            auth_storage=None,
            override=Override(),
            feedback=FeedbackSources(),
            hooks=None,
        )
        own = self.world.bench.tokens
        callers = (own.buyer, own.company, own.admin, None)
        for number, call in enumerate(edges):
            self.send(name, call, callers[number % len(callers)])

    def send(self, name: str, call: Any, token: str | None) -> None:
        """Send one call; keep what any check has against its answer."""
        try:
            answer = call.call(headers=self.headers(token))
        except Exception as error:
            self._break(name, f"Server error: {type(error).__name__}", call)
            return
        self.judge(name, call, answer, token)

    def judge(self, name: str, call: Any, answer: Any, token: str | None) -> None:
        """Keep what any check has against an answer."""
        self.statuses.setdefault(name, Counter())[answer.status_code] += 1
        code = self._code(answer)
        if answer.status_code in {429, 503} and "retry-after" not in answer.headers:
            self._break(name, "come again, and no Retry-After", call)
        if not code.startswith(AT_THE_DOOR):
            self.reached.add(name)
        if not self._wrong(call) and code in FORMS:
            self._break(name, f"a form that the document admits: {code}", call)
        try:
            call.validate_response(answer, headers=self.headers(token))
        except FailureGroup as found:
            for one in found.exceptions:
                self._break(name, _said(one), call)

    def _break(self, name: str, what: str, call: Any) -> None:
        self.broken.setdefault((name, what), call.as_curl_command()[:500])

    @staticmethod
    def headers(token: str | None) -> dict[str, str]:
        """Return the headers of a caller."""
        return {"Authorization": f"Bearer {token}"} if token else {}

    @staticmethod
    def _wrong(call: Any) -> set[ParameterLocation]:
        return {
            place for place in ParameterLocation if call.meta and call.meta.is_negative_at(place)
        }

    @staticmethod
    def _code(answer: Any) -> str:
        if answer.status_code < 400:
            return "done"
        try:
            return str(json.loads(answer.content)["code"])
        except (ValueError, KeyError, TypeError):
            return "no problem document"


def _said(failure: BaseException) -> str:
    title = failure.title if isinstance(failure, Failure) else type(failure).__name__
    return f"{title}: {' '.join(str(getattr(failure, 'message', failure)).split())[:200]}"
