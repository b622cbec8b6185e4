"""Reports: aligned, complete, and free of markup from file names."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from nmt.evaluation.metrics import score
from nmt.evaluation.names import METRIC_NAMES
from nmt.evaluation.report import comparison_lines, print_tables, score_lines
from nmt.evaluation.significance import Comparison, compare


@pytest.fixture(scope="module")
def comparison(systems: dict[str, list[str]], references: list[list[str]]) -> Comparison:
    """Three systems, one with a name in a wide script and one that looks like rich's markup."""
    names = ["翻訳.ja", "[red]b[/red]", "worse"]
    named = dict(zip(names, systems.values(), strict=True))
    return compare(named, references, METRIC_NAMES, samples=100)


def rich_text(comparison: Comparison, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_tables(comparison, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_number_and_signature_is_in_both_forms(comparison: Comparison) -> None:
    for text in ("\n".join(comparison_lines(comparison)), rich_text(comparison, width=120)):
        for system in comparison.systems:
            assert system.name in text
            for metric, one in system.scores.items():
                assert f"{one.value:.2f}" in text
                assert f"signature: {one.signature}\n" in text + "\n"
                assert one.title in text
                if metric in system.differences:
                    difference = system.differences[metric]
                    assert f"{difference.value:+.2f}" in text
                    assert f"{difference.p_value:.4f}" in text
        assert "TER (lower is better)" in text
        assert "against 翻訳.ja; * p < 0.05, paired bootstrap, 100 resamples" in text


def test_columns_are_aligned(comparison: Comparison) -> None:
    from rich.cells import cell_len

    lines = comparison_lines(comparison)
    rows = lines[: 1 + len(comparison.systems)]
    ends = {cell_len(row[: row.index("]") + 1]) for row in rows[1:] if not row.startswith("[red]")}
    assert len(ends) == 1
    assert "*" in rows[3]
    assert "*" not in rows[1]


def test_signatures_stay_whole_on_a_narrow_terminal(comparison: Comparison) -> None:
    text = rich_text(comparison, width=60)
    for one in comparison.systems[0].scores.values():
        assert one.signature in text


def test_one_system_is_reported_without_tests(references: list[list[str]]) -> None:
    alone = compare({"only": references[1]}, references[:1], samples=20)
    text = "\n".join(comparison_lines(alone))
    assert "difference" not in text
    assert "95 % interval" in text
    lines = score_lines(score(references[1], references[:1], samples=20))
    assert [line.split()[0] for line in lines] == ["BLEU", "chrF2"]
    assert lines[0].index("nrefs:") == lines[1].index("nrefs:")
