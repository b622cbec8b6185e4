"""The report of a benchmark: one self-contained HTML file, made from its results alone."""

from nmt.benchmark.report.page import require_report, write_report

__all__ = ["require_report", "write_report"]
