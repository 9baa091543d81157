"""The one table of who may do what: each operation and page, its act, whose object it names.

Code, documents and tests read these rows. An operation without a row is an error of ours and a red
test. What is foreign answers 404 with the bytes of what is absent, whatever the role (N14); only
what is the caller's own may answer 403. ``docs/spec/permissions.md`` is this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from domain.ports import Principal
from domain.roles import Roles


class Whose(StrEnum):
    """Whose object an operation names."""

    PUBLIC = "public"
    """Everybody's, also without a token."""
    PUBLISHED = "published"
    """Everybody's once it is published; before that a draft of its buyer, absent for others."""
    CALLER = "caller"
    """Nobody's but the caller itself: no object is named."""
    OWN = "own"
    """Of the company which made it; for everybody else it is absent."""
    TENANT = "tenant"
    """Of the buyer on whose procedure the act works; for everybody else it is absent."""
    GRANTED = "granted"
    """Of the platform, shown under a grant of access; for everybody else it is absent."""
    HOLDER = "holder"
    """Of whoever holds the secret link that was made for it; for everybody else it is absent."""
    PLATFORM = "platform"
    """Of the platform, for whoever runs it."""


@dataclass(frozen=True)
class Row:
    """One operation: the act of ``domain.md`` §5 ("" for none), whose object, who judges it.

    ``door``: no object of a tenant is named, so the role is judged before anything is read.
    Elsewhere the object comes first (404), then the role (403). ``judge`` is the use case of the
    domain which decides a command.
    """

    whose: Whose
    act: str = ""
    judge: str = ""
    door: bool = False

    @property
    def public(self) -> bool:
        """Whether a request without a token may get an answer."""
        return self.whose in {Whose.PUBLIC, Whose.PUBLISHED, Whose.GRANTED} and not self.judge


DRAFTING = "draft consultation"
BUYING = "publish, correct, extend, end"
DEPOSITING = "deposit, replace, withdraw"
CONVENING = "convene, record presence, minutes"
OPENING = "open envelopes"
READING = "read an opened bid"
DECIDING = "admit late, open backup copy"
REGISTERING_ITEMS = "register backup copy or sample"
RUNNING = "run the platform"
REGISTERING = "register organisations"
GRANTING = "grant roles"
DELEGATING = "delegate the signature"
ELECTING = "elect the committee"
OPENING_ACCESS = "grant access"
LEAVING = "leave the platform"
EXCLUDING = "exclude a company"
SEEING_MEMBERS = "see the members"
LISTING = "list refused accesses"
ENTRIES = "ledger entries and proofs"
HEALTH = "incidents and probes"


def tenant(act: str, judge: str = "") -> Row:
    """Return the row of an act on a buyer's own procedure."""
    return Row(Whose.TENANT, act, judge)


def own(act: str, judge: str = "") -> Row:
    """Return the row of an act on what a company made."""
    return Row(Whose.OWN, act, judge)


def at_the_door(whose: Whose, act: str, judge: str = "") -> Row:
    """Return the row of an act which names no object of a tenant."""
    return Row(whose, act, judge, door=True)


def own_seat(act: str, judge: str = "") -> Row:
    """Return the row of a page which works on the organisation of its reader's seat alone."""
    return Row(Whose.CALLER, act, judge, door=True)


PUBLIC = Row(Whose.PUBLIC)
PUBLISHED = Row(Whose.PUBLISHED, DRAFTING)
ACCOUNT = Row(Whose.CALLER)
HELD = Row(Whose.HOLDER)

