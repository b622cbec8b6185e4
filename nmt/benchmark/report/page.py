"""The report: one HTML file that holds all it shows and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from nmt.benchmark import formatting
from nmt.benchmark.report.figures import (
    NUM_COLOURS,
    bleu_by_length,
    bleu_by_size,
    bleu_by_system,
    learning_curves,
)
from nmt.benchmark.report.marks import segments
from nmt.benchmark.report.sentences import (
    reference_differences,
    sentence_data,
    typical_sentence,
)
from nmt.benchmark.results import Results, TestSet
from nmt.benchmark.summary import is_better, summarise, verdict
from nmt.corpus.languages import is_unspaced
from nmt.errors import UserError
from nmt.evaluation.metrics import Score
from nmt.evaluation.names import TITLES, MetricName
from nmt.files import replacing_file

_SCRIPTS: Final = ("theme.js", "search.js", "text.js", "explain.js", "browser.js")
"""In this order they make one module; see ``assets/README.md``."""
_MODULE_SYNTAX: Final = re.compile(r"^import .*;\n|^export (?=function|const|class)", re.MULTILINE)
_FOR_SCRIPT: Final = {
    ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"
}  # no end of the script element, no comment, no entity


def require_report() -> None:
    """Check that what the report needs is installed; worth doing before a long measurement.

    Raises UserError that names the extra to install.
    """
    missing = [name for name in ("matplotlib", "jinja2") if find_spec(name) is None]
    if missing:
        raise UserError(
            f"the report needs {' and '.join(missing)}",
            mend="install with: pip install 'bitext-nmt[bench]'",
        )


def write_report(results: Results, path: Path) -> None:
    """Write the report of a benchmark: one HTML file that needs nothing else, atomically.

    Raises UserError if it cannot be written, or if what it needs is not installed.
    """
    require_report()
    page = render_report(results)
    with replacing_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def render_report(results: Results) -> str:
    """The report's HTML; see `write_report`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        f=formatting,
        titles=TITLES,
        verdict=verdict,
        is_better=is_better,
        unique_signatures=_unique_signatures,
        best=_best,
        segments=segments,
    )
    training_figures = [
        learning_curves(results, "curves"),
        *(bleu_by_size(results, test.name, f"sizes-{n}") for n, test in enumerate(results.tests)),
    ]
    style = _asset("page.css")
    script = "\n".join(_MODULE_SYNTAX.sub("", _asset(name)) for name in _SCRIPTS)
    return environment.get_template("page.html.j2").render(
        results=results,
        colours={s.name: n % NUM_COLOURS for n, s in enumerate(results.systems)},
        tests=[_test(results, test, number) for number, test in enumerate(results.tests)],
        training_figures=[figure for figure in training_figures if figure],
        style=style,
        script=script,
        policy=(
            f"default-src 'none'; img-src data:; style-src {_source_hash(style)}; "
            f"script-src {_source_hash(script)}; base-uri 'none'; form-action 'none'"
        ),
    )


def _test(results: Results, test: TestSet, number: int) -> dict[str, Any]:
    """All that the page says of a test set."""
    unit = "characters" if is_unspaced(results.source_language) else "words"
    systems = [system for system in results.systems if test.scores.get(system.name)]
    typical = typical_sentence(results, test)
    return {
        "number": number,
        "test": test,
        "systems": systems,
        "metrics": list(test.scores[systems[0].name]) if systems else [],
        "summary": summarise(results, test),
        "main_figure": bleu_by_system(results, test, f"bleu-{number}") if systems else None,
        "by_length": bleu_by_length(results, test, f"lengths-{number}", unit),
        "typical": typical,
        "typical_differences": {
            system.name: reference_differences(results, typical, system.name)
            for system in (systems if typical else [])
            if typical
        },
        "data": for_script(sentence_data(results, test)) if test.sentences else None,
    }


def for_script(value: Any) -> str:
    """JSON that can stand in a script element: no text in it can end or change the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_FOR_SCRIPT)


def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _source_hash(text: str) -> str:
    """What a content security policy calls an inline script or style of this text."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _unique_signatures(
    scores: Mapping[str, Mapping[MetricName, Score]], metrics: Sequence[MetricName]
) -> list[tuple[str, str]]:
    """Title and signature of each metric: one for all systems unless they were scored apart."""
    found = {
        (TITLES[metric], of_system[metric].signature): None
        for metric in metrics
        for of_system in scores.values()
        if metric in of_system
    }
    return list(found)


def _best(scores: Mapping[str, Mapping[MetricName, Score]], metric: MetricName) -> float:
    values = [of_system[metric].value for of_system in scores.values() if metric in of_system]
    return min(values) if metric == "ter" else max(values)
