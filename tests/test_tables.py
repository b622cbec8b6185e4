"""The README's tables are those that the stored results give."""

from __future__ import annotations

from scripts.make_tables import ROOT, make


def test_the_tables_are_up_to_date() -> None:
    """After new results: python -m scripts.make_tables."""
    assert (ROOT / "README.md").read_text(encoding="utf-8") == make(ROOT)
