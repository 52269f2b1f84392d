"""The one task: a doorbell rang, take what is due."""

import logging
import time
from functools import partial
from typing import Any

import cv2
from celery import Celery, signals

from shared.jobs.claim import claim_due
from shared.queue import MESSAGE_VERSION, TASK_NAME, ring
from shared.settings import Settings
from worker.batch import work_on
from worker.runtime import Runtime, open_runtime

logger = logging.getLogger(__name__)

# Celery stops and replaces a process only between messages.
DRAIN_S = 2.0


def register(app: Celery, settings: Settings) -> None:
    """Give the application its task, and every child its runtime."""
    runtimes: list[Runtime] = []

    @signals.worker_process_init.connect(weak=False)
    def open_in_child(**_: Any) -> None:
        cv2.setNumThreads(1)
        runtimes[:] = [open_runtime(settings, partial(ring, app))]

    @app.task(name=TASK_NAME, ignore_result=True, Strategy="worker.messages:strategy")
    def analyse(message: Any = None, *_: Any, **__: Any) -> None:
        """Work until nothing is due; the message only says that there may be something."""
        if not isinstance(message, dict) or message.get("v") != MESSAGE_VERSION:
            logger.warning("doorbell of unknown form ignored")
            return
        (runtime,) = runtimes
        if not drain(runtime):
            ring(app, [str(message.get("job_id"))])


def drain(runtime: Runtime) -> bool:
    """Work until nothing is due, or for so long that others want a turn; return whether nothing is due.

    Jobs that come meanwhile need no doorbell of their own.
    """
    until_s = time.monotonic() + DRAIN_S
    while work_on_due(runtime):
        if time.monotonic() > until_s:
            return False
    return True


def work_on_due(runtime: Runtime) -> int:
    """Claim due jobs and work on them; return how many there were."""
    settings = runtime.settings
    claims = runtime.database.run(
        lambda connection: claim_due(
            connection,
            runtime.worker_id,
            limit=settings.batch_size,
            lease_s=settings.lease_s,
            deadline_s=settings.job_deadline_s,
        )
    )
    if claims and claims[-1].is_volume:
        # It takes this process a while, and what is due behind it was left to others.
        runtime.ring([claims[-1].job_id])
    if claims:
        work_on(runtime, claims)
    return len(claims)
