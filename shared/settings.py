"""Every setting of the system: name, unit, default, help. Read once at start; nothing else reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

MIB = 1024 * 1024
REDIS_SOCKET_NAME = "redis.sock"


class BadSetting(ValueError):
    """A setting has a value that cannot be used; the message names the variable, the value and what is accepted."""


def setting(default: Any, help: str) -> Any:
    """Declare one setting; the environment variable is the field's name in capitals."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Settings:
    """The whole configuration. Empty URLs mean the embedded default inside `data_dir`."""

    host: str = setting("127.0.0.1", "Address the web server listens on.")
    port: int = setting(8000, "Port the web server listens on.")
    data_dir: Path = setting(Path("data"), "Folder for everything the embedded default stores.")
    admin_password: str = setting("", "Password of the first admin; empty: a random one, printed once.")
    workers: int = setting(0, "Worker processes on this machine; 0: one per core.")
    web_threads: int = setting(8, "Request threads of the web server.")
    database_url: str = setting("", "SQLAlchemy URL; empty: SQLite inside DATA_DIR.")
    redis_url: str = setting("", "redis://host:port/n or unix:///path; empty: an embedded redis-server.")
    storage_url: str = setting("", "file:///folder or s3://bucket/prefix; empty: a folder inside DATA_DIR.")
    secret_key: str = setting("", "Signs sessions, at least 32 characters; empty: generated inside DATA_DIR.")
    model_dir: Path = setting(Path("models"), "Folder with the network and its contract, liver_tumor.json.")
    cookie_secure: bool = setting(False, "Send session cookies over HTTPS only; set to true behind TLS.")
    trusted_hosts: str = setting("", "Comma-separated host names answered to; empty: any.")
    proxy_hops: int = setting(0, "Number of reverse proxies whose X-Forwarded-* headers are trusted.")
    session_idle_min: int = setting(60, "Minutes without a request after which a login ends.")
    session_absolute_h: int = setting(12, "Hours after which a login ends in any case.")
    max_upload_bytes: int = setting(512 * MIB, "Largest volume, in bytes; a single slice may have 64 MiB at most.")
    max_files_per_upload: int = setting(200, "Most scans in one upload.")
    max_scans_per_min: int = setting(3000, "Most scans one user may submit a minute, per web host; 0: any number.")
    max_active_jobs: int = setting(5000, "Most queued and running jobs one user may have.")
    max_stored_bytes: int = setting(50 * 1024 * MIB, "Most bytes of scans one user may store.")
    deidentify_dicom: bool = setting(True, "Take patient data out of DICOM files before they are stored.")
    login_attempts_per_min: int = setting(5, "Wrong passwords per minute and account-and-address; then 429.")
    retention_days: int = setting(0, "Days after which finished jobs lose their pixels; 0: never.")
    batch_size: int = setting(8, "Most jobs a woken worker process claims at once.")
    lease_s: float = setting(30.0, "Seconds a worker may be silent before its job is given to another.")
    heartbeat_s: float = setting(5.0, "Seconds between two signs of life of a running job.")
    keeper_tick_s: float = setting(2.0, "Seconds between two rounds of the keeper.")
    ring_again_s: float = setting(15.0, "Seconds after which an unclaimed due job's doorbell is rung again.")
    job_deadline_s: float = setting(900.0, "Seconds after which a running job is taken away even if it beats.")
    backoff_s: float = setting(5.0, "Seconds before the second attempt after a transient fault; doubles each time.")
    max_attempts: int = setting(5, "Attempts before a job is dead.")
    max_crashes: int = setting(3, "Worker deaths on one job before it is dead.")

    @property
    def effective_database_url(self) -> str:
        """The SQLAlchemy URL in use."""
        return self.database_url or f"sqlite:///{self.data_dir / 'hepaq.sqlite3'}"

    @property
    def effective_storage_url(self) -> str:
        """The storage URL in use."""
        return self.storage_url or f"file://{self.data_dir / 'storage'}"

    @property
    def effective_redis_url(self) -> str:
        """The Redis URL in use; the embedded server listens on a unix socket inside DATA_DIR."""
        return self.redis_url or f"unix://{self.data_dir / REDIS_SOCKET_NAME}"

    @property
    def worker_processes(self) -> int:
        """Worker processes on this machine."""
        return self.workers or os.cpu_count() or 1


def parse(name: str, value: str, default: Any) -> Any:
    """Turn one environment string into the type of its default.

    Raises:
        BadSetting: the value does not parse.
    """
    try:
        if isinstance(default, bool):
            return {"true": True, "1": True, "false": False, "0": False}[value.strip().lower()]
        if isinstance(default, Path):
            return Path(value)
        return type(default)(value)
    except (KeyError, ValueError) as error:
        wanted = "true or false" if isinstance(default, bool) else f"a value like {default!r}"
        raise BadSetting(f"{name.upper()}={value!r} cannot be used; {name.upper()} takes {wanted}.") from error


def check(settings: Settings) -> Settings:
    """Return the settings if they make sense together.

    Raises:
        BadSetting: a number that must be positive is not, the lease is shorter than two heartbeats, a key too short.
    """
    for name in (
        "batch_size",
        "lease_s",
        "heartbeat_s",
        "keeper_tick_s",
        "max_attempts",
        "max_crashes",
        "job_deadline_s",
    ):
        if getattr(settings, name) <= 0:
            raise BadSetting(f"{name.upper()}={getattr(settings, name)} cannot be used; it must be greater than 0.")
    if settings.lease_s < 2 * settings.heartbeat_s:
        raise BadSetting(f"LEASE_S={settings.lease_s} must be at least twice HEARTBEAT_S={settings.heartbeat_s}.")
    if settings.secret_key and len(settings.secret_key) < 32:
        raise BadSetting("SECRET_KEY is too short; give at least 32 random characters.")
    return settings


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path = Path(".env")) -> Settings:
    """Read the settings from the environment, then `.env`, then the defaults; an empty value means the default.

    Raises:
        BadSetting: a value cannot be used.
    """
    file_values = {k: v for k, v in dotenv_values(env_file).items() if v is not None} if environ is None else {}
    source = {**file_values, **(os.environ if environ is None else environ)}
    values: dict[str, Any] = {}
    for item in fields(Settings):
        text = source.get(item.name.upper(), "")
        values[item.name] = parse(item.name, text, item.default) if text != "" else item.default
    values["data_dir"] = values["data_dir"].expanduser().resolve()
    values["model_dir"] = values["model_dir"].expanduser().resolve()
    return check(Settings(**values))
