"""Check my receipt: a file or a pasted text, judged on the server, numbered checks as answer.

Nothing that is sent here is kept. Works without a script: one form, one answer.
"""

from __future__ import annotations

from datetime import datetime
from email import message_from_bytes
from email.message import Message
from email.policy import HTTP
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from api.web.receipt_report import CheckReceipt
from api.web.rendering import Renderer

LARGEST = 256 * 1024
"""An entry has at most 65,535 bytes, so no receipt comes near this."""


def pages(render: Renderer, check_receipt: CheckReceipt) -> APIRouter:
    """Return the pages of this file."""
    made = APIRouter(include_in_schema=False)

    @made.get("/receipt", response_class=HTMLResponse)
    def form(request: Request) -> HTMLResponse:
        """Show the form."""
        return render.page(request, "receipt.html", report=None, wrong=None)

    @made.post("/receipt", response_class=HTMLResponse)
    def verdict(request: Request, sent: Annotated[bytes, Depends(_body)]) -> HTMLResponse:
        """Judge what was sent."""
        if len(sent) > LARGEST:
            return render.page(request, "receipt.html", 413, report=None, wrong="large")
        receipt = receipt_of(request.headers.get("content-type", ""), sent)
        if not receipt.strip():
            return render.page(request, "receipt.html", 422, report=None, wrong="empty")
        report = check_receipt(receipt)
        received = (report.facts or {}).get("received_at")
        at = datetime.fromisoformat(received) if isinstance(received, str) else None
        return render.page(request, "receipt.html", report=report, wrong=None, received=at)

    return made


async def _body(request: Request) -> bytes:
    """Read at most one byte more than a receipt may have, then stop listening."""
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > LARGEST:
            break
    return bytes(read)


def receipt_of(content_type: str, sent: bytes) -> bytes:
    """Return the receipt in a form: the file if one was chosen, else the pasted text."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    parts = message_from_bytes(head + sent, policy=HTTP).get_payload()
    fields = {
        part.get_param("name", header="content-disposition"): _bytes_of(part)
        for part in (parts if isinstance(parts, list) else [])
        if isinstance(part, Message)
    }
    file = fields.get("file", b"")
    return file if file.strip() else pasted(fields.get("text", b""))


def pasted(text: bytes) -> bytes:
    """Return a pasted text with the line ends that the file had before it was copied."""
    lines = text.replace(b"\r\n", b"\n").strip(b"\n \t")
    return lines + b"\n" if lines else b""


def _bytes_of(part: Message) -> bytes:
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""
