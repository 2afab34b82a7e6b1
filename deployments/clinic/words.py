"""Invented names and sentences, and the ugly texts that real practices have."""

from __future__ import annotations

_HEADS = (
    "Bar Cor Dal Fen Gor Hal Jas Kel Lom Mer Nol Or Pel Quin Ros Sal Tor Ul Ven Wal Yar Zel "
    "Bre Cla Dro Fri Gla"
).split()
_MIDDLES = "a e i o u an el in or ur al en is".split()
_TAILS = (
    "bek din fax gard hoff kin lund mont nell quist row sby tham vik wold zer dale ford mere stow"
).split()
_ODD_LAST = (
    "O'Tarrin", "D'Ambolé", "Müllenbek", "Åsgarden", "Ñuñarez", "Löwenstow", "van der Quell",
    "Saint-Orvé", "Dvořkin", 'Halbek "Bud"', "McFenn, Jr.", "Zażółtow", "Øresund-Kel", "NULL",
    "Ωmegas", "N/A", "李明川", "Null\\Void",
)  # fmt: skip
_FIRST_HEADS = "Al Bel Cas Da El Fi Gre Ha Is Jo Ka Li Ma Ne Ol Pa Ro Sa Ti Vi Wy Ze".split()
_FIRST_TAILS = "bo ca den lia mon na rin sha tor va wen xi ya zo".split()
_ODD_FIRST = (
    "Zoë",
    "André",
    "Ma ry",
    "José-Lu",
    "Čaron",
    "D’Arvo",
    " Trell",
    "Bren ",
    "Jörn",
    "N",
    "",
)

LAST_NAMES = tuple(
    head + middle + tail for head in _HEADS for middle in _MIDDLES for tail in _TAILS
)
FIRST_NAMES = tuple(
    head + middle + tail for head in _FIRST_HEADS for middle in "aeio" for tail in _FIRST_TAILS
)
ODD_LAST_NAMES = _ODD_LAST
ODD_FIRST_NAMES = _ODD_FIRST

_STREET_HEADS = "Alder Birch Cobble Drift Ember Fern Granite Heron".split()
_STREET_TAILS = " Street| Avenue| Lane| Court| Road|wood Drive| St. #4| Blvd".split("|")
STREETS = tuple(head + tail for head in _STREET_HEADS for tail in _STREET_TAILS)
CITIES = (
    "Marrowford",
    "Quillhaven",
    "Tarnwick",
    "Ostermere",
    "Vellmont",
    "San Ysolde",
    "Écluse-sur-Brume",
    "Nordvik",
)
STATES = ("OR", "WA", "ID", "CA", "or", "")

UGLY = (
    "tab\there and\tthere",
    "two\nlines",
    "Windows\r\nlines\r\n",
    "lone\rreturn",
    'says "quoted" and \'single\'',
    "back\\slash C:\\OpenDentImages\\",
    "\\N",
    "NULL",
    "null",
    "100% of 50 % off %s %d {0}",
    "  leading and trailing  ",
    "ends with backslash\\",
    "comma, semicolon; pipe| and ,\"mixed\"",
    "naïve café – “typographic” … €",
    "Ελληνικά, кириллица, 漢字",
    "non\u00a0breaking\u200bzero\ufeffwidth",
    "control\x01\x02\x1fcharacters",
    '"',
    "'; drop table nothing; --",
    "<b>html</b> &amp; &nbsp;",
    "-",
    "0",
    " ",
    "\t",
    "\n",
)  # fmt: skip

_SUBJECTS = (
    "Patient",
    "Parent",
    "Spouse",
    "Caller",
    "Front desk",
    "Pharmacy",
    "Insurance",
    "Lab",
    "Hygienist",
)
_DEEDS = (
    "asked about the balance", "confirmed the appointment", "left a message",
    "reports cold sensitivity", "prefers mornings", "wants an estimate first", "will call back",
    "sent the records", "moved to another address", "declined the radiographs",
    "was happy with the crown", "needs premedication", "requests a later time",
)  # fmt: skip
_ENDS = (
    ".",
    "!",
    " (see chart).",
    " — follow up in 2 wks.",
    ", per phone call.",
    " again.",
    "; note scanned.",
)

SENTENCES = tuple(f"{who} {deed}{end}" for who in _SUBJECTS for deed in _DEEDS for end in _ENDS)
CLINICAL = (
    "2 carp. lidocaine 2% 1:100k epi, no complications.",
    "Shade A2, bite checked, patient comfortable.",
    "Prophy, fluoride varnish, OHI given.\r\nNext visit: 6 months.", "BP 128/82. RMHX, no changes.",
    "Caries excavated, pulp not exposed.\nBonded, cured, polished.",
    "Temp cement, contacts tight; margin sealed.",
    "SRP quadrant, bleeding moderate, irrigation with CHX.",
    "Extraction simple, haemostasis achieved, gauze.",
    "Impression taken, bite registered. Lab: due 2 wks.", "Pt tolerated well.\tNV: seat crown.",
)  # fmt: skip
SHORT = (
    "",
    "see note",
    "ok",
    "n/a",
    "verified",
    "scan",
    "old",
    "Misc.",
    "pending",
    "x",
    "Δ",
    "copy",
)
DRUGS = (
    "Amoxillin 500",
    "Clindavar 150",
    "Ibuprell 600",
    "Acetavon 325",
    "Chlorhexal rinse",
    "Penvek VK",
    "Norcodal",
)


def number_word(value: int) -> str:
    """Return a distinct invented word for each number."""
    return LAST_NAMES[(value * 7919) % len(LAST_NAMES)]
