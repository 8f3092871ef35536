# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""How values are written."""


def number(value, digits=3):
    """With that many digits that count, and none invented."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def gib_name(gib):
    if gib == 0:
        return "empty"
    return f"{gib:g} GiB" if gib >= 1 else f"{gib * 1024:.0f} MiB"
