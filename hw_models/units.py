"""Quantities as text at the border, plain SI floats inside: `parse("204.8 GB/s", "byte/s") == 204.8e9`.

One MAC is two ops; `B` is a byte and `b` a bit; `k M G T` are powers of 1000 and `Ki Mi Gi Ti` of 1024. The
units are pint's, in a registry of our own: in pint's own a bit is a pure number, and 8 bit/s passes as 8 Hz.
"""

from __future__ import annotations

import math
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from hw_models.errors import UnitError, did_you_mean, nearest, sentence

if TYPE_CHECKING:
    from pint import UnitRegistry
    from pint.facets.plain import PlainQuantity

QUANTITIES: Final[dict[str, tuple[str, str]]] = {
    "op/s": ("operations per second", "TOPS"),
    "byte": ("bytes", "MiB"),
    "byte/s": ("bytes per second", "GB/s"),
    "transfer/s": ("transfers per second", "MT/s"),
    "Hz": ("a frequency", "MHz"),
    "W": ("a power", "W"),
    "s": ("a time", "us"),
    "V": ("a voltage", "V"),
    "J": ("an energy", "mJ"),
    "J/op": ("an energy per operation", "pJ/op"),
    "J/byte": ("an energy per byte", "pJ/byte"),
    "m": ("a length", "nm"),
    "m2": ("an area", "mm2"),
    "USD": ("a price", "USD"),
}
"""SI unit a field is kept in -> what it measures, and the unit people usually write it in."""

BLANK: Final = "___"
"""What stands for a number that is still to be filled in, in the template of `codesign chips new`."""

_DEFINITIONS: Final = """
femto- = 1e-15 = f-
pico- = 1e-12 = p-
nano- = 1e-9 = n-
micro- = 1e-6 = u- = µ-
milli- = 1e-3 = m-
centi- = 1e-2 = c-
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
peta- = 1e15 = P-
kibi- = 1024 = Ki-
mebi- = 1048576 = Mi-
gibi- = 1073741824 = Gi-
tebi- = 1099511627776 = Ti-
second = [time] = s = sec
minute = 60 * second = min
hour = 3600 * second = h
metre = [length] = m = meter
byte = [information] = B = bytes
bit = 0.125 * byte = b = bits
op = [operation] = op = ops = flop = FLOP = OP
mac = 2 * op = mac = macs = MAC
transfer = [transfer] = T = transfers
joule = [energy] = J
volt = [potential] = V
watt = joule / second = W
hertz = 1 / second = Hz
OPS = op / second = OPS = FLOPS
MACS = mac / second = MACS
USD = [money] = USD = dollar
"""

_NUMBER: Final = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*")
_NAME: Final = r"[A-Za-zµ]+(?:(?:\^|\*\*)?[23])?"
_UNIT: Final = re.compile(rf"{_NAME}(?:\s*[/*]\s*{_NAME})*")
_POWER: Final = re.compile(r"(?<=[A-Za-z])([23])(?![\d\w])")
_PREFIXES: Final = tuple(
    zip((1e15, 1e12, 1e9, 1e6, 1e3, 1.0, 1e-3, 1e-6, 1e-9, 1e-12, 1e-15), "PTGMk munpf", strict=True)
)
_BINARY: Final = ((2.0**40, "Ti"), (2.0**30, "Gi"), (2.0**20, "Mi"), (2.0**10, "Ki"))
_SHORT: Final = {"op/s": "OPS", "byte": "B", "byte/s": "B/s", "transfer/s": "T/s"}
_USUAL: Final = {
    "op/s": "op/s MOPS GOPS TOPS POPS MFLOPS GFLOPS TFLOPS GFLOP/s TFLOP/s GMAC/s TMAC/s Gmac/s Tmac/s",
    "byte": "byte B kB MB GB TB KiB MiB GiB TiB bit Mbit Gbit",
    "byte/s": "byte/s B/s kB/s MB/s GB/s TB/s MiB/s GiB/s bit/s Mbit/s Gbit/s",
    "transfer/s": "transfer/s MT/s GT/s",
    "Hz": "Hz kHz MHz GHz",
    "W": "uW mW W kW",
    "s": "ns us ms s min h",
    "V": "mV V",
    "J": "pJ nJ uJ mJ J",
    "J/op": "J/op fJ/op pJ/op pJ/mac pJ/MAC",
    "J/byte": "J/byte pJ/byte nJ/byte pJ/bit",
    "m": "nm um mm m",
    "m2": "um2 mm2 cm2 m2",
    "USD": "USD",
}


