# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Line charts as SVG. They bring a background of their own, so that they can be read on any page."""
import math
from html import escape

WIDTH, HEIGHT = 860, 460
LEFT, RIGHT, TOP, BOTTOM = 92, 226, 52, 62
INK, FAINT, PAPER = "#24292f", "#d8dee4", "#ffffff"
FONT = "font-family=\"'DejaVu Sans', Verdana, sans-serif\""

# Colour, dashes, width. brood's own are warm and wide.
STYLES = {
    "floor": ("#24292f", "7 4", 2),
    "floor without vfork": ("#8c959f", "2 3", 2),
    "brood": ("#cf222e", "", 3.5),
    "brood async_spawn": ("#bf3989", "", 3.5),
    "brood sigchld": ("#e16f24", "", 3.5),
    "brood posix_spawn": ("#bf8700", "", 2),
    "brood fork": ("#ff8182", "5 3", 2),
    "posix_spawn by hand": ("#2da44e", "", 2),
    "Boost.Process v2": ("#0969da", "", 2),
    "libuv": ("#8250df", "", 2),
    "GLib": ("#1b9aaa", "", 2),
}
OTHER = ("#57606a", "", 2)
MARKS = "circle square diamond up down".split()


def short(value):
    """A number as a person writes it: 0.25, 40, 1,000."""
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


class Axis:
    """One axis: where values lie between two pixels, and what is written at it."""

    def __init__(self, label, ticks=None, names=None, log=True, least=None):
        self.label, self.ticks, self.names, self.log, self.least = label, ticks, names, log, least

    def fit(self, values, first, last):
        low, high = min(values), max(values)
        if self.least is not None:
            low = self.least
        if self.ticks is None:
            self.ticks = decades(low, high) if self.log else steps(low, high)
            low, high = min(low, self.ticks[0]), max(high, self.ticks[-1])
        self.low, self.high = self.scale(low), self.scale(high)
        if self.high == self.low:
            self.high += 1
        self.first, self.last = first, last

    def scale(self, value):
        return math.log10(value) if self.log else value

    def place(self, value):
        return self.first + (self.last - self.first) * (self.scale(value) - self.low) / (self.high - self.low)

    def name(self, tick):
        return self.names[self.ticks.index(tick)] if self.names else short(tick)


def decades(low, high):
    """Ticks of a logarithmic axis: 1, 10, 100; with twos and fives where those are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1,) if last - first > 2 else (1, 2, 5)
    every = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    below = [tick for tick in every if tick <= low] or every[:1]
    above = [tick for tick in every if tick >= high] or every[-1:]
    return [tick for tick in every if below[-1] <= tick <= above[0]]


def steps(low, high):
    """Ticks of a linear axis from zero or below on."""
    rough = (high - min(low, 0)) / 6
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.floor(min(low, 0) / step)
    return [step * i for i in range(first, math.ceil(high / step) + 1)]


def mark(shape, x, y, colour):
    corners = {
        "square": [(-4, -4), (4, -4), (4, 4), (-4, 4)],
        "diamond": [(0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)],
        "up": [(0, -5), (5, 4), (-5, 4)],
        "down": [(0, 5), (5, -4), (-5, -4)],
    }.get(shape)
    if not corners:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{colour}"/>'


def text(x, y, words, size=13, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{INK}" {more}>{escape(words)}</text>'


def grid(x_axis, y_axis):
    for tick in y_axis.ticks:
        y = y_axis.place(tick)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{FAINT}"/>'
        yield text(LEFT - 8, y + 4.5, y_axis.name(tick), anchor="end")
    for tick in x_axis.ticks:
        x = x_axis.place(tick)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{FAINT}"/>'
        yield text(x, HEIGHT - BOTTOM + 20, x_axis.name(tick), anchor="middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, x_axis.label, anchor="middle")
    yield text(20, middle, y_axis.label, anchor="middle", more=f'transform="rotate(-90 20 {middle:.1f})"')


def lines(series, x_axis, y_axis):
    """The lines, and a legend beside them in the order of their last points, from the top."""
    drawn = []
    for name, points in series.items():
        colour, dashes, width = STYLES.get(name, OTHER)
        shape = MARKS[list(STYLES).index(name) % len(MARKS)] if name in STYLES else MARKS[0]
        at = [(x_axis.place(x), y_axis.place(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        pen = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"'
        pen += f' stroke-dasharray="{dashes}"' if dashes else ""
        yield f'<polyline points="{path}" {pen}/>'
        yield from (mark(shape, x, y, colour) for x, y in at)
        drawn.append((at[-1][1], name, pen, shape, colour))
    left = WIDTH - RIGHT + 18
    for row, (_, name, pen, shape, colour) in enumerate(sorted(drawn)):
        y = TOP + 12 + 22 * row
        yield f'<line x1="{left}" x2="{left + 30}" y1="{y}" y2="{y}" {pen}/>'
        yield mark(shape, left + 15, y, colour)
        yield text(left + 38, y + 4.5, name)


def line_chart(title, x_axis, y_axis, series):
    """The chart of {name: [(x, y)]}, as text."""
    series = {name: points for name, points in series.items() if points}
    x_axis.fit([x for points in series.values() for x, _ in points], LEFT, WIDTH - RIGHT)
    y_axis.fit([y for points in series.values() for _, y in points], HEIGHT - BOTTOM, TOP)
    body = "\n".join([*grid(x_axis, y_axis), *lines(series, x_axis, y_axis)])
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" {FONT}>
<title>{escape(title)}</title>
<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8" fill="{PAPER}" stroke="{FAINT}"/>
{text(LEFT, 30, title, 16, more='font-weight="bold"')}
{body}
</svg>
"""
