"""Word-by-word translation: what machine translation is without phrases and without reordering."""
