"""API tokens: shown once, stored as a digest."""

import hashlib
from dataclasses import dataclass
from secrets import token_urlsafe

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from shared.database import Database, now_ms
from shared.errors import Invalid, NotFound
from shared.identifiers import new_id
from shared.tables import api_tokens, users

READ, WRITE = "read", "write"
PREFIX = "hepaq_"
MAX_NAME_LENGTH = 64
# Noting each use exactly would make every read a write.
USE_NOTED_EVERY_MS = 60_000

IN_FORCE = (
    select(api_tokens.c.id, api_tokens.c.user_id, api_tokens.c.scope, api_tokens.c.last_used_ms, now_ms().label("now"))
    .join(users, users.c.id == api_tokens.c.user_id)
    .where(
        api_tokens.c.token_sha256 == bindparam("sha256"), api_tokens.c.revoked_ms.is_(None), users.c.is_active.is_(True)
    )
)


@dataclass(frozen=True)
class Token:
    """Whose token it is and what it may do."""

    id: str
    user_id: str
    scope: str


def create_token(connection: Connection, user_id: str, *, name: str, scope: str = WRITE) -> str:
    """Make a token and return its secret, which is not stored.

    Raises:
        Invalid: an unknown scope, or a name too long.
    """
    if scope not in (READ, WRITE):
        raise Invalid("A token's scope is read or write.", code="bad_scope")
    if not 0 < len(name.strip()) <= MAX_NAME_LENGTH:
        raise Invalid(f"A token's name has 1 to {MAX_NAME_LENGTH} characters.", code="bad_token_name")
    secret = PREFIX + token_urlsafe(32)
    connection.execute(
        insert(api_tokens).values(
            id=new_id(),
            user_id=user_id,
            name=name.strip(),
            token_sha256=digest(secret),
            scope=scope,
            created_ms=now_ms(),
        )
    )
    return secret


def find_token(database: Database, secret: str) -> Token | None:
    """Return the token with this secret, if it is in force and its user is active.

    The look-up is by a SHA-256 of 256 random bits: what its time could tell does not help to guess another.
    """
    with database.read() as connection:
        row = connection.execute(IN_FORCE, {"sha256": digest(secret)}).first()
        if row is None:
            return None
        if row.now - (row.last_used_ms or 0) > USE_NOTED_EVERY_MS:
            connection.execute(update(api_tokens).where(api_tokens.c.id == row.id).values(last_used_ms=now_ms()))
    return Token(row.id, row.user_id, row.scope)


def list_tokens(connection: Connection, user_id: str) -> list[Row]:
    """Return a user's tokens in force, newest first, without secrets."""
    query = (
        select(
            api_tokens.c.id, api_tokens.c.name, api_tokens.c.scope, api_tokens.c.created_ms, api_tokens.c.last_used_ms
        )
        .where(api_tokens.c.user_id == user_id, api_tokens.c.revoked_ms.is_(None))
        .order_by(api_tokens.c.id.desc())
    )
    return list(connection.execute(query))


def revoke_token(connection: Connection, user_id: str, token_id: str) -> None:
    """End a token.

    Raises:
        NotFound: no such token of this user in force.
    """
    ended = connection.execute(
        update(api_tokens)
        .where(api_tokens.c.id == token_id, api_tokens.c.user_id == user_id, api_tokens.c.revoked_ms.is_(None))
        .values(revoked_ms=now_ms())
    )
    if not ended.rowcount:
        raise NotFound("There is no such token.")


def digest(secret: str) -> str:
    """Return what is stored of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
