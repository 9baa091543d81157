"""The acts of the story, in order; each is said, done through the HTTP interface, and counted.

1 organisations · 2 keys and drafts · 3 publication · 4 deposits and their troubles · 5 attempts to
open early · 6 the hour, really waited for · 7 the late deposit · 8 openings and minutes. What is
proven afterwards stands in ``api/story/epilogue.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from api.depositor.sealing import SealedFile, Wish
from api.story import pace
from api.story.cast import LIMIT, Bid, Trouble, bids, complemented
from api.story.paperwork import dossier
from api.story.people import entitle
from api.story.records import Contract
from api.story.sending import LOT, Bidders, Sent
from api.story.stage import ActFailed, Stage
from domain.clock import LegalHour
from domain.commands.draft import SetCalendar, set_calendar
from domain.ports import Act, Principal

COOL_DOWN_S = 1
VALIDITY_DAYS = 120
MEMBERS = ("presidence-de-seance", "secretariat-de-seance")
TOGETHER = 3  # deposits on their way at once: more only queue on two cores
CLOSE_WITHIN_S = 60


@dataclass
class Tally:
    """What happened, counted while it happens."""

    sent: list[Sent] = field(default_factory=list)
    proofs: list[tuple[str, bytes]] = field(default_factory=list)
    refused_openings: int = 0
    refused_too_large: int = 0
    resumed: int = 0
    withdrawn: int = 0
    superseded: int = 0
    late: int = 0
    opened: int = 0
    unopenable: int = 0
    extended: int = 0


@dataclass
class Play:
    """One performance: the contracts, their consultations, and the tally."""

    stage: Stage
    contracts: Sequence[Contract]
    bidders: Bidders
    tally: Tally = field(default_factory=Tally)
    deadline: datetime | None = None

    def __post_init__(self) -> None:
        """Cast every bid before the curtain rises."""
        self.bids = bids(self.contracts)

    def consultation(self, index: int) -> str:
        """Return the id of a contract's consultation in this story."""
        return f"{self.stage.name}-{index + 1:02d}"

    def buyer(self, index: int) -> tuple[str, str]:
        """Return the caller who buys: the real buyer's officer."""
        return self.contracts[index].buyer.siret, "BU"


async def perform(play: Play) -> None:
    """Play every act up to the minutes; raises what an act is refused for."""
    await organise(play)
    await prepare(play)
    await publish(play)
    await deposits(play)
    await early_attempts(play)
    await wait_for_the_hour(play)
    await late_deposits(play)
    await openings(play)


async def organise(play: Play) -> None:
    """1. Buyers and companies get their accounts; one company account serves all buyers."""
    stage = play.stage
    administrator = (stage.platform.desk.platform, "PA")
    buyers = {one.buyer.siret: one for one in play.contracts}
    for siret, contract in buyers.items():
        body = {"siret": siret, "name": contract.buyer.name, "buyer_kind": contract.buyer_kind}
        await stage.establish(administrator, f"buyer-{siret}", "/api/v1/buyers", body)
    companies = {bid.company.siret: bid.company for bid in play.bids}
    for siret, company in companies.items():
        body = {"siret": siret, "name": company.name}
        await stage.establish((siret, "CY"), f"operator-{siret}", "/api/v1/operators", body)
    stage.say(f"{len(buyers)} acheteurs et {len(companies)} entreprises ont leur compte")
    await entitle(stage, play.contracts[0])


async def prepare(play: Play) -> None:
    """2. Each consultation is drafted, gets its dossier, and a key that exists nowhere whole."""
    for index in range(len(play.contracts)):
        await draft(play, index)
    play.stage.say(
        f"{len(play.contracts)} cérémonies des clés 2 sur 3, chacune avec son canari déchiffré"
    )


async def draft(play: Play, index: int) -> None:
    """Draft one consultation from its record, freeze its dossier, hold its ceremony."""
    stage, contract = play.stage, play.contracts[index]
    name, who = play.consultation(index), play.buyer(index)
    path = f"/api/v1/consultations/{name}"
    body: dict[str, Any] = {
        "id": name,
        "reference": contract.reference,
        "object": contract.object,
        "nature": contract.nature,
        "procedure": "ADAPTED",
        "cpv": contract.cpv,
        "place": contract.place,
        "estimated_cents": contract.amount_cents,
    }
    await stage.act(who, f"draft-{index}", "/api/v1/consultations", body)
    criteria = [
        {"name": "Prix", "weight_bp": 6000},
        {"name": "Valeur technique", "weight_bp": 4000},
    ]
    await stage.act(
        who,
        f"criteria-{index}",
        f"{path}/criteria",
        {"criteria": criteria, "price_formula": "PRICE_PROPORTIONAL_V1"},
    )
    await stage.act(
        who, f"limits-{index}", f"{path}/limits", {"max_total": LIMIT, "max_file": LIMIT}
    )
    complements = "ALL" if index == complemented(play.bids) else "APPLICATION"
    await stage.act(who, f"policy-{index}", f"{path}/deposit-policy", {"complements": complements})
    await freeze(play, index)
    await stage.act(who, f"ceremony-{index}", f"{path}/ceremony")
    await stage.act(who, f"canary-{index}", f"{path}/canary")


