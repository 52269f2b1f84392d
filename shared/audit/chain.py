"""Chain the audit log: each entry's digest covers the one before, so a changed, removed or inserted entry shows.

Entries are written without a place in the chain and are given one by the keeper within seconds. Were the writers to
chain them, each upload would wait for every other one's transaction. What the chain cannot show is that its end was
cut off: keep the position and digest that the keeper logs, or `verify-audit` prints, somewhere else.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.exc import IntegrityError

from shared.tables import audit_log

GENESIS = "0" * 64
BATCH = 500
LOWEST = -(2**63)


@dataclass(frozen=True)
class Link:
    """The end of the chain, or of a part of it."""

    position: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.position}:{self.sha256}"


START = Link(0, GENESIS)


class Contested(Exception):
    """Two keepers chained at the same moment; the slower one leaves it to the other."""


@dataclass(frozen=True)
class Verdict:
    """What `verify` found.

    Attributes:
        head: the last good link.
        waiting: entries not chained yet.
        broken_at: the position at which the chain does not hold, or None.
    """

    head: Link
    waiting: int
    broken_at: int | None


def digest(before: str, position: int, entry: Row) -> str:
    """Return the digest of an entry at a position, 64 hexadecimal digits."""
    said = [before, position, entry.seq, entry.at_ms, entry.act, entry.user_id, entry.object_id, entry.origin]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def seal(connection: Connection) -> Link | None:
    """Chain the entries that wait; return the new end, or None if none waited.

    Raises:
        Contested: another keeper chains at this moment; the transaction must be undone.
    """
    last = (
        select(audit_log.c.position, audit_log.c.sha256)
        .where(audit_log.c.position.is_not(None))
        .order_by(audit_log.c.position.desc())
        .limit(1)
    )
    waiting = select(audit_log).where(audit_log.c.position.is_(None)).order_by(audit_log.c.seq).limit(BATCH)
    entries = connection.execute(waiting).all()
    if not entries:
        return None
    row = connection.execute(last).first()
    head = Link(row.position, row.sha256) if row else START
    try:
        for entry in entries:
            head = Link(head.position + 1, digest(head.sha256, head.position + 1, entry))
            place(connection, entry.seq, head)
    except IntegrityError as error:
        raise Contested from error
    return head


def place(connection: Connection, seq: int, link: Link) -> None:
    """Give an entry its place in the chain.

    Raises:
        Contested: it has one already.
        sqlalchemy.exc.IntegrityError: the place is taken.
    """
    placed = connection.execute(
        update(audit_log)
        .where(audit_log.c.seq == seq, audit_log.c.position.is_(None))
        .values(position=link.position, sha256=link.sha256)
    )
    if placed.rowcount != 1:
        raise Contested


def verify(connection: Connection, expected: Link | None = None) -> Verdict:
    """Read the whole chain and check every digest.

    Args:
        connection: to read from.
        expected: a link noted earlier; the chain is broken if it does not hold it.
    """
    waiting = connection.execute(
        select(func.count()).select_from(audit_log).where(audit_log.c.position.is_(None))
    ).scalar_one()
    head = START
    for entry in chained(connection):
        link = Link(head.position + 1, digest(head.sha256, head.position + 1, entry))
        if (entry.position, entry.sha256) != (link.position, link.sha256):
            return Verdict(head, waiting, link.position)
        if expected and link.position == expected.position and link != expected:
            return Verdict(head, waiting, link.position)
        head = link
    if expected and expected.position > head.position:
        return Verdict(head, waiting, head.position + 1)
    return Verdict(head, waiting, None)


def chained(connection: Connection) -> Iterator[Row]:
    """Yield the chained entries in order, a batch at a time."""
    position = LOWEST
    while True:
        query = select(audit_log).where(audit_log.c.position > position).order_by(audit_log.c.position).limit(BATCH)
        entries = connection.execute(query).all()
        if not entries:
            return
        yield from entries
        position = entries[-1].position
