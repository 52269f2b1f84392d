"""How many job statuses per second the bulk endpoint serves.

python -m bench.bulk_status --url http://…/api/v1/jobs
"""

import argparse
import asyncio
import json
import os
import time

import aiohttp

IDS = 200
CLIENTS = 4


async def ask(url: str, seconds: float) -> float:
    """Ask for the newest jobs again and again, a few clients at once; return statuses per second."""
    headers = {"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        ids = await newest_ids(session, url)
        end_s, served = time.perf_counter() + seconds, 0

        async def client() -> None:
            nonlocal served
            while time.perf_counter() < end_s:
                async with session.get(f"{url}/status", params={"ids": ",".join(ids)}) as response:
                    # Read, not parsed: the server is measured, on cores that it shares with this process.
                    await response.read()
                    response.raise_for_status()
                served += len(ids)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        return served / seconds


async def newest_ids(session: aiohttp.ClientSession, url: str) -> list[str]:
    """Return the ids of the newest jobs, over several pages."""
    ids: list[str] = []
    cursor = None
    while len(ids) < IDS:
        params = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        async with session.get(url, params=params) as response:
            page = await response.json()
        ids += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    return ids[:IDS]


def main() -> None:
    """Print the rate."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--seconds", type=float, default=2)
    args = parser.parse_args()
    print(json.dumps({"statuses_per_s": asyncio.run(ask(args.url, args.seconds))}))


if __name__ == "__main__":
    main()
