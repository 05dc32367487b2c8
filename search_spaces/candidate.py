"""One choice in a search space: a frozen mapping from knob to value that survives JSON unchanged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from typing_extensions import override

from hw_models.errors import InputError
from search_spaces.knobs import Scalar

_PLAIN: Final = frozenset({str, int, float, bool})


class Candidate(Mapping[str, Scalar]):
    """Knob -> value, hashable, without order.

    Two candidates with the same values are equal, whatever the order they were written in. Whether they mean
    the same network is for the space to say (`SearchSpace.canonical`).

    Args:
        values: the choice, as a mapping or as keywords.

    Raises:
        InputError: where a value is not text, number or truth value.
    """

    __slots__ = ("_hash", "_values")

    def __init__(self, values: Mapping[str, Scalar] | None = None, /, **more: Scalar) -> None:
        merged = {**(values or {}), **more}
        for knob, value in merged.items():
            if type(value) not in _PLAIN and not isinstance(value, str | int | float | bool):
                msg = f"knob '{knob}': {value!r} given, expected text, a number or a truth value"
                raise InputError(msg)
        self._values = {k: merged[k] for k in sorted(merged)}
        self._hash = hash(tuple(self._values.items()))

    @override
    def __getitem__(self, knob: str) -> Scalar:
        return self._values[knob]

    @override
    def __contains__(self, knob: object) -> bool:
        return knob in self._values

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    @override
    def __len__(self) -> int:
        return len(self._values)

    @override
    def __hash__(self) -> int:
        return self._hash

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and self._values == other._values

    @override
    def __repr__(self) -> str:
        return f"Candidate({', '.join(f'{k}={v!r}' for k, v in self._values.items())})"

    def replace(self, **changes: Scalar) -> Candidate:
        """The same choice with some knobs set otherwise."""
        return Candidate(self._values, **changes)

    def only(self, knobs: Iterable[str]) -> Candidate:
        """The part of the choice that concerns these knobs."""
        wanted = set(knobs)
        return Candidate({k: v for k, v in self._values.items() if k in wanted})

    @property
    def key(self) -> str:
        """One line of canonical JSON: equal candidates have equal keys, in every process and everywhere."""
        return json.dumps(self._values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of the key's SHA-256, short enough for a file name."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """The candidate as JSON; `from_json` gives an equal one back."""
        return self.key

    @classmethod
    def from_json(cls, text: str) -> Candidate:
        """Read what `to_json` wrote.

        Raises:
            InputError: where the text is no JSON object of plain values.
        """
        try:
            values: Any = json.loads(text)
        except json.JSONDecodeError as error:
            msg = (
                f"{text[:60]!r} given, expected a candidate as a JSON object ({error.msg} at column "
                f"{error.colno})"
            )
            raise InputError(msg) from error
        if not isinstance(values, dict):
            msg = f"{text[:60]!r} given, expected a candidate as a JSON object"
            raise InputError(msg)
        return cls(values)
