"""Where two trees of JSON values differ, in words for the user."""

from __future__ import annotations

import json
from typing import Any


def differences(old: Any, new: Any, path: str = "") -> dict[str, str]:
    """The dotted path of each value that differs, and how: ``{"a.b": "1 before, now 2"}``.

    What is on one side only is ``nothing`` on the other; lists are compared as a whole.
    """
    if old == new:
        return {}
    if isinstance(old, dict) and isinstance(new, dict):
        found: dict[str, str] = {}
        for key in (*old, *(key for key in new if key not in old)):
            below = f"{path}.{key}" if path else str(key)
            found |= differences(old.get(key, _NOTHING), new.get(key, _NOTHING), below)
        return found
    return {path: f"{_shown(old)} before, now {_shown(new)}"}


_NOTHING = object()


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."
