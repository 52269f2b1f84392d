"""No process forks while it uses SQLite, and no child inherits an open SQLite file.

SQLite notes in memory which locks its process holds. A child forked in the middle of a transaction of another thread
inherits that note, believes the lock held for ever, and finds the database locked for as long as it lives.
"""

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

# Longer than a transaction waits for the write lock; then the fork goes ahead all the same.
PATIENCE_S = 12.0


class ForkGuard:
    """Transactions and forks wait for each other, in one process."""

    def __init__(self) -> None:
        self.engines: weakref.WeakSet[Engine] = weakref.WeakSet()
        self.begin_anew()
        os.register_at_fork(before=self.hold, after_in_parent=self.let_go, after_in_child=self.begin_anew)

    def begin_anew(self) -> None:
        """Be as in a fresh process; a child has no other thread, whatever its parent had."""
        self._changed = threading.Condition()
        self._in_use = 0
        self._is_forking = False
        self._mine = threading.local()

    def hold(self) -> None:
        """Let the transactions under way end, begin no other, and close every file."""
        with self._changed:
            self._is_forking = True
            mine = getattr(self._mine, "depth", 0)
            self._changed.wait_for(lambda: self._in_use <= bool(mine), PATIENCE_S)
            for engine in list(self.engines):
                engine.dispose()

    def let_go(self) -> None:
        """Let transactions begin again."""
        with self._changed:
            self._is_forking = False
            self._changed.notify_all()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the process from forking during the block."""
        depth = getattr(self._mine, "depth", 0)
        if not depth:
            with self._changed:
                self._changed.wait_for(lambda: not self._is_forking)
                self._in_use += 1
        self._mine.depth = depth + 1
        try:
            yield
        finally:
            self._mine.depth = depth
            if not depth:
                with self._changed:
                    self._in_use -= 1
                    self._changed.notify_all()


fork_guard = ForkGuard()
