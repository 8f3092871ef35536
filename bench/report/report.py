#!/usr/bin/env python3
# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Turns results into a report: report.py RESULTS FOLDER [--update-readme].

Writes FOLDER/report.md and its charts, and prints what was reached. With --update-readme it also writes doc/bench/*.svg
and the tables that README.md and doc/performance.md have between their markers.
"""
import argparse
import re
from pathlib import Path

from chart import Axis, line_chart
from goals import verdicts
from machine import description
from results import Results
from words import gib_name, number

TOP = Path(__file__).resolve().parents[2]
US = "microseconds per child"


def table(head, rows):
    """A Markdown table. The first column is text, the others are numbers."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def time_and_ratio(r, experiment, at, name):
    ratio = r.get(experiment, at, name, "ratio")
    return [number(r.get(experiment, at, name, "us")), "–" if ratio is None else f"{ratio:.2f}"]


def times(r, experiment, name_of):
    """Each name's time, and its ratio to the floor, at each `at`."""
    ats = r.ats(experiment)
    head = [""] + [cell for at in ats for cell in (f"{name_of(at)}: µs", "to floor")]
    rows = [[name] + [cell for at in ats for cell in time_and_ratio(r, experiment, at, name)]
            for name in r.names(experiment) if any(r.get(experiment, at, name, "us") for at in ats)]
    return table(head, rows)


def hold_table(r):
    shares = (0.5, 0.9, 0.99, 1.0)
    head = ["µs"] + ["median", "p90", "p99", "longest"] + ["other turns: p99", "longest"]
    rows = [[name] + [number(r.get("hold", share, name, "us")) for share in shares]
            + [number(r.get("hold", share, name, "other")) for share in (0.99, 1.0)] for name in r.names("hold")]
    return table(head, rows)


def capture_table(r):
    rows = [[name, number(r.last("capture", name, "GB/s")), number(r.last("capture", name, "ratio"))]
            for name in r.names("capture")]
    return table(["", "GB/s", "to floor"], rows)


def memory_table(r):
    rows = [[name, number(r.last("memory", name, "heap")), number(r.last("memory", name, "resident"))]
            for name in r.names("memory")]
    return table(["bytes for a live child", "heap", "resident"], rows)


def calls_table(r):
    def listed(name):
        return ", ".join(f"{call} {number(r.get('calls', 1, name, call))}" for call in r.metrics("calls", name))

    return table(["", "all", "which"], [[name, number(r.calls(name)), listed(name)] for name in r.names("calls")])


def parse_table(r):
    rows = [[name, f"{r.last('parse', name, 's'):.2f}", f"{r.last('parse', name, 'added'):.2f}"]
            for name in r.names("parse")]
    return table(["included", "seconds", "added to Asio's"], rows)


def missing_peers(r):
    missing = [name for name in r.names("peers") if r.get("peers", 0, name, "missing")]
    return f"\n\nNot measured, for what they need is not installed: {', '.join(missing)}." if missing else ""


def in_flight_name(at):
    return f"{at:.0f} in flight"


SECTIONS = [
    ("in_flight", "F1, F2: spawn and await, one and several at a time",
     lambda r: times(r, "in_flight", in_flight_name) + "\n\n![Throughput](throughput.svg)"),
    ("true", "F1 with /bin/true", lambda r: times(r, "true", in_flight_name)),
    ("gib", "F3: in a big parent", lambda r: times(r, "gib", gib_name) + "\n\n![Cost against size](parent-size.svg)"),
    ("hold", "F4: how long one spawn holds the event loop, 8 in flight, /bin/true",
     lambda r: hold_table(r) + "\n\n![Hold](hold.svg)"),
    ("live", "F5: from the kill of one of many children to its end being told",
     lambda r: times(r, "live", lambda at: f"{at:,.0f} live") + "\n\n![Reap](reap.svg)"),
    ("capture", "F6: capturing a child's output", capture_table),
    ("memory", "F7: user memory for a live child", memory_table),
    ("calls", "F8: system calls for one spawn and await, the child's included", calls_table),
    ("parse", "F9: time to parse", parse_table),
    ("peers", "Other languages, each in a process of its own, in turn with the floor",
     lambda r: times(r, "peers", in_flight_name) + missing_peers(r)),
]


def verdict_table(all_verdicts):
    return table(["", "what", "value", "goal", ""], [one.cells() for one in all_verdicts])


def report(r, quick, all_verdicts):
    parts = ["# Where brood stands", description() + "."]
    if quick:
        parts.append("**A quick run: it shows that everything works. Its figures say little.**")
    parts.append("Medians; ratios are medians of the ratios to the floor in the same round. What each figure means:"
                 " `doc/performance.md`.")
    measured = {key[0] for key in r.values}
    for experiment, title, make in SECTIONS:
        if experiment in measured:
            parts += [f"## {title}", make(r)]
    parts += ["## Goals", verdict_table(all_verdicts)]
    return "\n\n".join(parts) + "\n"


def all_series(r, experiment, metric, names):
    return {name: r.series(experiment, name, metric) for name in names if name in r.names(experiment)}


WAYS = ["floor", "brood", "brood async_spawn", "posix_spawn by hand", "Boost.Process v2", "libuv", "GLib"]


def parent_size_chart(r):
    smallest = min((at for at in r.ats("gib") if at > 0), default=1)
    at_least = {0: smallest / 4}  # zero has no place on a logarithmic axis
    ticks = [at_least.get(at, at) for at in r.ats("gib")]
    series = {name: [(at_least.get(at, at), value) for at, value in points]
              for name, points in all_series(r, "gib", "us", [*WAYS, "brood fork"]).items()}
    x_axis = Axis("memory that the parent has touched", ticks, [gib_name(at) for at in r.ats("gib")])
    return line_chart("Spawn and await, one at a time", x_axis, Axis(US), series)


def throughput_chart(r):
    series = {name: [(at, 1e6 / us) for at, us in points]
              for name, points in all_series(r, "in_flight", "us", [*WAYS, "floor without vfork"]).items()}
    ats = r.ats("in_flight")
    return line_chart("Throughput", Axis("children in flight", ats), Axis("children per second", log=False), series)


def reap_chart(r):
    names = ["floor", "brood", "brood sigchld", "Boost.Process v2", "libuv"]
    x_axis = Axis("live children", r.ats("live"))
    return line_chart("From kill to awaited, one of many", x_axis, Axis("microseconds"),
                      all_series(r, "live", "us", names))


def hold_chart(r):
    """Percentiles, each nine as far from the next: what is rare is what matters."""
    shares = [share for share in r.ats("hold") if share < 1]
    series = {name: [(1 / (1 - share), us) for share, us in points if share < 1]
              for name, points in all_series(r, "hold", "us", [*WAYS, "floor without vfork"]).items()}
    ticks = [1 / (1 - share) for share in shares if share in (0, 0.5, 0.9, 0.99, 0.999)]
    x_axis = Axis("percentile of all spawns", ticks, ["least", "50", "90", "99", "99.9"])
    return line_chart("How long starting one child holds the event loop", x_axis, Axis("microseconds"), series)


CHARTS = {"gib": ("parent-size.svg", parent_size_chart), "in_flight": ("throughput.svg", throughput_chart),
          "live": ("reap.svg", reap_chart), "hold": ("hold.svg", hold_chart)}


def write_charts(r, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for experiment, (name, draw) in CHARTS.items():
        if r.ats(experiment):
            (folder / name).write_text(draw(r), encoding="utf-8")


def readme_table(r):
    """The figures of those who compare on one machine, a column each."""
    names = ["floor", "floor on Asio", "brood", "brood async_spawn", "posix_spawn by hand", "Boost.Process v2",
             "libuv"]
    gib = max(at for at in r.ats("gib") if at <= 1)
    most = max((at for at in r.ats("live") if at <= 1000), default=None)
    rows = [
        ("spawn and await, µs", lambda name: r.get("in_flight", 1, name, "us")),
        ("the same, 32 in flight", lambda name: r.get("in_flight", 32, name, "us")),
        (f"the same in a parent of {gib_name(gib)}", lambda name: r.get("gib", gib, name, "us")),
        ("hold of the event loop, p99, µs", lambda name: r.get("hold", 0.99, name, "us")),
        (f"kill to awaited, one of {most:,.0f}, µs", lambda name: r.get("live", most, name, "us")),
        ("user memory for a live child, bytes", lambda name: r.last("memory", name, "heap")),
        ("system calls for a child", lambda name: r.calls(name)),
    ]
    names = [name for name in names if name in r.names("in_flight")]
    return table(["", *names], [[what] + [number(value(name)) for name in names] for what, value in rows])


def backend_table(r):
    """What speaks for the automatic choice of the backend."""
    names = ["brood vfork", "brood posix_spawn", "brood fork"]
    rows = [[name, number(r.get("in_flight", 1, name, "us")), number(r.get("in_flight", 32, name, "us"))]
            + [number(r.get("gib", at, name, "us")) for at in r.ats("gib")]
            + [number(r.calls(name))] for name in names]
    head = ["µs", "one at a time", "32 in flight"] + [f"{gib_name(at)} parent" for at in r.ats("gib")]
    return table(head + ["system calls"], rows)


def put_between(path, marker, text):
    """Replaces what a document has between `<!-- marker -->` and `<!-- end of marker -->`."""
    begin, end = f"<!-- {marker} -->", f"<!-- end of {marker} -->"
    old = path.read_text(encoding="utf-8")
    new, count = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{text}\n{end}", old,
                         flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{path}: no place for {marker}")
    path.write_text(new, encoding="utf-8")


def update_documents(r, all_verdicts):
    write_charts(r, TOP / "doc/bench")
    measured_on = f"Measured on {description()}."
    chart = "![What a spawn costs against the size of the parent](doc/bench/parent-size.svg)"
    put_between(TOP / "README.md", "figures", "\n\n".join([chart, readme_table(r), measured_on]))
    page = TOP / "doc/performance.md"
    put_between(page, "goals", "\n\n".join([verdict_table(all_verdicts), measured_on]))
    put_between(page, "backends", "\n\n".join([backend_table(r), measured_on]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--update-readme", action="store_true")
    options = parser.parse_args()
    r = Results(options.results)
    all_verdicts = verdicts(r)
    write_charts(r, options.folder)
    (options.folder / "report.md").write_text(report(r, options.quick, all_verdicts), encoding="utf-8")
    if options.update_readme:
        update_documents(r, all_verdicts)
    for one in all_verdicts:
        figure, what, value, goal, outcome = one.cells()
        print(f"{figure}  {what:56} {value:>10}  {goal:<10} {outcome.strip('*')}")


main()
