"""Machine translation from raw bitext to a deployed translator.

::

    import nmt

    translator = nmt.load("runs/multi30k-en-de/transformer")
    translator.translate(["A dog runs along the beach."])[0].text
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt.systems import load
    from nmt.translator import Hypothesis, Line, Sampling, Translation, Translator

__all__ = ["Hypothesis", "Line", "Sampling", "Translation", "Translator", "load"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: ``import nmt`` alone takes no time."""
    if name == "load":
        from nmt.systems import load

        return load
    if name in __all__:
        from nmt import translator

        return getattr(translator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
