"""``nmt-bench``: the systems of a recipe side by side, measured, compared and shown."""
