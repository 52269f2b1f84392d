"""What the application holds while it runs, and how views reach it."""

import os
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import cast

from flask import Flask, current_app

from shared.database import Database
from shared.queue import Ringer, make_celery
from shared.settings import Settings
from shared.storage import Storage, open_storage
from web.submit_rate import SubmitRate

EXTENSION = "hepaq"


@dataclass(frozen=True)
class Context:
    """One web process."""

    settings: Settings
    database: Database
    storage: Storage
    ringer: Ringer
    submit_rate: SubmitRate


def open_context(app: Flask, settings: Settings) -> Context:
    """Open everything a web process needs and hang it on the application."""
    context = Context(
        settings=settings,
        database=Database(settings.effective_database_url, pool_size=settings.web_threads),
        storage=open_storage(settings.effective_storage_url),
        ringer=Ringer(make_celery(settings.effective_redis_url)),
        submit_rate=SubmitRate(settings.max_scans_per_min),
    )
    app.extensions[EXTENSION] = context
    return context


def current() -> Context:
    """Return the context of the application that serves this request."""
    return cast(Context, current_app.extensions[EXTENSION])


def secret_key(settings: Settings) -> str:
    """Return the key that signs sessions: the setting, else one made once and kept in DATA_DIR."""
    if settings.secret_key:
        return settings.secret_key
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = settings.data_dir / "secret_key"
    if not path.exists():
        write_once(path, token_hex(32))
    return path.read_text()


def write_once(path: Path, text: str) -> None:
    """Write a file that only its owner may read, unless another process was faster; never half a file."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    try:
        os.link(aside, path)
    except FileExistsError:
        # The other process's key is as good as ours.
        pass
    finally:
        aside.unlink()
