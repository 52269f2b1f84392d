"""How many scans a user may submit a minute, counted in this process: a flood must not wait for database or broker."""

from math import ceil
from time import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from shared.errors import TooMany


class SubmitRate:
    """The counts of one web process; several web hosts each allow as many."""

    def __init__(self, scans_per_min: int) -> None:
        self.limit = RateLimitItemPerMinute(scans_per_min) if scans_per_min else None
        self.limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, user_id: str, scans: int) -> None:
        """Count scans that a user wants to submit.

        Raises:
            TooMany: they would be more than a minute allows; nothing is counted then.
        """
        if self.limit is None or self.limiter.hit(self.limit, user_id, cost=scans):
            return
        reset_s = self.limiter.get_window_stats(self.limit, user_id).reset_time - time()
        raise TooMany(
            f"You may submit {self.limit.amount} scans a minute; please go on in a moment.",
            retry_after_s=max(1, ceil(reset_s)),
        )
