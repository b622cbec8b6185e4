"""Language models in plain Python, by their definitions: slow, and easy to check."""

from __future__ import annotations

import math
import random
from collections import Counter
from functools import cache

Ngram = tuple[str, ...]

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"


class KneserNey:
    """Interpolated modified Kneser-Ney of Chen and Goodman (1998), section 4, as KenLM does it."""

    def __init__(
        self,
        lines: list[list[str]],
        order: int,
        min_count: tuple[int, ...] = (1,),
        fallback: tuple[float, float, float] = (0.5, 1.0, 1.5),
    ) -> None:
        self.order = order
        raw: Counter[Ngram] = Counter()
        for line in lines:
            words = (BEGIN, *line, END)
            for start in range(len(words)):
                raw.update(words[start : start + n] for n in range(1, order + 1)
                           if start + n <= len(words))  # fmt: skip
        least = [min_count[min(n, len(min_count)) - 1] for n in range(1, order + 1)]
        self.kept = {
            g
            for g, count in raw.items()
            if count >= least[len(g) - 1] or g in ((BEGIN,), (END,), (UNKNOWN,))
        }
        before: dict[Ngram, set[str]] = {}
        for g in raw:
            before.setdefault(g[1:], set()).add(g[0])
        self.count = {
            g: raw[g] if len(g) == order or g[0] == BEGIN else len(before[g]) for g in raw
        }
        del self.count[BEGIN,]
        self.discounts = [self._estimate_discounts(n, fallback) for n in range(1, order + 1)]
        self.words = sorted(({g[0] for g in self.kept if len(g) == 1} | {UNKNOWN}) - {BEGIN})
        self.p = cache(self._p)
        self.back_off = cache(self._back_off)

    def _estimate_discounts(
        self, length: int, fallback: tuple[float, float, float]
    ) -> tuple[float, ...]:
        n = Counter(count for g, count in self.count.items() if len(g) == length)
        if not (n[1] and n[2] and n[3]):
            return (0.0, *fallback)
        y = n[1] / (n[1] + 2 * n[2])
        discounts = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
        return (0.0, *(discounts if min(discounts) > 0 else fallback))

    def _discount(self, g: Ngram) -> float:
        return self.discounts[len(g) - 1][min(self.count[g], 3)]

    def _after(self, context: Ngram) -> list[Ngram]:
        return [g for g in self.count if g[:-1] == context]

    def _back_off(self, context: Ngram) -> float:
        after = self._after(context)
        if not after:
            return 1.0
        freed = sum(self._discount(g) if g in self.kept else self.count[g] for g in after)
        return freed / sum(self.count[g] for g in after)

    def _p(self, word: str, context: Ngram) -> float:
        """The probability of a known word after any words."""
        context = context[-(self.order - 1) :] if self.order > 1 else ()
        shorter = self.p(word, context[1:]) if context else 1 / len(self.words)
        g = (*context, word)
        p = self.back_off(context) * shorter
        if g in self.kept:
            p += (self.count[g] - self._discount(g)) / sum(
                self.count[other] for other in self._after(context)
            )
        return p

    def score(self, line: list[str]) -> float:
        """ln p of a sentence, its end included."""
        words = [BEGIN, *(word if word in self.words else UNKNOWN for word in line), END]
        return sum(math.log(self.p(words[i], tuple(words[:i]))) for i in range(1, len(words)))


def random_lines(random: random.Random, num_words: int, num_lines: int) -> list[list[str]]:
    """Sentences of few words, some much more frequent than others, so that n-grams repeat."""
    words = [f"w{n}" for n in range(num_words)]
    weights = [1 / (n + 1) for n in range(num_words)]
    return [
        random.choices(words, weights, k=random.choice([0, 1, 2, 5, 9])) for _ in range(num_lines)
    ]
