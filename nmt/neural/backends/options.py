"""Which options of a search need our own."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from nmt.search_options import SearchOptions

_ANYWHERE: Final = ("beam", "nbest", "batch_tokens", "length_penalty", "minimum_risk")
"""What every backend can do; minimum Bayes risk chooses among its n best."""


def other_options(options: SearchOptions) -> list[str]:
    """Names of the options that are asked for and that not every backend knows."""
    return [
        field.name
        for field in fields(options)
        if field.name not in _ANYWHERE and getattr(options, field.name)
    ]
