"""What the load is put on: an address, how to speak to it, and the processes behind it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """Something that answers.

    Attributes:
        url: where pictures are posted to.
        field: form field of the picture; None where the body is the picture.
        asynchronous: whether the answer is a job to ask for at `<url>/status?ids=`, or the result itself.
        token: bearer token, or None.
        pids: the first of its processes; their descendants belong to it too.
    """

    url: str
    field: str | None
    asynchronous: bool
    token: str | None
    pids: tuple[int, ...]
