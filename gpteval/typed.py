"""Whether values are of the types that the fields of a dataclass are annotated with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def misfit(item: Any, kind: type) -> str:
    """The first field of a value that is not of its annotated type, in words; "" for none."""
    for name, annotated in hints(kind).items():
        value = getattr(item, name)
        if not fits(value, annotated):
            words = get_args(annotated) if get_origin(annotated) is Literal else ()
            due = f": expected {', '.join(map(str, words))}" if words else ""
            return f"{name} can't be {value!r:.40}{due}"
    return ""


@cache
def hints(kind: Any) -> Mapping[str, Any]:
    """The annotated type of every field; to make them out of text takes as long as all checks."""
    return dict(get_type_hints(kind))


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotated type, as far as a plug-in's fields go.

    typeguard would do it too, and takes longer to import than all of this package.
    """
    origin, of = get_origin(kind), get_args(kind)
    fitting = True
    if origin is Literal:
        fitting = value in of
    elif origin in (UnionType, Union):
        fitting = any(fits(value, kinds) for kinds in of)
    elif origin is Callable:
        fitting = callable(value)
    elif origin is Mapping:
        fitting = isinstance(value, Mapping)
        fitting = fitting and all(fits(k, of[0]) and fits(v, of[1]) for k, v in value.items())
    elif origin is tuple:
        kinds = of[:1] * len(value) if isinstance(value, tuple) and of[-1] is ... else of
        fitting = isinstance(value, tuple) and len(kinds) == len(value)
        fitting = fitting and all(map(fits, value, kinds))
    elif kind in (int, float):  # a whole number is a float too, a truth value is neither
        fitting = isinstance(value, kind if kind is int else (int, float)) and value is not True
        fitting = fitting and value is not False
    elif isinstance(origin, type):
        fitting = isinstance(value, origin)
    elif kind is not Any:
        fitting = isinstance(value, kind)
    return fitting
