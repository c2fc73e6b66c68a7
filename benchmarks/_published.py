"""Numbers of the two papers, as their tables have them."""

import csv
from pathlib import Path

FILE = Path(__file__).with_name("published.csv")


def published(**wanted):
    """Rows (dicts of text) whose columns hold all of the wanted texts."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return [
            row
            for row in csv.DictReader(file)
            if all(
                str(text).lower() in row[key].lower() for key, text in wanted.items()
            )
        ]


def print_published(rows):
    """Print rows of the papers under our own."""
    if not rows:
        print("\nThe papers list no number for this setting.")
        return
    print("\nPublished (F):")
    for row in rows:
        setting = f"{row['backbone']} {row['pretrained']}, {row['protocol']}"
        print(f"  {row['data']}, {setting}, {row['method']}: {row['value']}")
