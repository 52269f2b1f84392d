"""The Celery application, as web and worker both see it, and the doorbell.

A message carries a job's id and nothing else. It may be lost, doubled, late or forged: the `jobs` table decides.
Each setting's reason stands in `docs/architecture.md`.
"""

import logging
import queue
import threading
from collections.abc import Iterable
from itertools import islice

from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

QUEUE_NAME = "infer"
TASK_NAME = "hepaq.analyse"
MESSAGE_VERSION = 1
VISIBILITY_TIMEOUT_S = 1200
RINGER_BACKLOG = 10_000
# Each wakes a process, and a process takes all that is due.
MOST_AT_ONCE = 32


def broker_url(redis_url: str) -> str:
    """Return the URL in kombu's spelling, which differs for unix sockets."""
    if redis_url.startswith("unix://"):
        return "redis+socket://" + redis_url.removeprefix("unix://")
    return redis_url


def make_celery(redis_url: str) -> Celery:
    """Make the Celery application: JSON only, no result backend, no retries by the broker."""
    app = Celery("hepaq", broker=broker_url(redis_url), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_default_queue=QUEUE_NAME,
        task_queues=[Queue(QUEUE_NAME, Exchange(QUEUE_NAME), routing_key=QUEUE_NAME)],
        task_create_missing_queues=False,
        task_acks_late=True,
        task_reject_on_worker_lost=False,
        task_publish_retry=False,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_pool_acquire_timeout=2,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": 2,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 15,
            "retry_on_timeout": False,
            "global_keyprefix": "hepaq:",
        },
        visibility_timeout=VISIBILITY_TIMEOUT_S,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_proc_alive_timeout=60,
        worker_max_tasks_per_child=2000,
        worker_max_memory_per_child=1_500_000,
        enable_utc=True,
    )
    return app


def ring(app: Celery, job_ids: Iterable[str]) -> bool:
    """Tell the workers that jobs are due; False if the broker does not answer, which only delays them.

    A doorbell that lies unheard speaks for all jobs: every process is busy, and whoever hears it takes what is due.
    """
    try:
        with app.producer_pool.acquire(block=True, timeout=2) as producer:
            if producer.channel.client.llen(QUEUE_NAME):
                return True
            for job_id in islice(job_ids, MOST_AT_ONCE):
                message = {"v": MESSAGE_VERSION, "job_id": job_id}
                app.send_task(TASK_NAME, args=[message], queue=QUEUE_NAME, producer=producer, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("doorbell not rung error=%s", type(error).__name__)
        return False
    return True


def waiting_messages(app: Celery) -> int | None:
    """Return how many doorbells lie in the broker unheard; None if it does not answer."""
    try:
        with app.connection_for_read() as connection, connection.channel() as channel:
            # Kombu's own count asks for a queue that exists, and in Redis an empty one does not.
            return int(channel.client.llen(QUEUE_NAME))
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("broker does not answer error=%s", type(error).__name__)
        return None


class Ringer:
    """Rings from a thread of its own, so that no request ever waits for the broker, not even for a frozen one."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._due: queue.Queue[list[str]] = queue.Queue(RINGER_BACKLOG)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        # For monitoring; of this process alone.
        self.rung = 0
        self.unheard = 0

    def ring(self, job_ids: Iterable[str]) -> None:
        """Have jobs rung for soon. Never waits; what cannot be taken is left to the keeper."""
        # Started at first use: a thread does not survive the fork that a web server's worker is born by.
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._ring_forever, name="ringer", daemon=True)
                self._thread.start()
        try:
            self._due.put_nowait(list(job_ids))
        except queue.Full:
            logger.warning("doorbell backlog is full; left to the keeper")

    def _ring_forever(self) -> None:
        while True:
            due = self._due.get()
            if ring(self.app, due):
                self.rung += len(due)
            else:
                self.unheard += len(due)