async def freeze(play: Play, index: int) -> None:
    """Upload the dossier's files (PDF made from the record) and freeze its first version."""
    stage, who = play.stage, play.buyer(index)
    path = f"/api/v1/consultations/{play.consultation(index)}/dossier"
    dated = stage.platform.desk.clock.now().latest
    papers = await asyncio.to_thread(dossier, play.contracts[index], dated)
    files = []
    for paper in papers:
        answer = await stage.http.put(
            f"{path}/files/{paper.name}", content=paper.content, headers=stage.headers(*who)
        )
        stored = stage.expect("dossier", answer, 201).json()
        files.append({"name": paper.name, "sha256": stored["sha256"]})
    await stage.act(who, f"freeze-{index}", path, {"files": files})


async def publish(play: Play) -> None:
    """3. The deadline is set from what this machine measured, then everything is published."""
    stage = play.stage
    loop = asyncio.get_running_loop()
    speed = await asyncio.to_thread(pace.bytes_per_second, loop.time)
    total = sum(bid.size for bid in play.bids)
    now = stage.platform.desk.clock.now().latest
    play.deadline = pace.deadline(now, total, len(play.bids) + 2, speed)
    for index in range(len(play.contracts)):
        name, who = play.consultation(index), play.buyer(index)
        set_hours(play, index)
        await stage.act(who, f"publish-{index}", f"/api/v1/consultations/{name}/publication", {})
    seconds = (play.deadline - now).total_seconds()
    stage.say(
        f"{len(play.contracts)} consultations publiées ; date limite commune "
        f"{play.deadline:%H:%M:%S} UTC, dans {seconds:.0f} s"
    )


def set_hours(play: Play, index: int) -> None:
    """Set the calendar with an instant in seconds: people may only write whole minutes (T4)."""
    stage, name = play.stage, play.consultation(index)
    if play.deadline is None:
        raise ValueError("the deadline is set before the calendars")
    command = SetCalendar(
        name,
        questions_until_at=play.deadline - timedelta(seconds=2),
        deadline=LegalHour(play.deadline),
        cool_down_s=COOL_DOWN_S,
        validity_days=VALIDITY_DAYS,
    )
    org, role = play.buyer(index)
    act = Act(f"{stage.name}:calendar-{index}", Principal(org, role, f"agent:{org}", "story"), name)
    stage.platform.act(set_calendar, act, command)


async def deposits(play: Play) -> None:
    """4. Companies seal on their side and send; each trouble of the cast happens."""
    gate = asyncio.Semaphore(TOGETHER)
    done = count(1)
    on_time = [bid for bid in play.bids if bid.trouble is not Trouble.LATE]

    async def one(bid: Bid) -> None:
        async with gate:
            await deposit(play, bid)
            if next(done) % 10 == 0:
                play.stage.say(f"{len(play.tally.sent)} plis scellés et reçus")

    await together([one(bid) for bid in on_time])
    for bid in play.bids:
        if bid.trouble is Trouble.LATE:
            await seal(play, bid)  # sealed in time, sent after the hour
    play.stage.say(f"{len(play.tally.sent)} plis scellés et reçus avant l'heure")


async def seal(play: Play, bid: Bid, wish: Wish | None = None) -> SealedFile:
    """Seal a bid on its company's side."""
    contract, name = play.contracts[bid.contract], play.consultation(bid.contract)
    return await play.bidders.seal(bid, contract, name, wish)


async def send(play: Play, bid: Bid, wish: Wish | None = None) -> Sent:
    """Seal a bid unless it is sealed, send it, and count it."""
    sealed = await seal(play, bid, wish)
    sent = await play.bidders.send(bid, play.consultation(bid.contract), sealed)
    play.tally.sent.append(sent)
    return sent


