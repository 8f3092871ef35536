# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""What each figure has to reach, and whether it does."""
from dataclasses import dataclass

from words import gib_name, number


@dataclass
class Verdict:
    figure: str
    what: str
    value: float
    goal: float
    unit: str = ""
    at_least: bool = False

    @property
    def reached(self):
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def cells(self):
        sign = "≥" if self.at_least else "≤"
        return [self.figure, self.what, f"{number(self.value)}{self.unit}", f"{sign} {self.goal:g}{self.unit}",
                "reached" if self.reached else "**MISSED**"]


def spawn(r):
    for name in ("brood", "brood sigchld"):
        yield "F1", f"{name}, one at a time, to the floor", r.get("in_flight", 1, name, "ratio"), 1.10
    yield "F2", "brood, 32 in flight, to the floor", r.get("in_flight", 32, "brood", "ratio"), 1.10
    yield "F2", "brood async_spawn, 32 in flight, to the floor", r.get("in_flight", 32, "brood async_spawn", "ratio"), 0.65
    for gib in (at for at in r.ats("gib") if at >= 0.25):
        yield "F3", f"brood, parent of {gib_name(gib)}, to the floor", r.get("gib", gib, "brood", "ratio"), 1.10
        yield "F3", f"options, parent of {gib_name(gib)}, growth to the floor's", growth(r, gib, "brood with options"), 1.10


def growth(r, gib, name):
    """How much dearer a child is in a big parent than in an empty one, to how much the floor's is."""
    ratios = r.get("gib", gib, name, "ratio"), r.get("gib", 0, name, "ratio")
    return ratios[0] / ratios[1] if all(ratios) else None


def hold(r):
    held = r.get("hold", 0.99, "brood async_spawn", "us")
    standing = r.get("hold", 0.99, "brood", "us")
    if held and standing:
        yield "F4", "brood async_spawn, p99 of the hold", held, 50, " µs"
        yield "F4", "the same, to that of brood's spawn", held / standing, 0.1


def live(r):
    for name in ("brood", "brood sigchld"):
        points = r.series("live", name, "us")
        for at, _ in points:
            yield "F5", f"{name}, one of {at:,.0f}, to the floor", r.get("live", at, name, "ratio"), 1.10
        if len(points) > 1:
            (least, first), (most, last) = points[0], points[-1]
            yield "F5", f"{name}, one of {most:,.0f} to one of {least:,.0f}", last / first, 1.10


def rest(r):
    yield "F6", "async_output, rate to read(2) that keeps", r.last("capture", "brood async_output", "ratio"), 0.95, "", True
    for name in ("brood", "brood sigchld"):
        yield "F7", f"{name}, heap for a live child", r.last("memory", name, "heap"), 1024, " B"
    yield "F8", "brood, system calls for a child", r.calls("brood"), 14
    yield "F9", "brood/child.hpp, added time to parse", r.last("parse", "brood/child.hpp", "added"), 0.5, " s"


def verdicts(results):
    """Those of all figures that were measured."""
    every = (row for part in (spawn, hold, live, rest) for row in part(results))
    return [Verdict(*row) for row in every if row[2] is not None]
