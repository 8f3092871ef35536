# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""How values are formatted."""


def format_number(value, digits=3):
    """The value with that many significant digits, or with all digits of its integer part."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def format_size(gib):
    """The memory of a parent."""
    if gib == 0:
        return "empty"
    return f"{gib:g} GiB" if gib >= 1 else f"{gib * 1024:.0f} MiB"
