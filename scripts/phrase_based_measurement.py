"""How fast a phrase-based model translates its recipe's test set; started by bench_phrase_based.py.

Text to text, in the second of two passes: the first one compiles, or loads what was compiled, and
fills the caches.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import sacrebleu

import nmt
from nmt.corpus import prepare_corpus
from nmt.recipe import read_recipe
from nmt.statistical.search.settings import fast_settings
from nmt.statistical.system import PhraseBasedTranslator
from scripts.benchmark import answer_request


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Translate the test set twice."""
    recipe = read_recipe(request["recipe"], data_root=Path(request["data"]))
    with tempfile.TemporaryDirectory() as cache:
        corpus = prepare_corpus(recipe.corpus, cache=Path(cache), report=lambda _: None)
        (pairs,) = corpus.test.values()
        source, target = list(pairs.source), list(pairs.target)
    began = time.perf_counter()
    translator = nmt.load(request["model"])
    load_seconds = time.perf_counter() - began
    assert isinstance(translator, PhraseBasedTranslator)
    if request["search"] == "fast":
        decoder = translator.decoder
        translator.decoder = decoder.with_settings(fast_settings(decoder.settings))
    translator.translate(source)
    began = time.process_time()
    found = [one.text for one in translator.translate(source)]
    seconds = time.process_time() - began
    return {
        "load_seconds": load_seconds,
        "sentences_per_second": len(source) / seconds,
        "bleu": sacrebleu.corpus_bleu(found, [target]).score,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    answer_request(measure)
