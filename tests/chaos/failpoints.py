"""A worker that is hurt at some step: `python -m tests.chaos.failpoints STEP,STEP HARM <celery arguments>`.

The steps are wrapped from outside, so the code that runs in production holds nothing of this. FAILPOINT_COUNT says how
often each does its harm (default once), FAILPOINT_FOLDER is where that is counted, across processes.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import shared.folder_storage
import shared.jobs.claim
import shared.jobs.finish
import worker.batch
import worker.pulse
import worker.tasks


def kill() -> None:
    """Die as by the kernel's hand."""
    os.kill(os.getpid(), signal.SIGKILL)


def freeze() -> None:
    """Stand still until somebody else says go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


def exhaust() -> None:
    """Find no memory."""
    raise MemoryError


def hang() -> None:
    """Never come back, while the thread beside keeps beating."""
    time.sleep(3600)


def disk_full() -> None:
    """Find the disk full, or out of file descriptors: to the worker both are the system's error."""
    raise OSError(28, "No space left on device")


HARMS: dict[str, Callable[[], None]] = {f.__name__: f for f in (kill, freeze, exhaust, hang, disk_full)}


class Failpoint:
    """Does its harm the first few times it is reached, in whichever process that is."""

    def __init__(self, step: str, harm: Callable[[], None]) -> None:
        self.step = step
        self.harm = harm
        self.folder = Path(os.environ["FAILPOINT_FOLDER"])
        self.count = int(os.environ.get("FAILPOINT_COUNT", "1"))

    def reach(self) -> None:
        """Note that it was reached, before the harm, for afterwards nobody may be left to do so."""
        for number in range(self.count):
            try:
                (self.folder / f"reached-{self.step}-{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            self.harm()
            return

    def before(self, owner: Any, name: str) -> None:
        """Be reached before a function runs."""
        real = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.reach()
            return real(*args, **kwargs)

        setattr(owner, name, wrapped)

    def after(self, owner: Any, name: str) -> None:
        """Be reached after a function has done something."""
        real = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            done = real(*args, **kwargs)
            if done:
                self.reach()
            return done

        setattr(owner, name, wrapped)


# Every step of a job in a worker's hands: claim, read, decode, infer, measure, finish, acknowledge.
STEPS: dict[str, Callable[[Failpoint], None]] = {
    "before_claim": lambda p: p.before(worker.tasks, "claim_due"),
    "claimed_uncommitted": lambda p: p.after(worker.tasks, "claim_due"),
    "claim_committed": lambda p: p.before(worker.tasks, "work_on"),
    "before_read": lambda p: p.before(shared.folder_storage.FolderStorage, "get"),
    "before_decode": lambda p: p.before(worker.batch, "decode"),
    "before_infer": lambda p: p.before(worker.batch, "infer_cases"),
    "before_measure": lambda p: p.before(worker.batch, "measure_case"),
    "before_finish": lambda p: p.before(shared.jobs.finish, "succeed"),
    "state_written": lambda p: p.before(shared.jobs.finish, "record"),
    "finished_uncommitted": lambda p: p.after(shared.jobs.finish, "succeed"),
    "finish_committed": lambda p: p.after(worker.batch, "write"),
    "before_acknowledge": lambda p: p.after(worker.tasks, "work_on_due"),
    "before_beat": lambda p: p.before(worker.pulse, "beat"),
}


if __name__ == "__main__":
    steps, harm = sys.argv.pop(1), sys.argv.pop(1)
    for step in steps.split(","):
        STEPS[step](Failpoint(step, HARMS[harm]))
    from worker.app import app

    app.start(["--quiet", *sys.argv[1:]])
