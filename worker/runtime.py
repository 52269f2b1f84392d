"""What one worker process holds while it lives: its name, its connections, its model."""

import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from models.segmenter import Segmenter
from shared.database import Database
from shared.settings import Settings
from shared.storage import Storage, open_storage
from worker.sandbox import Sandbox

MAX_HOST_NAME_LENGTH = 30


@dataclass(frozen=True)
class Runtime:
    """One worker process.

    Attributes:
        ring: tells other processes that a job may be due.
    """

    worker_id: str
    settings: Settings
    database: Database
    storage: Storage
    segmenter: Segmenter
    sandbox: Sandbox
    ring: Callable[[list[str]], object] = list


def open_runtime(settings: Settings, ring: Callable[[list[str]], object]) -> Runtime:
    """Open everything a worker process needs; in the child, never before the fork.

    One thread per session, for as many processes as cores beat one process with as many threads.

    Raises:
        ContractMismatch: the model is not what its contract says.
    """
    return Runtime(
        worker_id=new_worker_id(),
        settings=settings,
        database=Database(settings.effective_database_url, pool_size=2),
        storage=open_storage(settings.effective_storage_url),
        # Before the model, for it gets ready meanwhile.
        sandbox=Sandbox(),
        segmenter=Segmenter(settings.model_dir, threads=1),
        ring=ring,
    )


def new_worker_id() -> str:
    """Return a name no other process has or will have, even after a restart with the same process number."""
    return f"{socket.gethostname()[:MAX_HOST_NAME_LENGTH]}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
