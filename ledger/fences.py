"""Row security for whoever reads the log on PostgreSQL beside the platform (second fence of N14).

The platform itself writes and folds the whole log, as its owner or as a writing role, and binds
each question to its tenant. A reading role sees entries of one tenant alone, the one of its session
(``SET pli.tenant = '…'``), none without it; never what is hidden from tenants, never a column that
tells how many entries others have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from psycopg import sql

SHOWN_COLUMNS: Final = ("stream", "version", "kind", "entry")
"""Without ``position`` and ``leaf``: gaps between positions count the entries of all others."""
POLICY: Final = "tenants_read_their_own"
FUNCTION: Final = "hidden_since"


def row_security(
    schema: str,
    reader: str,
    writers: Sequence[str],
    *,
    streams: Sequence[str],
    kinds: Sequence[str],
) -> list[sql.Composed]:
    """Return the statements that fence ``reader`` into the tenant of its session.

    ``streams``: first words of streams which no tenant reads here. ``kinds``: a stream is shown
    only before its first entry of one of these: the versions after it would tell how many it has.
    """
    events = sql.Identifier(schema, "events")
    hides = sql.Identifier(schema, FUNCTION)
    named = {
        "events": events,
        "hides": hides,
        "schema": sql.Identifier(schema),
        "reader": sql.Identifier(reader),
        "policy": sql.Identifier(POLICY),
        "columns": sql.SQL(", ").join(map(sql.Identifier, SHOWN_COLUMNS)),
        "streams": sql.Literal(list(streams)),
        "kinds": sql.Literal(list(kinds)),
    }
    statements = [
        # as its owner, who is not fenced: a policy cannot ask its own table; named with its schema,
        # for a temporary table of the reader's would be found before it
        "CREATE FUNCTION {hides}(text, bigint) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER"
        " SET search_path = pg_catalog, pg_temp AS $$ SELECT EXISTS ("
        "SELECT 1 FROM {events} WHERE stream = $1"
        ' COLLATE "C" AND version <= $2 AND kind = ANY({kinds})) $$',
        "REVOKE ALL ON FUNCTION {hides}(text, bigint) FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION {hides}(text, bigint) TO {reader}",
        "GRANT USAGE ON SCHEMA {schema} TO {reader}",
        "GRANT SELECT ({columns}) ON {events} TO {reader}",
        "ALTER TABLE {events} ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY {policy} ON {events} FOR SELECT TO {reader} USING ("
        "convert_from(entry, 'UTF8')::json #>> '{{data,meta,tenant}}'"
        " = nullif(current_setting('pli.tenant', true), '')"
        " AND split_part(stream, '/', 1) <> ALL({streams})"
        " AND NOT {hides}(stream, version))",
    ]
    found = [sql.SQL(text).format(**named) for text in statements]
    for number, writer in enumerate(writers, 1):
        text = "CREATE POLICY {name} ON {events} TO {writer} USING (true) WITH CHECK (true)"
        name = sql.Identifier(f"writer_{number}")
        found.append(sql.SQL(text).format(name=name, events=events, writer=sql.Identifier(writer)))
    return found
