# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Line charts as SVG. The charts have their own background, so that they are readable on any page."""
import math
from html import escape

WIDTH, HEIGHT = 860, 460
LEFT, RIGHT, TOP, BOTTOM = 92, 226, 52, 62  # the margins around the plot
TEXT_COLOUR, GRID_COLOUR, BACKGROUND = "#24292f", "#d8dee4", "#ffffff"
FONT = "font-family=\"'DejaVu Sans', Verdana, sans-serif\""

# Colour, dash pattern, line width. The lines of brood have warm colours.
STYLES = {
    "floor": ("#24292f", "7 4", 2),
    "floor without vfork": ("#8c959f", "2 3", 2),
    "brood": ("#cf222e", "", 3.5),
    "brood async_spawn": ("#bf3989", "", 3.5),
    "brood async_run": ("#953800", "", 3.5),
    "brood sigchld": ("#e16f24", "", 3.5),
    "brood posix_spawn": ("#bf8700", "", 2),
    "brood fork": ("#ff8182", "5 3", 2),
    "posix_spawn": ("#2da44e", "", 2),
    "Boost.Process v2": ("#0969da", "", 2),
    "libuv": ("#8250df", "", 2),
    "GLib": ("#1b9aaa", "", 2),
}
DEFAULT_STYLE = ("#57606a", "", 2)
MARKERS = "circle square diamond up down".split()


class Axis:
    """Maps values to pixels, and labels the ticks."""

    def __init__(self, label, ticks=None, tick_labels=None, log=True):
        self.label, self.ticks, self.tick_labels, self.log = label, ticks, tick_labels, log

    def fit(self, values, first_pixel, last_pixel):
        """Sets the range of values and of pixels, and the ticks if they are not given."""
        low, high = min(values), max(values)
        if self.ticks is None:
            self.ticks = log_ticks(low, high) if self.log else linear_ticks(low, high)
            low, high = min(low, self.ticks[0]), max(high, self.ticks[-1])
        self.low, self.high = self.scale(low), self.scale(high)
        if self.high == self.low:
            self.high += 1
        self.first_pixel, self.last_pixel = first_pixel, last_pixel

    def scale(self, value):
        return math.log10(value) if self.log else value

    def pixel(self, value):
        fraction = (self.scale(value) - self.low) / (self.high - self.low)
        return self.first_pixel + (self.last_pixel - self.first_pixel) * fraction

    def tick_label(self, tick):
        if self.tick_labels:
            return self.tick_labels[self.ticks.index(tick)]
        return f"{tick:,.0f}" if tick >= 10 else f"{tick:g}"


def log_ticks(low, high):
    """Ticks of a logarithmic axis: 1, 10, 100. A short axis also has ticks at 2 and 5."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1,) if last - first > 2 else (1, 2, 5)
    ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    below = [tick for tick in ticks if tick <= low] or ticks[:1]
    above = [tick for tick in ticks if tick >= high] or ticks[-1:]
    return [tick for tick in ticks if below[-1] <= tick <= above[0]]


def linear_ticks(low, high):
    """Ticks of a linear axis that contains zero."""
    approximate = (high - min(low, 0)) / 6
    power = 10 ** math.floor(math.log10(approximate))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= approximate)
    first = math.floor(min(low, 0) / step)
    return [step * i for i in range(first, math.ceil(high / step) + 1)]


def marker(shape, x, y, colour):
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


def text(x, y, content, size=13, anchor="start", attributes=""):
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} fill="{TEXT_COLOUR}" {attributes}>{escape(content)}</text>'


def grid(x_axis, y_axis):
    """The grid lines and the labels of both axes."""
    for tick in y_axis.ticks:
        y = y_axis.pixel(tick)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID_COLOUR}"/>'
        yield text(LEFT - 8, y + 4.5, y_axis.tick_label(tick), anchor="end")
    for tick in x_axis.ticks:
        x = x_axis.pixel(tick)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{GRID_COLOUR}"/>'
        yield text(x, HEIGHT - BOTTOM + 20, x_axis.tick_label(tick), anchor="middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, x_axis.label, anchor="middle")
    yield text(20, middle, y_axis.label, anchor="middle", attributes=f'transform="rotate(-90 20 {middle:.1f})"')


def lines(series, x_axis, y_axis):
    """The lines and the legend. The legend has the order of the last points, from top to bottom."""
    legend = []
    for name, points in series.items():
        colour, dashes, width = STYLES.get(name, DEFAULT_STYLE)
        shape = MARKERS[list(STYLES).index(name) % len(MARKERS)] if name in STYLES else MARKERS[0]
        pixels = [(x_axis.pixel(x), y_axis.pixel(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in pixels)
        stroke = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"'
        stroke += f' stroke-dasharray="{dashes}"' if dashes else ""
        yield f'<polyline points="{path}" {stroke}/>'
        yield from (marker(shape, x, y, colour) for x, y in pixels)
        legend.append((pixels[-1][1], name, stroke, shape, colour))
    left = WIDTH - RIGHT + 18
    for row, (_, name, stroke, shape, colour) in enumerate(sorted(legend)):
        y = TOP + 12 + 22 * row
        yield f'<line x1="{left}" x2="{left + 30}" y1="{y}" y2="{y}" {stroke}/>'
        yield marker(shape, left + 15, y, colour)
        yield text(left + 38, y + 4.5, name)


def line_chart(title, x_axis, y_axis, series):
    """The SVG text of a chart of {name: [(x, y)]}."""
    series = {name: points for name, points in series.items() if points}
    x_axis.fit([x for points in series.values() for x, _ in points], LEFT, WIDTH - RIGHT)
    y_axis.fit([y for points in series.values() for _, y in points], HEIGHT - BOTTOM, TOP)
    body = "\n".join([*grid(x_axis, y_axis), *lines(series, x_axis, y_axis)])
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {size} {FONT}>
<title>{escape(title)}</title>
<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8" fill="{BACKGROUND}" stroke="{GRID_COLOUR}"/>
{text(LEFT, 30, title, 16, attributes='font-weight="bold"')}
{body}
</svg>
"""
