"""The keeper: takes jobs back from silent workers, rings again for unheard jobs, clears away what nobody needs.

One runs in every worker's main process; any number may, for each write names the state it expects.
"""

import logging
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from celery import Celery

from shared import tallies
from shared.audit.chain import Contested, seal
from shared.database import Database
from shared.errors import ServiceError
from shared.jobs.reap import due_for_ringing, reap_expired
from shared.presence import forget_silent_workers, note_presence
from shared.queue import ring, waiting_messages
from shared.settings import Settings
from shared.storage import open_storage
from worker.garbage import collect_garbage, collect_orphans
from worker.runtime import new_worker_id
from worker.watchdog import Watchdog

logger = logging.getLogger(__name__)

GARBAGE_EVERY_S = 600
# Looks at every object there is.
ORPHANS_EVERY_S = 86_400


class Keeper:
    """A thread with connections of its own."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.worker_id = new_worker_id()
        self.model_sha256 = ""
        self.watchdog = Watchdog(patience_s=settings.ring_again_s)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self, consumer: Any) -> None:
        """Begin; called again with each new connection to the broker."""
        self.watchdog.consumer = consumer
        if not self._thread.is_alive():
            self._thread.start()

    def stop(self) -> None:
        """End after the round that is under way."""
        self._stopped.set()

    def _run(self) -> None:
        database = Database(self.settings.effective_database_url, pool_size=2)
        storage = open_storage(self.settings.effective_storage_url)
        garbage_at, orphans_at = time.monotonic(), time.monotonic() + ORPHANS_EVERY_S
        while not self._stopped.wait(self.settings.keeper_tick_s):
            try:
                self.keep(database)
                if time.monotonic() >= garbage_at:
                    garbage_at = time.monotonic() + GARBAGE_EVERY_S
                    collect_garbage(database, storage, self.settings)
                if time.monotonic() >= orphans_at:
                    orphans_at = time.monotonic() + ORPHANS_EVERY_S
                    collect_orphans(database, storage)
            except ServiceError as error:
                logger.warning("keeper waits code=%s", error.code)
            except Exception:
                # Nobody watches this thread; whatever happens, the next round must come.
                logger.exception("keeper fault")

    def keep(self, database: Database) -> None:
        """One round."""
        settings = self.settings
        self.note_presence(database)
        self.seal_audit_log(database)
        with suppress(tallies.Contested):  # another keeper was faster
            database.run(tallies.add_up)
        limits = {"max_attempts": settings.max_attempts, "max_crashes": settings.max_crashes}
        reaped = database.run(lambda c: reap_expired(c, actor=self.worker_id, **limits))
        if reaped:
            logger.warning("leases expired count=%d", reaped)
        waiting = waiting_messages(self.app)
        self.watchdog.look(waiting)
        if waiting == 0:
            due = database.run(lambda c: due_for_ringing(c, ring_again_s=settings.ring_again_s))
            if due:
                logger.info("ringing again count=%d", len(due))
                ring(self.app, due)
                database.run(lambda c: tallies.add(c, {"rung_again": len(due)}))

    def seal_audit_log(self, database: Database) -> None:
        """Chain new entries of the audit log; its end goes to the log, where a thief of the database cannot reach."""
        try:
            head = database.run(seal)
        except Contested:
            return
        if head:
            logger.info("audit log sealed head=%s", head)

    def note_presence(self, database: Database) -> None:
        """Let people see that this worker is alive, and with which model."""
        host = socket.gethostname()[:64]
        count = self.settings.worker_processes
        database.run(
            lambda c: note_presence(c, self.worker_id, host=host, process_count=count, model_sha256=self.model_sha256)
        )
        database.run(forget_silent_workers)
