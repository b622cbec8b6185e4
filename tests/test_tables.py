"""The tables of the README and the documentation are those that the stored results give."""

from __future__ import annotations

import pytest

from scripts.make_tables import PAGES, ROOT, make


@pytest.mark.parametrize("page", PAGES)
def test_the_tables_are_up_to_date(page: str) -> None:
    """After new results: python -m scripts.make_tables."""
    assert (ROOT / page).read_text(encoding="utf-8") == make(ROOT, page)
