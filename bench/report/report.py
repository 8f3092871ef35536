#!/usr/bin/env python3
# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Writes a report of the benchmark results.

Usage: report.py RESULTS DIRECTORY [--quick] [--update-readme]

It writes DIRECTORY/report.md with its charts, and prints the goals. With --update-readme it also writes
doc/bench/*.svg, and the tables between the markers in README.md and doc/performance.md.
"""
import argparse
import re
from pathlib import Path

from chart import Axis, line_chart
from formatting import format_number, format_size
from goals import measured_goals
from machine import description
from results import Results

SOURCE_DIR = Path(__file__).resolve().parents[2]


def table(head, rows):
    """A Markdown table. The first column is text, the others are numbers."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def in_flight_label(children):
    return f"{children:.0f} in flight"


def live_label(children):
    return f"{children:,.0f} live"


def time_and_ratio(r, experiment, parameter, name):
    time, ratio = (r.get(experiment, parameter, name, metric) for metric in ("us", "ratio"))
    return [format_number(time), "–" if ratio is None else f"{ratio:.2f}"]


def time_table(r, experiment, label):
    """The time of each contender and its ratio to the floor, with two columns for each measured parameter."""
    names = r.names(experiment)
    parameters = [parameter for parameter in r.parameters(experiment)
                  if any(r.get(experiment, parameter, name, "us") for name in names)]
    head = [""] + [cell for parameter in parameters for cell in (f"{label(parameter)}: µs", "ratio")]
    rows = [[name] + [cell for parameter in parameters for cell in time_and_ratio(r, experiment, parameter, name)]
            for name in names if any(r.get(experiment, parameter, name, "us") for parameter in parameters)]
    return table(head, rows)


def blocking_table(r):
    head = ["µs", "median", "p90", "p99", "max", "other iterations: p99", "max"]
    rows = [[name] + [format_number(r.get("blocking", fraction, name, "us")) for fraction in (0.5, 0.9, 0.99, 1.0)]
            + [format_number(r.get("blocking", fraction, name, "other")) for fraction in (0.99, 1.0)]
            for name in r.names("blocking")]
    return table(head, rows)


def capture_table(r):
    rows = [[name, *(format_number(r.last("capture", name, metric)) for metric in ("GB/s", "ratio"))]
            for name in r.names("capture")]
    return table(["", "GB/s", "ratio"], rows)


def memory_table(r):
    rows = [[name, *(format_number(r.last("memory", name, metric)) for metric in ("heap", "resident"))]
            for name in r.names("memory")]
    return table(["bytes per live child", "heap", "resident"], rows)


def syscall_table(r):
    def calls(name):
        counts = {call: r.get("syscalls", 1, name, call) for call in r.metrics("syscalls", name)}
        return ", ".join(f"{call} {format_number(count)}" for call, count in counts.items())

    rows = [[name, format_number(r.syscalls(name)), calls(name)] for name in r.names("syscalls")]
    return table(["", "total", "system calls"], rows)


def parse_table(r):
    rows = [[name, *(f"{r.last('parse', name, metric):.2f}" for metric in ("s", "added"))] for name in r.names("parse")]
    return table(["included", "seconds", "added to Asio"], rows)


def peer_table(r):
    missing = [name for name in r.names("peers") if r.get("peers", 0, name, "missing")]
    note = f"\n\nNot measured, because the toolchain is not installed: {', '.join(missing)}." if missing else ""
    return time_table(r, "peers", in_flight_label) + note


CONTENDERS = ["floor", "brood", "brood async_spawn", "brood async_run", "posix_spawn", "Boost.Process v2", "libuv",
              "GLib"]


def series_of(r, experiment, metric, names):
    return {name: r.series(experiment, name, metric) for name in names if name in r.names(experiment)}


def throughput_chart(r):
    series = {name: [(in_flight, 1e6 / time) for in_flight, time in points]
              for name, points in series_of(r, "in_flight", "us", [*CONTENDERS, "floor without vfork"]).items()}
    x_axis = Axis("children in flight", r.parameters("in_flight"))
    return line_chart("Throughput", x_axis, Axis("children per second", log=False), series)


def parent_size_chart(r):
    sizes = r.parameters("parent_size")
    # A logarithmic axis has no zero: the empty parent is drawn at a quarter of the smallest size.
    empty = min((gib for gib in sizes if gib > 0), default=1) / 4
    series = {name: [(gib or empty, time) for gib, time in points]
              for name, points in series_of(r, "parent_size", "us", [*CONTENDERS, "brood fork"]).items()}
    x_axis = Axis("memory touched by the parent", [gib or empty for gib in sizes], [format_size(gib) for gib in sizes])
    return line_chart("Spawn and wait, one at a time", x_axis, Axis("microseconds per child"), series)


def blocking_chart(r):
    """Blocking time by percentile. The axis is logarithmic in the distance to 100 %, because rare delays matter."""
    series = {name: [(1 / (1 - fraction), time) for fraction, time in points if fraction < 1]
              for name, points in series_of(r, "blocking", "us", [*CONTENDERS, "floor without vfork"]).items()}
    ticks = [1 / (1 - fraction) for fraction in (0, 0.5, 0.9, 0.99, 0.999)]
    x_axis = Axis("percentile of all spawns", ticks, ["min", "50", "90", "99", "99.9"])
    return line_chart("Blocking time of the event loop per spawn", x_axis, Axis("microseconds"), series)


def exit_latency_chart(r):
    names = ["floor", "brood", "brood sigchld", "Boost.Process v2", "libuv"]
    x_axis = Axis("live children", r.parameters("exit_latency"))
    return line_chart("Kill to exit notification of one child", x_axis, Axis("microseconds"),
                      series_of(r, "exit_latency", "us", names))


CHARTS = {
    "in_flight": ("throughput.svg", throughput_chart),
    "parent_size": ("parent-size.svg", parent_size_chart),
    "blocking": ("blocking.svg", blocking_chart),
    "exit_latency": ("exit-latency.svg", exit_latency_chart),
}


def write_charts(r, directory):
    directory.mkdir(parents=True, exist_ok=True)
    for experiment, (file_name, draw) in CHARTS.items():
        if r.parameters(experiment):
            (directory / file_name).write_text(draw(r), encoding="utf-8")


def thread_table(r):
    counts = r.parameters("threads")
    head = [""] + [cell for count in counts for cell in (f"{count:.0f} threads: µs", "speed-up")]
    rows = [[name] + [cell for count in counts
                      for cell in (format_number(r.get("threads", count, name, "us")),
                                   f"{r.get('threads', count, name, 'speedup'):.2f}")]
            for name in r.names("threads")]
    return table(head, rows)


def parallel_table(r):
    experiments = ["parallel true", "parallel sha256sum"]
    head = [""] + [cell for each in experiments for cell in (f"{each.split()[1]}: per second", "to xargs")]
    rows = [[name] + [cell for each in experiments
                      for cell in (format_number(r.get(each, 2, name, "rate")),
                                   f"{r.get(each, 2, name, 'ratio'):.2f}")]
            for name in r.names(experiments[0])]
    return table(head, rows)


SECTIONS = [
    ("in_flight", "F1, F2: spawn and wait, one and several at a time",
     lambda r: time_table(r, "in_flight", in_flight_label) + "\n\n![Throughput](throughput.svg)"),
    ("pinned", "F1 with parent and child on one processor", lambda r: time_table(r, "pinned", in_flight_label)),
    ("bin_true", "F1 with /bin/true", lambda r: time_table(r, "bin_true", in_flight_label)),
    ("parent_size", "F3: spawn and wait in a large parent",
     lambda r: time_table(r, "parent_size", format_size) + "\n\n![Time by parent size](parent-size.svg)"),
    ("blocking", "F4: blocking time of the event loop per spawn, 8 in flight, /bin/true",
     lambda r: blocking_table(r) + "\n\n![Blocking time](blocking.svg)"),
    ("exit_latency", "F5: from the kill of one of many children to the notification of its exit",
     lambda r: time_table(r, "exit_latency", live_label) + "\n\n![Exit latency](exit-latency.svg)"),
    ("capture", "F6: throughput of capturing a child's output", capture_table),
    ("memory", "F7: user memory per live child", memory_table),
    ("syscalls", "F8: system calls per spawn and wait, including the child's", syscall_table),
    ("parse", "F9: parse time", parse_table),
    ("parallel true", "F10: a program for each input, two at a time", parallel_table),
    ("threads", "F11: spawn and wait on several threads, an event loop each or all in the same one", thread_table),
    ("contained", "F12: spawn and wait for a contained child", lambda r: time_table(r, "contained", in_flight_label)),
    ("peers", "Other languages, each in a process of its own", peer_table),
]


def goal_table(goals):
    return table(["", "quantity", "value", "goal", "result"], [goal.cells() for goal in goals])


def report(r, quick, goals):
    parts = ["# Benchmark report", description() + "."]
    if quick:
        parts.append("**A quick run shows that the benchmarks work. Its figures are not meaningful.**")
    parts.append("Values are medians. A ratio is the median of the ratios to the floor in the same round."
                 " `doc/performance.md` explains the figures.")
    for experiment, title, content in SECTIONS:
        if experiment in r.experiments():
            parts += [f"## {title}", content(r)]
    parts += ["## Goals", goal_table(goals)]
    return "\n\n".join(parts) + "\n"


def readme_table(r):
    """The main figures, with one column for each contender that runs in the same process as the floor."""
    names = ["floor", "floor on Asio", "brood", "brood async_spawn", "posix_spawn", "Boost.Process v2", "libuv"]
    names = [name for name in names if name in r.names("in_flight")]
    gib = max(gib for gib in r.parameters("parent_size") if gib <= 1)
    live_children = max((number for number in r.parameters("exit_latency") if number <= 1000), default=None)
    rows = [
        ("spawn and wait, µs", lambda name: r.get("in_flight", 1, name, "us")),
        ("spawn and wait, 32 in flight, µs", lambda name: r.get("in_flight", 32, name, "us")),
        (f"spawn and wait, {format_size(gib)} parent, µs", lambda name: r.get("parent_size", gib, name, "us")),
        ("blocking time of the event loop, p99, µs", lambda name: r.get("blocking", 0.99, name, "us")),
        (f"kill to exit notification, {live_children:,.0f} live, µs",
         lambda name: r.get("exit_latency", live_children, name, "us")),
        ("user memory per live child, bytes", lambda name: r.last("memory", name, "heap")),
        ("system calls per child", r.syscalls),
    ]
    return table(["", *names], [[title] + [format_number(value(name)) for name in names] for title, value in rows])


def backend_table(r):
    """The figures that determine the order of the backends."""
    sizes = r.parameters("parent_size")
    head = ["µs", "one at a time", "32 in flight", *(f"{format_size(gib)} parent" for gib in sizes), "system calls"]
    rows = []
    for name in ("brood vfork", "brood posix_spawn", "brood fork"):
        values = [r.get("in_flight", in_flight, name, "us") for in_flight in (1, 32)]
        values += [r.get("parent_size", gib, name, "us") for gib in sizes]
        rows.append([name, *map(format_number, [*values, r.syscalls(name)])])
    return table(head, rows)


def replace_section(path, marker, content):
    """Replaces the text between `<!-- marker -->` and `<!-- end of marker -->` in a document."""
    begin, end = f"<!-- {marker} -->", f"<!-- end of {marker} -->"
    old = path.read_text(encoding="utf-8")
    new, count = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{content}\n{end}", old,
                         flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{path}: expected one section {marker}, found {count}")
    path.write_text(new, encoding="utf-8")


def update_documents(r, goals):
    write_charts(r, SOURCE_DIR / "doc/bench")
    machine = f"Measured on {description()}."
    chart = "![Time to spawn and wait by the size of the parent](doc/bench/parent-size.svg)"
    replace_section(SOURCE_DIR / "README.md", "figures", "\n\n".join([chart, readme_table(r), machine]))
    page = SOURCE_DIR / "doc/performance.md"
    replace_section(page, "goals", "\n\n".join([goal_table(goals), machine]))
    replace_section(page, "backends", "\n\n".join([backend_table(r), machine]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--update-readme", action="store_true")
    options = parser.parse_args()
    r = Results(options.results)
    goals = measured_goals(r)
    write_charts(r, options.directory)
    (options.directory / "report.md").write_text(report(r, options.quick, goals), encoding="utf-8")
    if options.update_readme:
        update_documents(r, goals)
    for goal in goals:
        figure, quantity, value, limit, result = goal.cells()
        print(f"{figure}  {quantity:56} {value:>10}  {limit:<10} {result.strip('*')}")


main()
