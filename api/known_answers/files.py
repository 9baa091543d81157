"""Envelope files and the packages inside."""

from __future__ import annotations

import hashlib
import io

from api.known_answers.book import Book, Case, Out, plaintext, raw, seal
from crypto import label, names, package, pli1, pli1_header
from crypto.streams import pieces


def seal_file(book: Book, case: Case) -> Out:
    """Seal a plaintext with fixed random values."""
    sealer, plan, file = seal(book, case)
    return {
        "chunks": plan.frame.chunks,
        "commitment": plan.commitment.hex(),
        "first_leaf": plan.leaf(0).hex(),
        "header": sealer.header.encoded.decode(),
        "header_hash": sealer.header.hash.hex(),
        "key": sealer.key.hex(),
        "last_leaf": plan.leaf(plan.frame.chunks - 1).hex(),
        "root": plan.root.hex(),
        "sha256": hashlib.sha256(file).hexdigest(),
        "size": plan.file_size,
    }


def frame(_book: Book, case: Case) -> Out:
    """Cut a body into chunks."""
    found = pli1.Frame.of_body(case["body"])
    return {"chunks": found.chunks, "last": found.last}


def commit(book: Book, case: Case) -> Out:
    """Compute the commitment of a file without a key."""
    found = pli1.commitment(io.BytesIO(book.file(case["file"])))
    return {
        "chunks": found.frame.chunks,
        "commitment": found.commitment.hex(),
        "header_hash": found.header_hash.hex(),
        "root": found.root.hex(),
    }


def head(_book: Book, case: Case) -> Out:
    """Check a head as the server does."""
    header = pli1_header.check_head(raw(case, "head"), raw(case, "digest"))
    return {"header_hash": header.hash.hex()}


def open_file(book: Book, case: Case) -> Out:
    """Open a file against what was recorded."""
    file = book.file(case["file"])
    if case["recorded"] == "of-file":
        recorded = pli1.commitment(io.BytesIO(file)).commitment
    else:
        recorded = raw(case, "recorded")
    sink = io.BytesIO()
    bound = label.encode(case["label"])
    pli1.open_envelope(io.BytesIO(file), bound, raw(case, "key"), recorded, sink)
    content = sink.getvalue()
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def make_package(_book: Book, case: Case) -> Out:
    """Put documents into a package."""
    contents = [bytes.fromhex(each["content"]) for each in case["documents"]]
    manifest = package.make_manifest(
        (
            package.Document(
                each["name"], raw(each, "salt"), hashlib.sha256(content).digest(), len(content)
            )
            for each, content in zip(case["documents"], contents, strict=True)
        ),
        case["padding"],
    )
    reader = package.PackageReader(manifest, map(io.BytesIO, contents))
    state = hashlib.sha256()
    size = 0
    for piece in pieces(reader, pli1_header.CHUNK):
        state.update(piece.view)
        size += piece.size
    return {"root": manifest.root.hex(), "sha256": state.hexdigest(), "size": size}


def read_package(_book: Book, case: Case) -> Out:
    """Read a package against root and count of its header."""
    content = plaintext(case["plaintext"])
    found = package.read_package(
        io.BytesIO(content), len(content), raw(case, "root"), case["count"]
    ).manifest
    documents = [[each.name, each.size, each.sha256.hex()] for each in found.documents]
    return {"documents": documents, "padding": found.padding}


def name(_book: Book, case: Case) -> Out:
    """Check the name of a document."""
    names.check_name(case["name"])
    return {}