OPERATIONS: Mapping[str, Row] = MappingProxyType(
    {
        "list_consultations": PUBLIC,
        "read_consultation": PUBLISHED,
        "read_kit": PUBLIC,
        "read_keyset": PUBLIC,
        "read_canary_keyset": PUBLIC,
        "read_dossier": PUBLISHED,
        "download_dossier_file": PUBLISHED,
        "read_opening": PUBLISHED,
        "read_minutes": PUBLISHED,
        "export_minutes": PUBLISHED,
        "download_minutes_sheet": PUBLISHED,
        "print_minutes": PUBLISHED,
        "read_ledger": PUBLIC,
        "read_checkpoint": PUBLIC,
        "read_tile": PUBLIC,
        "read_entries": Row(Whose.GRANTED, ENTRIES),
        "read_favicon": PUBLIC,
        "publish_checkpoint": at_the_door(Whose.PLATFORM, RUNNING),
        "stamp_checkpoint": at_the_door(Whose.PLATFORM, RUNNING),
        "draft_consultation": at_the_door(Whose.TENANT, DRAFTING, "draft.draft_consultation"),
        "define_lot": tenant(DRAFTING, "draft.define_lot"),
        "set_criteria": tenant(DRAFTING, "draft.set_criteria"),
        "set_calendar": tenant(DRAFTING, "draft.set_calendar"),
        "set_technical_limits": tenant(DRAFTING, "draft.set_technical_limits"),
        "set_deposit_policy": tenant(DRAFTING, "draft.set_deposit_policy"),
        "assign_keyset": tenant(BUYING, "hold_ceremony.assign_keyset"),
        "decrypt_canary": tenant(BUYING, "prove_life.decrypt_canary"),
        "retire_keyset": tenant(BUYING, "hold_ceremony.retire_keyset"),
        "publish_consultation": tenant(BUYING, "publish.publish"),
        "correct_limits": tenant(BUYING, "correct.correct_limits"),
        "correct_dossier": tenant(BUYING, "correct.correct_dossier"),
        "extend_deadline": tenant(BUYING, "extend.extend"),
        "suspend_consultation": tenant(BUYING, "suspend.suspend"),
        "resume_consultation": tenant(BUYING, "suspend.resume"),
        "upload_dossier_file": tenant(DRAFTING),
        "freeze_dossier": tenant(DRAFTING, "draft.freeze_dossier"),
        "start_transmission": at_the_door(Whose.OWN, DEPOSITING, "announce.start_transmission"),
        "announce_envelope": own(DEPOSITING, "announce.announce_envelope"),
        "store_chunk": own(DEPOSITING, "transmit.store_chunks"),
        "read_transmission": own(DEPOSITING),
        "finish_transmission": own(DEPOSITING, "deposit.seal_deposit"),
        "end_transmission": own(DEPOSITING, "transmit.fail_transmission"),
        "list_deposits": at_the_door(Whose.OWN, DEPOSITING),
        "read_deposit": own(DEPOSITING),
        "read_receipt": own(DEPOSITING),
        "withdraw_deposit": own(DEPOSITING, "withdraw.withdraw"),
        "admit_late_deposit": tenant(DECIDING, "decide_late.admit_late_deposit"),
        "reject_late_deposit": tenant(DECIDING, "decide_late.reject_late_deposit"),
        "register_backup_copy": tenant(REGISTERING_ITEMS, "register_item.register_backup_copy"),
        "register_item_outside": tenant(REGISTERING_ITEMS, "register_item.register_item"),
        "read_desk_register": tenant(REGISTERING_ITEMS),
        "list_backup_copies": tenant(DECIDING),
        "list_own_backup_copies": at_the_door(Whose.OWN, DEPOSITING),
        "read_backup_copy": own(DEPOSITING),
        "authorise_backup_copy": tenant(DECIDING, "open_backup.authorise_backup_copy_opening"),
        "open_backup_copy": tenant(DECIDING, "open_backup.open_backup_copy"),
        "set_aside_backup_copy": tenant(DECIDING, "open_backup.set_aside_backup_copy"),
        "detect_backup_malware": tenant(DECIDING, "open_backup.detect_backup_malware"),
        "destroy_backup_copy": tenant(DECIDING, "open_backup.destroy_backup_copy"),
        "convene_opening": tenant(CONVENING, "fix_opening_plan.convene_opening"),
        "record_presence": tenant(CONVENING, "fix_opening_plan.record_presence"),
        "fix_opening_plan": tenant(CONVENING, "fix_opening_plan.fix_opening_plan"),
        # whoever is no officer of another buyer is refused by the rule, and recorded
        "open_envelopes": Row(Whose.PUBLISHED, OPENING, "open_envelopes.open_envelopes"),
        "open_deposit": tenant(OPENING, "open_envelopes.open_deposit"),
        "scan_opened_documents": tenant(CONVENING, "detect_malware.detect_malware"),
        "list_opened_documents": tenant(READING),
        "read_opened_document": tenant(READING),
        "register_buyer": at_the_door(Whose.PLATFORM, RUNNING, "manage_members.register_buyer"),
        "register_operator": at_the_door(
            Whose.PLATFORM, REGISTERING, "register_operator.register_operator"
        ),
        "grant_role": tenant(GRANTING, "manage_members.grant_role"),
        "revoke_role": tenant(GRANTING, "manage_members.revoke_role"),
        "delegate_signature": tenant(DELEGATING, "delegate_signature.delegate_signature"),
        "elect_committee": tenant(ELECTING, "elect_committee.elect_committee"),
        "grant_access": tenant(OPENING_ACCESS, "grant_access.grant_access"),
        "export_tenant": tenant(LEAVING),
        "leave_platform": tenant(LEAVING, "leave_platform.leave_platform"),
        "list_roles": tenant(SEEING_MEMBERS),
        "list_delegations": tenant(SEEING_MEMBERS),
        "read_committee": tenant(SEEING_MEMBERS),
        "add_representative": own(REGISTERING, "register_operator.add_representative"),
        "remove_representative": own(DEPOSITING, "register_operator.remove_representative"),
        "list_representatives": own(DEPOSITING),
        "declare_consortium": own(DEPOSITING, "declare_consortium.declare_consortium"),
        # every company may be excluded, an unregistered one too: its name is no object of anybody
        "exclude_operator": at_the_door(
            Whose.TENANT, EXCLUDING, "exclude_operator.exclude_operator"
        ),
        "read_who_i_am": Row(Whose.CALLER),
        "list_refusals": at_the_door(Whose.TENANT, LISTING),
        "read_health": PUBLIC,
        "read_health_evidence": at_the_door(Whose.PLATFORM, HEALTH),
        "declare_incident": at_the_door(
            Whose.PLATFORM, HEALTH, "declare_incident.declare_incident"
        ),
        "read_metrics": at_the_door(Whose.PLATFORM, RUNNING),
    }
)
"""Every operation of the interface, by the name of its function."""

