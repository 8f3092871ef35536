# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Python's asyncio. Arguments: PROGRAM COUNT IN_FLIGHT.

Runs PROGRAM COUNT times, at most IN_FLIGHT children at a time, and prints the microseconds per child.
"""
import asyncio
import sys
import time


async def run_sequentially(program, count):
    for _ in range(count):
        child = await asyncio.create_subprocess_exec(program)
        assert await child.wait() == 0


async def run(program, count, in_flight):
    shares = [count // in_flight + (i < count % in_flight) for i in range(in_flight)]
    await asyncio.gather(*(run_sequentially(program, share) for share in shares))


async def main():
    program, count, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    await run(program, in_flight + 2, in_flight)
    start = time.perf_counter()
    await run(program, count, in_flight)
    print((time.perf_counter() - start) * 1e6 / count)


asyncio.run(main())
