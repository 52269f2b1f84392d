"""Identifiers of jobs, scans and submissions: ULIDs, unguessable and in order of time."""

import re

from ulid import ULID

PATTERN = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def new_id() -> str:
    """Return a fresh 26-character ULID (48 bits of time, 80 random bits)."""
    return str(ULID())


def is_id(text: str) -> bool:
    """Tell whether a text has the form of an identifier."""
    return PATTERN.fullmatch(text) is not None
