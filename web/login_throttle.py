"""Slow guessing down: at most so many wrong passwords a minute for an account from an address, and for an address.

Counted in SQL, so that it holds over several web processes and without the broker. Nobody is ever locked out: a
minute without guesses clears the count, and other addresses are not affected.
"""

import hashlib
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import Connection, delete, func, insert, select

from shared.database import Database, now_ms
from shared.errors import TooMany
from shared.tables import login_failures
from web.accounts import normalised_name

WINDOW_MS = 60_000
# A household or a ward shares an address: it may fail more often than one account from it.
ADDRESS_FACTOR = 4
IPV6_PREFIX = 64


@dataclass(frozen=True)
class Attempt:
    """One try to log in, counted as failed until it is forgiven."""

    row_ids: tuple[int, ...]


def begin_attempt(database: Database, name: str, address: str, *, per_minute: int) -> Attempt:
    """Count a try before its password is looked at, so that tries at the same moment cannot slip past together.

    Raises:
        TooMany: the account from this address, or the address, has failed too often in the last minute.
    """
    subjects = (digest("account", normalised_name(name), network_of(address)), digest("address", network_of(address)))
    attempt = Attempt(database.run(lambda c: count_failure(c, subjects)))
    with database.read() as connection:
        waits_s = [
            wait_s(connection, subject, limit)
            for subject, limit in zip(subjects, (per_minute, per_minute * ADDRESS_FACTOR), strict=True)
        ]
    if max(waits_s) > 0:
        # A refused try is not held against anybody, or a stubborn script would keep a person out for good.
        forgive(database, attempt)
        raise TooMany(
            "Too many attempts to log in. Wait a moment, then try again.",
            retry_after_s=max(waits_s),
            code="too_many_logins",
        )
    return attempt


def forgive(database: Database, attempt: Attempt) -> None:
    """Take a try back: its password was right, or was never looked at. Clears away what is past the window too."""
    past = login_failures.c.at_ms < now_ms() - WINDOW_MS
    database.run(lambda c: c.execute(delete(login_failures).where(login_failures.c.seq.in_(attempt.row_ids) | past)))


def count_failure(connection: Connection, subjects: tuple[str, str]) -> tuple[int, ...]:
    """Note a failure of each subject and return the new rows' numbers."""
    rows = (insert(login_failures).values(subject_sha256=subject, at_ms=now_ms()) for subject in subjects)
    keys = [connection.execute(row).inserted_primary_key for row in rows]
    return tuple(int(key[0]) for key in keys if key is not None)


def wait_s(connection: Connection, subject: str, limit: int) -> int:
    """Return the seconds until a subject may fail again; 0 if it may now."""
    recent = (login_failures.c.subject_sha256 == subject) & (login_failures.c.at_ms > now_ms() - WINDOW_MS)
    query = select(func.count(), func.min(login_failures.c.at_ms) + WINDOW_MS - now_ms()).where(recent)
    count, left_ms = connection.execute(query).one()
    return max(1, -(-int(left_ms) // 1000)) if count > limit else 0


def network_of(address: str) -> str:
    """Return what one client cannot easily leave: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, IPV6_PREFIX), strict=False))
    return str(parsed)


def digest(*parts: str) -> str:
    """Return a subject's digest: the table is to hold no names and no addresses."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
