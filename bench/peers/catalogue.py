"""The peers there are: how each is started, and what it keeps."""

from dataclasses import dataclass

FRONT = "{bin}/gunicorn --bind 127.0.0.1:{port} --workers 1 --threads 8 --log-level warning"
NOTHING = "nothing"
IN_REDIS = "upload in a file, job and result in Redis (AOF every second); no database, no fsync"


@dataclass(frozen=True)
class Peer:
    """One peer.

    Attributes:
        name: as the table calls it.
        environment: `requirements-<environment>.txt` beside this file holds its versions.
        commands: the first one answers HTTP at {port}.
        stores: what survives of a job.
        path: where pictures are posted to.
        field: form field of the picture; None for a raw body.
        asynchronous: whether the answer is a job to wait for.
        in_default_run: small enough for every run; the others are asked for with BENCH_PEERS.
    """

    name: str
    environment: str
    commands: tuple[str, ...]
    stores: str = NOTHING
    path: str = "/predict"
    field: str | None = None
    asynchronous: bool = False
    in_default_run: bool = False


def queue_peer(name: str, environment: str, *workers: str, in_default_run: bool = True) -> Peer:
    """A queue behind our small front."""
    front = f"""{FRONT} 'bench.peers.queue_front:make_app("{environment}")'"""
    return Peer(name, environment, (front, *workers), IN_REDIS, "/jobs", None, True, in_default_run)


RQ_WORKER = "{bin}/rq worker --quiet --url {redis}"
PEERS = (
    Peer(
        "flask",
        "flask",
        ("{bin}/gunicorn --bind 127.0.0.1:{port} --workers 2 --log-level warning bench.peers.flask_app:app",),
        in_default_run=True,
    ),
    Peer(
        "litserve",
        "litserve",
        ("{bin}/python -m bench.peers.litserve_app {port} 1",),
        field="scan",
        in_default_run=True,
    ),
    Peer("litserve-batch4", "litserve", ("{bin}/python -m bench.peers.litserve_app {port} 4",), field="scan"),
    queue_peer("rq", "rq", RQ_WORKER, RQ_WORKER),
    queue_peer("rq-simple", "rq", *[RQ_WORKER + " --worker-class rq.SimpleWorker"] * 2),
    queue_peer(
        "dramatiq", "dramatiq", "{bin}/dramatiq bench.peers.dramatiq_queue --processes 2 --threads 1 --path {root}"
    ),
    Peer(
        "bentoml",
        "bentoml",
        ("{bin}/bentoml serve bench.peers.bentoml_app:Screening --host 127.0.0.1 --port {port}",),
        field="scan",
    ),
    Peer("ray", "ray", ("{bin}/python -m bench.peers.ray_app {port}",)),
    Peer(
        "ancestor",
        "ancestor",
        ("{bin}/gunicorn --bind 127.0.0.1:{port} --timeout 300 --log-level error bench.peers.ancestor_app:app",),
    ),
)


def chosen(names: str) -> list[Peer]:
    """Return the peers asked for: the small ones, and those named ("all", or names with commas; "none")."""
    if names == "none":
        return []
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    if unknown := wanted - {"all", *(peer.name for peer in PEERS)}:
        raise SystemExit(
            f"BENCH_PEERS: {', '.join(sorted(unknown))} is unknown; there are all, none, "
            + ", ".join(peer.name for peer in PEERS)
        )
    return [peer for peer in PEERS if peer.in_default_run or "all" in wanted or peer.name in wanted]
