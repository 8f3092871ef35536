# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""The goal of each figure, and whether it is met."""
from dataclasses import dataclass

from formatting import format_number, format_size


@dataclass
class Goal:
    figure: str
    quantity: str
    value: float
    limit: float
    unit: str = ""
    is_minimum: bool = False

    @property
    def met(self):
        return self.value >= self.limit if self.is_minimum else self.value <= self.limit

    def cells(self):
        """The texts of figure, quantity, value, goal and result."""
        sign = "≥" if self.is_minimum else "≤"
        return [self.figure, self.quantity, f"{format_number(self.value)}{self.unit}",
                f"{sign} {self.limit:g}{self.unit}", "met" if self.met else "**not met**"]


def spawn_goals(r):
    for name in ("brood", "brood sigchld"):
        yield "F1", f"{name}, one at a time, ratio to floor", r.get("in_flight", 1, name, "ratio"), 1.05
    for name, limit in (("brood", 1.06), ("brood async_spawn", 1.15), ("brood async_run", 1.12)):
        yield "F1", f"{name}, pinned to one processor, ratio to floor", r.get("pinned", 1, name, "ratio"), limit
    for name, limit in (("brood", 1.08), ("brood async_spawn", 0.60), ("brood async_run", 0.55)):
        yield "F2", f"{name}, 32 in flight, ratio to floor", r.get("in_flight", 32, name, "ratio"), limit
    for gib in (gib for gib in r.parameters("parent_size") if gib >= 0.25):
        size = format_size(gib)
        yield "F3", f"brood, {size} parent, ratio to floor", r.get("parent_size", gib, "brood", "ratio"), 1.10
        yield "F3", f"brood with options, {size} parent, growth", growth(r, gib, "brood with options"), 1.10


def growth(r, gib, name):
    """The ratio to the floor in a large parent, divided by the ratio in an empty parent."""
    large, empty = (r.get("parent_size", size, name, "ratio") for size in (gib, 0))
    return large / empty if large and empty else None


def blocking_goals(r):
    floor, asynchronous, synchronous = (
        r.get("blocking", 0.99, name, "us") for name in ("floor without vfork", "brood async_spawn", "brood"))
    if floor and asynchronous and synchronous:
        yield "F4", "brood async_spawn, p99 blocking time, ratio to floor without vfork", asynchronous / floor, 1.3
        yield "F4", "brood async_spawn, ratio to brood's spawn", asynchronous / synchronous, 0.1


def exit_latency_goals(r):
    for name in ("brood", "brood sigchld"):
        points = r.series("exit_latency", name, "us")
        for live_children, _ in points:
            ratio = r.get("exit_latency", live_children, name, "ratio")
            yield "F5", f"{name}, {live_children:,.0f} live, ratio to floor", ratio, 1.10
        if len(points) > 1:
            (fewest, first), (most, last) = points[0], points[-1]
            yield "F5", f"{name}, ratio of {most:,.0f} live to {fewest:,.0f} live", last / first, 1.10


def other_goals(r):
    capture_ratio = r.last("capture", "brood async_output", "ratio")
    yield "F6", "brood async_output, ratio to read and keep", capture_ratio, 2.5, "", True
    for name in ("brood", "brood sigchld"):
        yield "F7", f"{name}, heap per live child", r.last("memory", name, "heap"), 512, " B"
    for name, limit in (("brood", 10), ("brood async_run", 11)):
        yield "F8", f"{name}, system calls per child", r.syscalls(name), limit
    for name, limit in (("brood/child.hpp", 0.15), ("brood.hpp", 0.7)):
        yield "F9", f"{name}, added parse time", r.last("parse", name, "added"), limit, " s"


def concurrency_goals(r):
    rate = "parallel true", 2, "brood parallel", "ratio"
    yield "F10", "example/parallel, rate relative to xargs", r.get(*rate), 1.25, "", True
    for name in r.names("threads"):
        if name.startswith("brood"):
            yield "F11", f"{name}, speed-up by 2 threads", r.get("threads", 2, name, "speedup"), 1.6, "", True


def containment_goals(r):
    for name, what, limit in (("brood contained", "with a cgroup", 1.3), ("brood guarded", "with a guard", 2.0)):
        yield "F12", f"contained {what}, ratio to a plain spawn", r.get("contained", 1, name, "ratio"), limit


def measured_goals(results):
    """The goals whose values have been measured."""
    groups = (spawn_goals, blocking_goals, exit_latency_goals, other_goals, concurrency_goals,
              containment_goals)
    rows = (row for group in groups for row in group(results))
    return [Goal(*row) for row in rows if row[2] is not None]
