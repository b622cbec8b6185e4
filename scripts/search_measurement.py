"""One setting of phrase-based search, measured; started by bench_search.py."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nmt.model_folder import open_model_folder
from nmt.statistical.system import load_phrase_based
from scripts.benchmark import answer_request


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Translate the lines that the request holds, again and again."""
    lines = request["lines"]
    opened, translator = _timed(
        lambda: load_phrase_based(open_model_folder(Path(request["model"])))
    )
    settings = translator.decoder.settings.model_copy(update=request["settings"])
    decoder = translator.decoder = translator.decoder.with_settings(settings)
    # Compiled loops are loaded, or compiled, at the first call.
    prepared, _ = _timed(lambda: translator.translate(lines[:1]))
    _, sentences = translator.source.encode(lines)
    fresh = decoder.with_weights(decoder.weights)
    searches = [_timed(lambda: fresh.decode(sentences)) for _ in range(request["repeats"] + 1)]
    derivations = searches[0][1]
    from_text = [_timed(lambda: translator.translate(lines)) for _ in range(request["repeats"])]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    nbest, _ = _timed(lambda: fresh.nbest(sentences, 100))
    return {
        "all_settings": settings.model_dump(mode="json"),
        "open_seconds": opened,
        "prepare_seconds": prepared,
        "first_seconds": searches[0][0],
        "search_seconds": [seconds for seconds, _ in searches[1:]],
        "text_seconds": [seconds for seconds, _ in from_text],
        "nbest_seconds": nbest,
        "peak_memory": peak,
        "source_words": len(sentences.words),
        "score": sum(derivation.score for derivation in derivations) / len(lines),
        "texts": [translation.text for translation in from_text[0][1]],
    }


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of a call, and what it returned."""
    started = time.process_time()
    value = call()
    return time.process_time() - started, value


if __name__ == "__main__":
    answer_request(measure)
