"""Passwords: argon2id, few at a time, and the policy that a new one must meet."""

import secrets
import unicodedata
from pathlib import Path
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from shared.errors import Invalid

SHORTEST_CHARACTERS = 10
# A hash function can be kept busy with long inputs; no person types one.
LONGEST_BYTES = 1024
COMMON = frozenset(Path(__file__).with_name("common_passwords.txt").read_text().split())

# OWASP Password Storage Cheat Sheet: at least 19 MiB and two passes; a login form that answers within a tenth of a
# second on two cores allows 32 MiB and three.
_hasher = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)
# Fifty logins at once must not take fifty times the memory.
_at_once = BoundedSemaphore(4)
# Verified where there is no such user, so that the answer takes as long as for one there is.
_nobodys_hash = _hasher.hash(secrets.token_urlsafe())


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password that meets the policy or was made by `one_time_password`."""
    with _at_once:
        return _hasher.hash(password)


def is_right(password: str, password_hash: str | None) -> bool:
    """Tell whether a password belongs to a hash; takes as long when there is no hash.

    Raises:
        Invalid: the password is longer than any that can have been set.
    """
    refuse_overlong(password)
    try:
        with _at_once:
            right = _hasher.verify(password_hash or _nobodys_hash, password)
    except (VerificationError, InvalidHashError):
        return False
    return right and password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Tell whether a hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def refuse_overlong(password: str) -> None:
    """Raise Invalid if a password has more bytes than are ever hashed."""
    # A form can carry half of a surrogate pair, which UTF-8 cannot.
    if len(password.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise Invalid(f"A password may have at most {LONGEST_BYTES} bytes.", code="password_too_long")


def check_policy(password: str, name: str) -> None:
    """Refuse a password that is easily guessed.

    Raises:
        Invalid: it is short, overlong, common, or contains the user name; the sentence says which.
    """
    refuse_overlong(password)
    if len(password) < SHORTEST_CHARACTERS:
        raise Invalid(f"Choose a password of at least {SHORTEST_CHARACTERS} characters.", code="password_too_short")
    plain = unicodedata.normalize("NFKC", password).casefold()
    if plain in COMMON:
        raise Invalid("This password is among the first that others would try; choose another.", code="password_common")
    if len(name) > 2 and name in plain:
        raise Invalid("The password must not contain the user name.", code="password_has_name")


def one_time_password() -> str:
    """Return a random password of 80 bits, easy to read from a screen: four groups of letters and digits."""
    # Crockford's alphabet: nothing that looks like something else.
    letters = "".join(secrets.choice("0123456789abcdefghjkmnpqrstvwxyz") for _ in range(16))
    return "-".join(letters[i : i + 4] for i in range(0, 16, 4))
