# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Python's subprocess. Arguments: PROGRAM COUNT IN_FLIGHT.

Runs PROGRAM COUNT times, at most IN_FLIGHT children at a time, and prints the microseconds per child.
"""
import collections
import subprocess
import sys
import time


def run(program, count, in_flight):
    running = collections.deque()
    for _ in range(count):
        if len(running) == in_flight:
            assert running.popleft().wait() == 0
        running.append(subprocess.Popen([program]))
    assert all(child.wait() == 0 for child in running)


program, count, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
run(program, in_flight + 2, in_flight)
start = time.perf_counter()
run(program, count, in_flight)
print((time.perf_counter() - start) * 1e6 / count)
