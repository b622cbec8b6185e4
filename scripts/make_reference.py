"""Write the reference documentation of recipes, and their JSON Schema, to docs/."""

from __future__ import annotations

from pathlib import Path

from nmt.recipe.reference import recipe_reference, recipe_schema_text


def main() -> None:
    """Write both files."""
    docs = Path(__file__).resolve().parents[1] / "docs"
    docs.mkdir(exist_ok=True)
    (docs / "recipe.md").write_text(recipe_reference(), encoding="utf-8")
    (docs / "recipe.schema.json").write_text(recipe_schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