@cache
def _registry() -> UnitRegistry[float]:
    """The registry, built on first use: importing pint costs 0.3 s, which `import hw_models` does not pay."""
    from pint import UnitRegistry

    registry: UnitRegistry[float] = UnitRegistry(None)
    registry.load_definitions(_DEFINITIONS.strip().splitlines())
    return registry


@lru_cache(maxsize=1024)
def _unit(text: str) -> PlainQuantity[float]:
    """One of the unit `text`, reduced to base units.

    Raises:
        ValueError: it is not names joined by '/' and '*', which is all that pint is handed.
    """
    if _UNIT.fullmatch(text) is None:
        raise ValueError(text)
    return _registry().parse_expression(_POWER.sub(r"**\1", text)).to_base_units()


@lru_cache(maxsize=8192)
def parse(text: str, unit: str) -> float:
    """The quantity written in `text`, in the SI unit `unit`.

    Args:
        text: number and unit, "204.8 GB/s".
        unit: a key of `QUANTITIES`.

    Returns:
        The magnitude in `unit`.

    Raises:
        UnitError: no number, no unit, an unknown one, or the wrong dimension; with an example.
    """
    if text.strip().startswith(BLANK):
        raise UnitError(sentence(f"{text!r} is not filled in yet", f"expected {_expected(unit)}"))
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise UnitError(sentence(f"{text!r} is not a quantity", f"expected {_expected(unit)}"))
    if not found[2]:
        raise UnitError(needs_unit(found[1], unit))
    factor, divisor = _ratio(found[2], unit)
    # dividing by a power of ten is exact where multiplying by its inverse is not
    return float(found[1]) / divisor if divisor > 1 else float(found[1]) * factor


@lru_cache(maxsize=1024)
def _ratio(written: str, unit: str) -> tuple[float, float]:
    """How many `unit` one `written` is; and the inverse, rounded where it is a whole number."""
    from pint.errors import PintError

    try:
        given = _unit(written)
    except (PintError, ValueError, AttributeError):
        near = did_you_mean(nearest(written, _USUAL[unit].split()))
        raise UnitError(sentence(f"unknown unit {written!r}", near, f"expected {_expected(unit)}")) from None
    base = _unit(unit)
    if given.dimensionality != base.dimensionality:
        raise UnitError(sentence(f"{written!r} is of the wrong dimension", f"expected {_expected(unit)}"))
    factor = float(given.magnitude / base.magnitude)
    inverse = 1.0 / factor
    whole = float(round(inverse)) if inverse > 1 else 1.0
    return factor, whole if math.isclose(whole, inverse, rel_tol=1e-12) else 1.0


def needs_unit(number: object, unit: str) -> str:
    """The message for a bare number where a quantity in `unit` is expected."""
    usual = QUANTITIES[unit][1]
    other = "" if usual == unit else f" or '{number} {usual}'"
    return f"needs a unit, for example '{number} {unit}'{other}"


def _expected(unit: str) -> str:
    meaning, usual = QUANTITIES[unit]
    return f"{meaning}, for example '512 {usual}'"


def show(value: float, unit: str, digits: int = 4) -> str:
    """For people: few digits and a decimal prefix, "204.8 GB/s"; areas in mm2, lengths in nm."""
    match unit:
        case "m2":
            return f"{value * 1e6:.{digits}g} mm2"
        case "m":
            return f"{value * 1e9:.{digits}g} nm"
        case "USD" | "":
            return f"{value:.{max(digits, 6)}g} {unit}".rstrip()
    name = _SHORT.get(unit, unit)
    if unit == "byte" and value % 1024 == 0 and value % 1000:
        scale, prefix = next(pair for pair in _BINARY if value >= pair[0])
        return f"{value / scale:.{digits}g} {prefix}{name}"
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {name}"
    largest = (pair for pair in _PREFIXES if abs(value) >= pair[0] * (1 - 0.5 * 10**-digits))
    scale, prefix = next(largest, _PREFIXES[-1])
    return f"{value / scale:.{digits}g} {prefix.strip()}{name}"


def exact(value: float, unit: str) -> str:
    """For files: the shortest text that is read back as the same float."""
    if not unit:
        return repr(int(value)) if value == int(value) else repr(value)
    candidates = (show(value, unit, digits) for digits in (4, 7, 10, 15, 17))
    return next((text for text in candidates if parse(text, unit) == value), f"{value!r} {unit}")
