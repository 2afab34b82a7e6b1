"""Text as it may be shown: what a server calls a table cannot move a cursor, begin a line or turn
the reading round.
"""

from __future__ import annotations

import logging
import re
from unicodedata import category

# Control characters, those of direction and other formats, halves of pairs, and ends of lines and
# paragraphs.
UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
MARKDOWN = re.compile(r"([\\`*_\[\]<>&|~#$:!])")


def printable(text: str) -> str:
    """Return a text with each character that is not one to look at written as Python does, `\\x1b`
    say.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _written(character) if category(character) in UNSHOWN else character for character in text
    )


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode()


def markdown(text: str) -> str:
    """Return a text that reads the same where it is taken for Markdown."""
    return MARKDOWN.sub(r"\\\1", printable(text))


def one_line(record: logging.LogRecord) -> bool:
    """Let a record pass, made printable: a filter of our loggers, so that it is so in every log and
    on every console.
    """
    record.msg, record.args = printable(record.getMessage()), None
    return True
