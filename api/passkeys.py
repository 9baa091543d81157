"""Passkeys (WebAuthn level 3): proof by a key that never leaves the device, bound to our origin.

The person is verified by the device (PIN, finger, face), so one passkey is two factors. A counter
that goes back betrays a copy. No attestation is asked: any authenticator will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url, parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from api.errors import PasskeyRefused
from api.people import Passkey, Person

NAME = "Pli"
REQUIRED = UserVerificationRequirement.REQUIRED
MALFORMED = (WebAuthnException, ValueError, KeyError, TypeError)
"""What the library raises on answers: of a key without its fields it asks them all the same."""


@dataclass(frozen=True)
class RelyingParty:
    """Whom passkeys are made for: the platform's public origin."""

    origin: str

    @property
    def name(self) -> str:
        """The domain that a passkey is bound to."""
        return urlsplit(self.origin).hostname or ""

    def registration(self, person: Person, held: Sequence[Passkey], challenge: bytes) -> str:
        """Return the options of a new passkey, as JSON for the browser."""
        return options_to_json(
            generate_registration_options(
                rp_id=self.name,
                rp_name=NAME,
                user_id=person.person.encode(),
                user_name=person.email,
                user_display_name=person.name,
                challenge=challenge,
                authenticator_selection=AuthenticatorSelectionCriteria(
                    resident_key=ResidentKeyRequirement.REQUIRED, user_verification=REQUIRED
                ),
                exclude_credentials=[PublicKeyCredentialDescriptor(id=k.key_id) for k in held],
            )
        )

    def registered(
        self, answer: str, challenge: str, person: Person, label: str, now: datetime
    ) -> Passkey:
        """Return the passkey that an answer proves, or raise PasskeyRefused."""
        try:
            found = verify_registration_response(
                credential=answer,
                expected_challenge=base64url_to_bytes(challenge),
                expected_rp_id=self.name,
                expected_origin=self.origin,
                require_user_verification=True,
            )
        except MALFORMED as error:
            raise PasskeyRefused(type(error).__name__) from error
        return Passkey(
            key_id=found.credential_id,
            person=person.person,
            public_key=found.credential_public_key,
            sign_count=found.sign_count,
            label=label,
            created_at=now,
            used_at=None,
        )

    def login(self, challenge: bytes) -> str:
        """Return the options of a login; the person is found by the key that answers."""
        options = generate_authentication_options(
            rp_id=self.name, challenge=challenge, user_verification=REQUIRED
        )
        return options_to_json(options)

    def proven(self, answer: str, challenge: str, key: Passkey) -> int:
        """Return the new counter of a key that answered, or raise PasskeyRefused.

        The key is found by its own id; the person whom the authenticator names (``userHandle``)
        must be the one to whom that key belongs (WebAuthn §7.2, step 6).
        """
        try:
            told = parse_authentication_credential_json(answer)
            if told.response.user_handle != key.person.encode():
                raise PasskeyRefused("another person")
            found = verify_authentication_response(
                credential=told,
                expected_challenge=base64url_to_bytes(challenge),
                expected_rp_id=self.name,
                expected_origin=self.origin,
                credential_public_key=key.public_key,
                credential_current_sign_count=key.sign_count,
                require_user_verification=True,
            )
        except MALFORMED as error:
            raise PasskeyRefused(type(error).__name__) from error
        return found.new_sign_count


def written(challenge: bytes) -> str:
    """Return a challenge in the form in which it is kept."""
    return bytes_to_base64url(challenge)
