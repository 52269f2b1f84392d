"""The load: so many pictures in flight at any moment, for so long. One process, one thread; it measures its own CPU.

    python -m bench.load --pictures folder --url http://… --asynchronous --in-flight 64 --seconds 8

Prints one JSON object. It is a process of its own so that nothing else adds to its waiting or its CPU time.
"""

import argparse
import asyncio
import itertools
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench.percentiles import latency_ms
from bench.pictures import read_pictures

POLL_EVERY_S = 0.1
PROBE_EVERY_S = 0.05
ENDED = {"succeeded", "failed", "dead", "cancelled"}


@dataclass
class Load:
    """The clients, and what they saw."""

    session: aiohttp.ClientSession
    url: str
    form_field: str | None
    pictures: itertools.cycle
    begin_s: float
    end_s: float
    waiting: dict[str, asyncio.Future[str]] = field(default_factory=dict)
    done: int = 0
    done_in_all: int = 0
    errors: int = 0
    submit_s: list[float] = field(default_factory=list)
    status_s: list[float] = field(default_factory=list)
    job_s: list[float] = field(default_factory=list)
    last_id: str = ""

    def counts(self) -> bool:
        """Tell whether the warm-up is over and the end not reached."""
        return self.begin_s <= time.perf_counter() < self.end_s

    def body(self) -> bytes | aiohttp.FormData:
        """The next picture, as it is sent."""
        picture: bytes = next(self.pictures)
        if self.form_field is None:
            return picture
        form = aiohttp.FormData()
        form.add_field(self.form_field, picture, filename="slice.png", content_type="image/png")
        return form

    async def client(self, asynchronous: bool) -> None:
        """Send one picture after the other, each when the one before is done."""
        headers = {"Content-Type": "image/png"} if self.form_field is None else None
        while True:
            begin_s = time.perf_counter()
            try:
                async with self.session.post(self.url, data=self.body(), headers=headers) as response:
                    document = await response.json(content_type=None)
                    taken = response.status < 300
            except (aiohttp.ClientError, ValueError):
                taken = False
            submitted_s = time.perf_counter() - begin_s
            if taken and asynchronous:
                self.last_id = document["id"]
                self.waiting[document["id"]] = asyncio.get_running_loop().create_future()
                taken = await self.waiting[document["id"]] == "succeeded"
            self.done_in_all += taken
            if self.counts():
                self.submit_s.append(submitted_s)
                self.job_s.append(time.perf_counter() - begin_s)
                self.done += taken
                self.errors += not taken
            if not taken:
                await asyncio.sleep(0.2)

    async def poll(self) -> None:
        """Ask for all jobs under way at once, again and again."""
        while True:
            await asyncio.sleep(POLL_EVERY_S)
            if not self.waiting:
                continue
            async with self.session.get(f"{self.url}/status", params={"ids": ",".join(self.waiting)}) as response:
                document = await response.json()
            for job in document.get("jobs", ()):
                if job["status"] in ENDED:
                    self.waiting.pop(job["id"]).set_result(job["status"])

    async def probe(self) -> None:
        """Ask for a single job now and then, as a person's page does, to see how long that takes meanwhile."""
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            if self.last_id and self.counts():
                begin_s = time.perf_counter()
                async with self.session.get(f"{self.url}/{self.last_id}") as response:
                    await response.read()
                self.status_s.append(time.perf_counter() - begin_s)

    def result(self, cpu_s: float, cpu_during_s: float) -> dict[str, object]:
        """What was seen, as JSON takes it."""
        seconds = self.end_s - self.begin_s
        return {
            "seconds": seconds,
            "jobs": self.done,
            "jobs_in_all": self.done_in_all,
            "errors": self.errors,
            "jobs_per_s": self.done / seconds,
            "submit_ms": latency_ms(self.submit_s),
            "status_ms": latency_ms(self.status_s),
            "job_ms": latency_ms(self.job_s),
            "client_cores": cpu_s / cpu_during_s,
        }


async def put_load(args: argparse.Namespace) -> dict[str, object]:
    """Keep the pictures in flight, first to warm up, then to measure."""
    headers = {"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}"} if os.environ.get("BENCH_TOKEN") else {}
    connector = aiohttp.TCPConnector(limit=args.in_flight + 2)
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(headers=headers, connector=connector, timeout=timeout) as session:
        now_s = time.perf_counter()
        pictures = itertools.cycle(read_pictures(args.pictures))
        begin_s = now_s + args.warm_up
        load = Load(session, args.url, args.field, pictures, begin_s, begin_s + args.seconds)
        tasks = [asyncio.create_task(load.client(args.asynchronous)) for _ in range(args.in_flight)]
        if args.asynchronous:
            tasks += [asyncio.create_task(load.poll()), asyncio.create_task(load.probe())]
        cpu_before_s = time.process_time()
        done, _ = await asyncio.wait(tasks, timeout=load.end_s - now_s, return_when=asyncio.FIRST_EXCEPTION)
        result = load.result(time.process_time() - cpu_before_s, time.perf_counter() - now_s)
        for task in tasks:
            task.cancel()
        for task in done:
            task.result()
        await asyncio.gather(*tasks, return_exceptions=True)
    return result


def main() -> None:
    """Print what was seen."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--field", help="form field of the picture; without it, the body is the picture")
    parser.add_argument("--asynchronous", action="store_true", help="the answer is a job to wait for")
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--warm-up", type=float, default=3, help="seconds")
    parser.add_argument("--seconds", type=float, default=8)
    print(json.dumps(asyncio.run(put_load(parser.parse_args()))))


if __name__ == "__main__":
    main()
