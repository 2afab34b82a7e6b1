"""Draws groups of horizontal bars as an SVG file, for reading without a program."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

WIDTH, LABELS, BAR, GAP, HEAD = 760, 190, 16, 4, 30
OURS, OTHERS, LIMITS = "#2f7fd0", "#9aa5b1", "#d5dbe1"


def bars(
    file: Path,
    title: str,
    groups: Mapping[str, Mapping[str, float]],
    ours: str,
    limits: frozenset[str],
) -> None:
    """Write each group's bars, the longest on top; those that are limits, not competitors, are paler."""
    longest = max(value for group in groups.values() for value in group.values())
    shapes, y = [], HEAD
    for name, group in groups.items():
        y += HEAD
        shapes.append(f'<text x="0" y="{y - 10}" font-weight="bold">{escape(name)}</text>')
        for label, value in sorted(group.items(), key=lambda each: -each[1]):
            width = value / longest * (WIDTH - LABELS - 90)
            colour = OURS if label == ours else LIMITS if label in limits else OTHERS
            shapes += [
                f'<text x="{LABELS - 8}" y="{y + BAR - 4}" text-anchor="end">{escape(label)}</text>',
                f'<rect x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>',
                f'<text x="{LABELS + width + 6:.1f}" y="{y + BAR - 4}">{value:,.0f}</text>',
            ]
            y += BAR + GAP
    file.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 0 {WIDTH + 20} {y + 10}" font-size="12"'
        ' font-family="system-ui, sans-serif" fill="#222"><rect x="-10" width="100%" height="100%" fill="white"/>'
        f'<text x="0" y="20" font-size="14" font-weight="bold">{escape(title)}</text>{"".join(shapes)}</svg>\n'
    )
