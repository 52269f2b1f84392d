"""Start a peer."""

import shlex
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from bench.peers.catalogue import Peer
from bench.peers.environment import environment
from bench.processes import environment_for, free_port, running, wait_until_it_answers
from bench.target import Target
from shared.embedded_redis import find_redis_server, redis_command

ROOT = Path(__file__).parents[2]


@contextmanager
def running_peer(peer: Peer) -> Iterator[Target]:
    """Start a peer and what it needs; end it all."""
    with tempfile.TemporaryDirectory(prefix="hepaq-peer-") as name, ExitStack() as stack:
        folder = Path(name)
        socket, port, log = folder / "redis.sock", free_port(), folder / "peer.log"
        values = {"bin": environment(peer.environment), "port": port, "redis": f"unix://{socket}", "root": ROOT}
        env = environment_for(ROOT, BENCH_FOLDER=name, BENCH_REDIS_URL=f"unix://{socket}")
        commands = [shlex.split(command.format(**values)) for command in peer.commands]
        if peer.asynchronous:
            server = redis_command(find_redis_server(), folder, socket)
            stack.enter_context(running(server, log=log, env=env, cwd=folder))
            wait_for_redis(socket)
        started = [stack.enter_context(running(c, log=log, env=env, cwd=folder)) for c in commands]
        wait_until_it_answers(f"http://127.0.0.1:{port}{peer.path}", started[0], log=log)
        pids = tuple(process.pid for process in started)
        yield Target(f"http://127.0.0.1:{port}{peer.path}", peer.field, peer.asynchronous, None, pids)


def wait_for_redis(socket: Path) -> None:
    """Return once the server answers; redis-py waits and tries again by itself."""
    retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 100)
    errors: list[type[Exception]] = [redis.ConnectionError]
    with redis.Redis(unix_socket_path=str(socket), retry=retry, retry_on_error=errors) as client:
        client.ping()
