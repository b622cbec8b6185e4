"""Arrays whose references are not counted.

Numba counts the references to an array whenever a function takes it or a name is bound to it, by
two atomic operations that cost as much as the rest of a small function: in search, half of all
time. Loops that only read and write arrays which their caller holds anyway can do without.
"""

from __future__ import annotations

from typing import Any, Final

from numba.core import cgutils, types
from numba.extending import intrinsic

_array_of: Any = cgutils.create_struct_proxy
_TUPLES: Final = (types.NamedTuple, types.Tuple)


def _borrowed(typing_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _disown(context, builder, signature.args[0], arguments[0])

    return value(value), generate


def _disown(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Code that sets the owner of each array to none."""
    if isinstance(kind, _TUPLES):
        parts = [
            _disown(context, builder, part, builder.extract_value(value, n))
            for n, part in enumerate(kind.types)
        ]
        return context.make_tuple(builder, kind, parts)
    if isinstance(kind, types.Array):
        array = _array_of(kind)(context, builder, value=value)
        for owner in ("meminfo", "parent"):
            null = getattr(array, owner).type(None)
            setattr(array, owner, null)
        return array._getvalue()
    return value


borrowed: Any = intrinsic(_borrowed)
"""``borrowed(value)``, in compiled code: the same array, or tuple of arrays and tuples, as seen by
one who does not own it. The caller must hold the arrays for as long as the result is in use, and
the result, or a part of it, must not be returned to Python."""
