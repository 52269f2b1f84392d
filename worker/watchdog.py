"""The watchdog: notices that this worker no longer hears the broker, and makes it connect anew.

When Redis dies at the moment a message is acknowledged, Celery logs "Couldn't ack" and goes on looping without ever
listening again (seen with Celery 5.7.0 and kombu 5.7.0). A worker that hears takes a waiting message at once; one that
took none for a while, has nothing in hand, and leaves messages waiting, is deaf.
"""

import logging
import time
from typing import Any

from celery.worker import state

logger = logging.getLogger(__name__)


class Watchdog:
    """Watches one consumer."""

    def __init__(self, *, patience_s: float) -> None:
        self.patience_s = patience_s
        self.consumer: Any = None
        self._heard_count = -1
        self._well_s = time.monotonic()

    def look(self, waiting: int | None) -> None:
        """Take a look.

        Args:
            waiting: messages in the broker; None while it does not answer.
        """
        heard_count = sum(state.total_count.values())
        is_well = not waiting or bool(state.reserved_requests) or heard_count != self._heard_count
        self._heard_count = heard_count
        now_s = time.monotonic()
        if is_well:
            self._well_s = now_s
        elif now_s - self._well_s > self.patience_s and self.consumer is not None:
            logger.warning("worker is deaf, connecting anew waiting=%d", waiting)
            self._well_s = now_s
            self.consumer.call_soon(lose_connection)


def lose_connection() -> None:
    """Raise, inside the consumer's loop, what it raises itself when it notices a lost connection."""
    raise ConnectionResetError("the watchdog heard nothing")