async def deposit(play: Play, bid: Bid) -> None:
    """Send one bid with its trouble."""
    tally, name = play.tally, play.consultation(bid.contract)
    if bid.trouble is Trouble.TOO_LARGE:
        tally.proofs.append(await play.bidders.announce_too_large(bid, name))
        tally.refused_too_large += 1
        return
    if bid.trouble is Trouble.INTERRUPTED:
        await play.bidders.cut_inside_a_chunk(bid, await seal(play, bid))
        tally.resumed += 1
    first = await send(play, bid)
    if bid.trouble is Trouble.REPLACED:
        await send(play, bid, Wish("OFFER", (LOT,), "REPLACE", first.deposit))
    if bid.trouble is Trouble.COMPLEMENTED:
        await send(play, bid, Wish("OFFER", (LOT,), "COMPLEMENT", first.deposit))
    if bid.trouble is Trouble.WITHDRAWN:
        answer = await play.stage.act(
            (bid.company.siret, "CY"),
            f"withdraw-{bid.name}",
            f"/api/v1/deposits/{first.deposit}/withdrawal",
            {"reason": "Retrait avant l'heure, pour l'exercice"},
        )
        tally.proofs.append((f"{first.deposit}.retrait", answer["receipt"].encode()))


async def early_attempts(play: Play) -> None:
    """5. A buyer, the platform's administrator and a custodian each ask to open too early."""
    stage = play.stage
    callers = [
        (0, play.buyer(0)),
        (1 % len(play.contracts), (stage.platform.desk.platform, "PA")),
        (2 % len(play.contracts), (stage.platform.desk.platform, "CU")),
    ]
    for index, who in callers:
        path = f"/api/v1/openings/{play.consultation(index)}/0/envelopes"
        answer = await stage.attempt(who, f"early-{index}-{who[1]}", path, {})
        if answer.status_code < 400:
            raise ActFailed(f"{who[1]} opened before the hour", answer.status_code, answer.text)
        play.tally.refused_openings += 1
        code = answer.json().get("code", answer.status_code)
        stage.say(f"ouverture demandée avant l'heure par {who[1]} : refusée et inscrite ({code})")


async def wait_for_the_hour(play: Play) -> None:
    """6. The deadline of every lot really passes, registers close, heads are witnessed."""
    stage = play.stage
    if play.deadline is None:
        raise ValueError("the deadline is set before it is waited for")
    left = (play.deadline - stage.platform.desk.clock.now().earliest).total_seconds()
    stage.say(f"attente réelle de l'heure : {max(left, 0):.0f} s")
    names = [play.consultation(index) for index in range(len(play.contracts))]
    opens = play.deadline + timedelta(seconds=COOL_DOWN_S)
    within = max(left, 0) + CLOSE_WITHIN_S
    await stage.until("closing", lambda: all_closed(stage, names), within)
    await stage.until("hour", lambda: stage.platform.desk.clock.now().earliest > opens, within)
    stage.say("registres clos, têtes de clôture publiées et cosignées par les gardiens")


def all_closed(stage: Stage, names: Sequence[str]) -> bool:
    """Say whether every register is closed and covered by a published checkpoint."""
    from domain.consultation import Consultation

    for name in names:
        found = stage.platform.desk.files.find(Consultation, f"consultation/{name}")
        if found is None or found.state != "CLOSED":
            return False
        head = stage.platform.desk.heads.published_covering(found.id, found.version)
        if head is None:
            return False
    return True


async def late_deposits(play: Play) -> None:
    """7. What is sent after the hour is kept sealed, never refused at the door."""
    for bid in play.bids:
        if bid.trouble is Trouble.LATE:
            await send(play, bid)
            play.stage.say(f"un pli arrivé après l'heure : gardé fermé ({bid.company.name})")


async def openings(play: Play) -> None:
    """8. Session, presence, plan computed, custodians' answers envelope by envelope, minutes."""
    for index in range(len(play.contracts)):
        await opening(play, index)
    play.stage.say(f"{play.tally.opened} plis ouverts, {len(play.contracts)} procès-verbaux")


async def opening(play: Play, index: int) -> None:
    """Open one lot and count what its outcomes say."""
    stage, who = play.stage, play.buyer(index)
    path = f"/api/v1/openings/{play.consultation(index)}/0"
    await stage.act(who, f"convene-{index}", f"{path}/convocation", {"members": list(MEMBERS)})
    for number, member in enumerate(MEMBERS):
        await stage.act(who, f"present-{index}-{number}", f"{path}/presences", {"member": member})
    await stage.act(who, f"plan-{index}", f"{path}/plan")
    shown = await stage.act(who, f"open-{index}", f"{path}/envelopes", {})
    plan = shown["plan"]
    tally = play.tally
    tally.superseded += len(plan["superseded"])
    tally.withdrawn += len(plan["withdrawn"])
    tally.late += len(plan["late"])
    events = [outcome.get("event") for outcome in shown["outcomes"]]
    tally.opened += events.count("EnvelopeOpened")
    tally.unopenable += events.count("EnvelopeUnreadable")


async def together(acts: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do acts side by side; the first failure is raised when all have ended."""
    for outcome in await asyncio.gather(*acts, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
