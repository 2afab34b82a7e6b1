"""The standard rules by which a value of `raw` becomes one of `public`."""

from __future__ import annotations

# OpenDental writes these where it has no date.
EMPTY_DATES = ("0001-01-01", "1900-01-01")

# White space around a text, the no-break space included; PostgreSQL would read \v as the letter v.
TRIMMED = r"E' \t\n\r\f\x0B\u00A0'"

EXPRESSIONS = {
    "text": f"btrim({{c}}, {TRIMMED})",
    "date": "CASE WHEN {c} NOT IN ("
    + ", ".join(f"DATE '{date}'" for date in EMPTY_DATES)
    + ") THEN {c} END",
    "timestamp": "CASE WHEN {c} NOT IN ("
    + ", ".join(f"TIMESTAMP '{date}'" for date in EMPTY_DATES)
    + ") THEN {c} END",
}
