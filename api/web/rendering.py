"""One way to answer with a page: language, catalogue, assets, last checkpoint, autoescape.

A page holds no inline script or style, and says nothing that its reader may not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import CodeType
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket

from api.web import words
from api.web.assets import Asset, built_assets
from api.web.ports import Addresses, LedgerFacts
from api.web.texts import LANGUAGES, Language, languages
from crypto.notes import Checkpoint, parse_checkpoint, parse_note

if TYPE_CHECKING:
    from api.entrance import Visitor

COOKIE = "pli_lang"
YEAR_S = 31_536_000
CONTROL = {code: "\ufffd" for code in (*range(32), *range(0x7F, 0xA0))}
BIDI = {
    code: "\ufffd"
    for code in (*range(0x200E, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


def display(name: str) -> str:
    """Return a name from outside without control or direction characters (T21)."""
    return name.translate(CONTROL | BIDI)


class Compiled(BytecodeCache):
    """Templates as they were compiled, by their source, for every platform of one process.

    What is compiled says nothing of a language; a process that is forked has it already.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give what was compiled of this very source."""
        bucket.code = self._held.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        if bucket.code is not None:
            self._held[bucket.key, bucket.checksum] = bucket.code


COMPILED = Compiled()
FIRST_ASKED = ("login.html", "consultation.html", "layout.html", "parts.html")
"""What each start asks for by itself: its own probes look at these pages."""


def compile_first_asked() -> None:
    """Compile what every start needs at once."""
    made = environment(languages()["fr"], {})
    for name in FIRST_ASKED:
        made.get_template(name)


def environment(language: Language, assets: Mapping[str, Asset]) -> Environment:
    """Return the templates in one language."""
    made = Environment(
        loader=PackageLoader("api.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        bytecode_cache=COMPILED,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_callables(  # type: ignore[attr-defined]
        language.catalogue.gettext, language.catalogue.ngettext, newstyle=True
    )
    made.globals |= {"language": language, "words": words, "assets": assets, "quote": quote}
    made.filters["display"] = display
    return made


@dataclass
class Renderer:
    """Renders pages in the language of their reader. Shared by threads, never changed."""

    facts: LedgerFacts
    addresses: Addresses = field(default_factory=Addresses)
    default: str = "fr"
    visitor: Callable[[Request], Visitor | None] | None = None
    """Who reads; None where nobody can sign in."""
    damaged: Callable[[str, str], Sequence[Mapping[str, object]]] | None = None
    """The deposits of a company in one consultation whose bytes the platform has lost."""

    def __post_init__(self) -> None:
        """Read the catalogues and templates once."""
        self._languages = languages()
        assets = built_assets()
        self._environments = {
            code: environment(language, assets) for code, language in self._languages.items()
        }

    def language_of(self, request: Request) -> Language:
        """Return the language asked in the address, kept from before, or of the browser."""
        asked = (
            request.query_params.get("lang"),
            request.cookies.get(COOKIE),
            *_accepted(request.headers.get("accept-language", "")),
            self.default,
        )
        return self._languages[next(code for code in asked if code in LANGUAGES)]

    def now(self) -> datetime:
        """Return the instant at which pages judge what is open."""
        return self.facts.now().latest

    def checkpoint(self) -> Checkpoint | None:
        """Return the last published checkpoint."""
        note = self.facts.published()
        return None if note is None else parse_checkpoint(parse_note(note).text)

    def page(
        self, request: Request, template: str, status: int = 200, **values: object
    ) -> HTMLResponse:
        """Answer with a page."""
        language = self.language_of(request)
        who = self.visitor(request) if self.visitor else None
        text = (
            self._environments[language.code]
            .get_template(template)
            .render(
                here=request.url.path,
                other_language=_other(request, language.code),
                checkpoint=self.checkpoint(),
                addresses=self.addresses,
                who=who,
                entrance=self.visitor is not None,
                **values,
            )
        )
        answer = HTMLResponse(
            text,
            status_code=status,
            headers={
                # what a person sees is kept by nobody on the way, nor behind the back button
                "Cache-Control": "no-cache" if who is None else "no-store",
                "Vary": "Accept-Language, Cookie",
            },
        )
        if request.query_params.get("lang") in LANGUAGES:
            answer.set_cookie(COOKIE, language.code, max_age=YEAR_S, httponly=True, samesite="lax")
        return answer


def _accepted(header: str) -> list[str]:
    weighed = []
    for place, part in enumerate(header.split(",")):
        name, _, weight = part.strip().partition(";q=")
        try:
            weighed.append((-float(weight or 1), place, name.strip().lower().split("-")[0]))
        except ValueError:
            continue
    return [name for weight, _, name in sorted(weighed) if weight]


def _other(request: Request, code: str) -> str:
    other = next(name for name in LANGUAGES if name != code)
    kept = [pair for pair in request.query_params.multi_items() if pair[0] != "lang"]
    return "?" + urlencode([*kept, ("lang", other)])
