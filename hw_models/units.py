"""Quantities as text at the border, plain SI floats inside: `parse("204.8 GB/s", "byte/s") == 204.8e9`.

One MAC is two ops; `B` is a byte and `b` a bit; `k M G T` are powers of 1000 and `Ki Mi Gi Ti` of 1024. The units are
pint's, in a registry of our own: pint's default one takes a bit for a pure number, so that 8 bit/s would pass as 8 Hz.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
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
    "J": ("an energy", "mJ"),
    "J/op": ("an energy per operation", "pJ/op"),
    "J/byte": ("an energy per byte", "pJ/byte"),
    "m": ("a length", "nm"),
    "m2": ("an area", "mm2"),
    "USD": ("a price", "USD"),
}
"""SI unit a field is kept in -> what it measures, and the unit people usually write it in."""

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
op = [operation] = op = ops = flop = flops_total = FLOP
mac = 2 * op = mac = macs = MAC
transfer = [transfer] = T = transfers
joule = [energy] = J
watt = joule / second = W
hertz = 1 / second = Hz
OPS = op / second = OPS = FLOPS
MACS = mac / second = MACS
USD = [money] = USD = dollar
"""

_NUMBER: Final = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*")
_POWER: Final = re.compile(r"(?<=[A-Za-z])([23])(?![\d\w])")
_WRITTEN: Final = (
    "TOPS GOPS TFLOPS GFLOPS TFLOP/s GFLOP/s TMAC/s GMAC/s Tmac/s op/s B kB MB GB TB KiB MiB GiB TiB byte byte/s kB/s MB/s GB/s "
    "TB/s MiB/s GiB/s bit/s Mbit/s Gbit/s MT/s GT/s transfer/s kHz MHz GHz Hz mW W kW ns us ms s min h pJ nJ uJ mJ J pJ/op "
    "fJ/op pJ/mac pJ/bit pJ/byte J/op J/byte nm um mm m nm2 um2 mm2 cm2 m2 USD"
).split()
_PREFIXES: Final = (
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "u"),
    (1e-9, "n"),
    (1e-12, "p"),
    (1e-15, "f"),
)
_SHORT: Final = {"op/s": "OPS", "byte": "B", "byte/s": "B/s", "transfer/s": "T/s"}


@lru_cache(maxsize=1)
def _registry() -> UnitRegistry[float]:
    """The registry, built on first use: importing pint costs 0.3 s, which `import hw_models` does not pay."""
    from pint import UnitRegistry

    registry: UnitRegistry[float] = UnitRegistry(None)
    registry.load_definitions(_DEFINITIONS.strip().splitlines())
    return registry


@lru_cache(maxsize=1024)
def _unit(text: str) -> PlainQuantity[float]:
    """One of the unit `text`, reduced to base units."""
    return _registry().parse_expression(_POWER.sub(r"**\1", text)).to_base_units()


@lru_cache(maxsize=4096)
def parse(text: str, unit: str) -> float:
    """The quantity written in `text`, in the SI unit `unit`.

    Args:
        text: number and unit, "204.8 GB/s".
        unit: a key of `QUANTITIES`.

    Raises:
        UnitError: no number, no unit, an unknown unit, or one of the wrong dimension; the message gives an example.
    """
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise UnitError(sentence(f"{text!r} is not a quantity", f"expected {_expected(unit)}"))
    number, written = float(found[1]), found[2]
    if not written:
        raise UnitError(needs_unit(found[1], unit))
    return number * _factor(written, unit)


@lru_cache(maxsize=1024)
def _factor(written: str, unit: str) -> float:
    """How many `unit` one `written` is."""
    from pint.errors import PintError

    try:
        given = _unit(written)
    except (PintError, AttributeError, TypeError, ValueError, SyntaxError):
        near = nearest(written, _WRITTEN)
        raise UnitError(
            sentence(f"unknown unit {written!r}", did_you_mean(near), f"expected {_expected(unit)}")
        ) from None
    base = _unit(unit)
    if given.dimensionality != base.dimensionality:
        raise UnitError(sentence(f"{written!r} is of the wrong dimension", f"expected {_expected(unit)}"))
    return given.magnitude / base.magnitude


def needs_unit(number: object, unit: str) -> str:
    """The message for a bare number where a quantity in `unit` is expected."""
    usual = QUANTITIES[unit][1]
    other = "" if usual == unit else f" or '{number} {usual}'"
    return f"needs a unit, for example '{number} {unit}'{other}"


def _expected(unit: str) -> str:
    meaning, usual = QUANTITIES[unit]
    return f"{meaning}, for example '512 {usual}'"


def show(value: float, unit: str) -> str:
    """For people: four digits and a decimal prefix, "204.8 GB/s"; areas in mm2 and lengths in nm."""
    if unit == "m2":
        return f"{value * 1e6:.4g} mm2"
    if unit == "m":
        return f"{value * 1e9:.4g} nm"
    if unit in {"USD", ""}:
        return f"{value:.6g} {unit}".rstrip()
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {_SHORT.get(unit, unit)}"
    scale, prefix = next(((s, p) for s, p in _PREFIXES if abs(value) >= s * 0.9999995), _PREFIXES[-1])
    return f"{value / scale:.4g} {prefix}{_SHORT.get(unit, unit)}"


def exact(value: float, unit: str) -> str:
    """For files: the text with a prefix if it is read back as the same float, else all digits in the SI unit."""
    text = show(value, unit)
    return text if unit and parse(text, unit) == value else f"{value!r} {unit}".rstrip()