PAGES: Mapping[str, Row] = MappingProxyType(
    {
        "/": PUBLIC,
        "/accessibility": PUBLIC,
        "/account": ACCOUNT,
        "/account/invitations": Row(Whose.CALLER, GRANTING),
        "/account/invitations/withdraw": Row(Whose.CALLER, GRANTING),
        "/account/passkeys": ACCOUNT,
        "/account/passkeys/options": ACCOUNT,
        "/account/passkeys/remove": ACCOUNT,
        "/account/password": ACCOUNT,
        "/account/seat": ACCOUNT,
        "/account/sessions/end": ACCOUNT,
        "/account/tokens": ACCOUNT,
        "/account/tokens/revoke": ACCOUNT,
        "/administration": Row(Whose.CALLER),
        "/administration/accesses": own_seat(OPENING_ACCESS, "grant_access.grant_access"),
        "/administration/backup-copies": own_seat(
            REGISTERING_ITEMS, "register_item.register_backup_copy"
        ),
        "/administration/buyers": own_seat(RUNNING, "manage_members.register_buyer"),
        "/administration/committee": own_seat(ELECTING, "elect_committee.elect_committee"),
        "/administration/companies": own_seat(REGISTERING, "register_operator.register_operator"),
        "/administration/consortia": own_seat(DEPOSITING, "declare_consortium.declare_consortium"),
        "/administration/copies": own_seat(DECIDING),
        "/administration/copy-decisions": own_seat(
            DECIDING, "open_backup.authorise_backup_copy_opening"
        ),
        "/administration/delegations": own_seat(
            DELEGATING, "delegate_signature.delegate_signature"
        ),
        "/administration/departure": own_seat(LEAVING, "leave_platform.leave_platform"),
        "/administration/departure/export": own_seat(LEAVING),
        "/administration/evidence": own_seat(HEALTH),
        "/administration/evidence.csv": own_seat(HEALTH),
        "/administration/evidence.json": own_seat(HEALTH),
        "/administration/evidence.pdf": own_seat(HEALTH),
        "/administration/incidents": own_seat(HEALTH, "declare_incident.declare_incident"),
        "/administration/invitations": own_seat(GRANTING),
        "/administration/late-deposits": own_seat(DECIDING, "decide_late.admit_late_deposit"),
        "/administration/powers": own_seat(SEEING_MEMBERS),
        "/administration/refusals": own_seat(LISTING),
        "/administration/refusals.csv": own_seat(LISTING),
        "/administration/representatives": own_seat(
            DEPOSITING, "register_operator.remove_representative"
        ),
        "/administration/register": own_seat(REGISTERING_ITEMS),
        "/administration/register-items": own_seat(
            REGISTERING_ITEMS, "register_item.register_item"
        ),
        "/administration/revocations": own_seat(GRANTING, "manage_members.revoke_role"),
        "/administration/roles": own_seat(GRANTING, "manage_members.grant_role"),
        "/administration/withdrawals": own_seat(DEPOSITING, "withdraw.withdraw"),
        "/consultations": PUBLIC,
        "/consultations/{name}": PUBLIC,
        "/consultations/{name}/deposit": PUBLIC,
        "/consultations/{name}/history": PUBLIC,
        "/consultations/{name}/opening/{lot}": PUBLIC,
        "/consultations/{name}/opening/{lot}/session": tenant(CONVENING),
        "/health": PUBLIC,
        "/invitation/{secret}": HELD,
        "/invitation/{secret}/oidc": HELD,
        "/invitation/{secret}/passkey": HELD,
        "/invitation/{secret}/passkey/options": HELD,
        "/invitation/{secret}/seat": HELD,
        "/ledger": PUBLIC,
        "/ledger/{name}": PUBLIC,
        "/login": PUBLIC,
        "/login/again": ACCOUNT,
        "/login/again/oidc": ACCOUNT,
        "/login/again/passkey": ACCOUNT,
        "/login/oidc": PUBLIC,
        "/login/oidc/return": PUBLIC,
        "/login/passkey": PUBLIC,
        "/login/passkey/options": PUBLIC,
        "/logout": ACCOUNT,
        "/openapi.json": PUBLIC,
        "/problems/{code}": PUBLIC,
        "/receipt": PUBLIC,
        "/static": PUBLIC,
    }
)
"""Every page, by the path of its route."""


def check(operation: str, principal: Principal, roles: Roles) -> None:
    """Return quietly unless this role may never do this act; raise ``role.not-allowed``."""
    row = OPERATIONS[operation]
    if row.door:
        roles.require(principal.role, row.act)
