"""Procedure codes with their fees."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Code:
    """A procedure code: `cents` is the usual fee, `area` OpenDental's treatment area."""

    code: str
    words: str
    category: str
    cents: int
    area: int = 7
    hygiene: bool = False
    minutes: int = 30


EXAM, CLEAN, FILL, ENDO, PERIO = "Exams & X-rays", "Cleanings", "Fillings", "Endo", "Perio"
DENTURE, SURGERY, CROWN = "Dentures", "Oral Surgery", "Crown & Bridge"
MISC, ORTHO = "Misc", "Ortho"
MAIN_CODES: tuple[Code, ...] = (
    Code("D0120", "recall exam", EXAM, 5600),
    Code("D0140", "exam, one problem", EXAM, 8200),
    Code("D0150", "exam, new patient", EXAM, 9800),
    Code("D0210", "x-rays, full mouth", EXAM, 15400),
    Code("D0220", "x-ray, first", EXAM, 3100),
    Code("D0272", "bitewings, two", EXAM, 4800),
    Code("D0274", "bitewings, four", EXAM, 7100),
    Code("D0330", "panoramic x-ray", EXAM, 12700),
    Code("D1110", "cleaning, adult", CLEAN, 10500, 7, True, 50),
    Code("D1120", "cleaning, child", CLEAN, 7600, 7, True),
    Code("D1206", "fluoride varnish", CLEAN, 4100, 7, True, 10),
    Code("D1208", "fluoride", CLEAN, 3700, 7, True, 10),
    Code("D1351", "sealant", CLEAN, 5900, 2, True, 15),
    Code("D2140", "silver filling, 1 surf", FILL, 15800, 1),
    Code("D2330", "white filling front, 1 surf", FILL, 17500, 1),
    Code("D2331", "white filling front, 2 surf", FILL, 21300, 1),
    Code("D2391", "white filling back, 1 surf", FILL, 18900, 1),
    Code("D2392", "white filling back, 2 surf", FILL, 24300, 1),
    Code("D2393", "white filling back, 3 surf", FILL, 29900, 1),
    Code("D2740", "crown, ceramic", CROWN, 131900, 2, False, 90),
    Code("D2750", "crown, metal ceramic", CROWN, 124500, 2, False, 90),
    Code("D2950", "core build-up", CROWN, 29700, 2),
    Code("D3310", "root canal, front", ENDO, 79900, 2, False, 70),
    Code("D3320", "root canal, premolar", ENDO, 91500, 2, False, 80),
    Code("D3330", "root canal, molar", ENDO, 113900, 2, False, 100),
    Code("D4341", "deep cleaning, quadrant", PERIO, 25700, 4, True, 60),
    Code("D4342", "deep cleaning, 1-3 teeth", PERIO, 18700, 4, True, 40),
    Code("D4910", "perio maintenance", PERIO, 15500, 7, True, 50),
    Code("D5110", "denture, upper", DENTURE, 184900, 6, False, 60),
    Code("D5120", "denture, lower", DENTURE, 184900, 6, False, 60),
    Code("D6240", "bridge tooth", CROWN, 121900, 2, False, 60),
    Code("D7140", "extraction", SURGERY, 19700, 2),
    Code("D7210", "extraction, surgical", SURGERY, 30900, 2, False, 50),
    Code("D8080", "braces, teenager", ORTHO, 549000, 7, False, 60),
    Code("D9110", "emergency relief", MISC, 13900),
    Code("D9230", "nitrous oxide", MISC, 7200),
    Code("D9986", "missed appointment", MISC, 5000),
    Code("D9987", "cancelled appointment", MISC, 2500),
    Code("~GRP~", "group note", "Never Used", 0),
    Code("Clo", "watch", "Never Used", 0, 2),
)
_RANGES = (
    (100, 999, EXAM), (1000, 1999, CLEAN), (2000, 2699, FILL), (2700, 2999, CROWN),
    (3000, 3999, ENDO), (4000, 4999, PERIO), (5000, 5999, DENTURE), (6000, 6999, CROWN),
    (7000, 7999, SURGERY), (8000, 8999, ORTHO), (9000, 9985, MISC),
)  # fmt: skip


@cache
def all_codes(count: int) -> tuple[Code, ...]:
    """Return the main codes first, then others spread over the ranges of dental codes."""
    known = {code.code for code in MAIN_CODES}
    others: list[Code] = []
    step = 0
    while len(others) < count - len(MAIN_CODES):
        low, high, category = _RANGES[step % len(_RANGES)]
        number = low + (step // len(_RANGES)) * 13 % (high - low) + step // (len(_RANGES) * 77)
        code = f"D{number:04d}"
        if code not in known:
            known.add(code)
            name, cents = f"{category.lower()} no. {number}", 2000 + number * 37 % 90000
            others.append(Code(code, name, category, cents, area=step % 7 + 1))
        step += 1
    return MAIN_CODES + tuple(others)


def number(code: str) -> int:
    """Return a main code's CodeNum."""
    return next(number for number, known in enumerate(MAIN_CODES, 1) if known.code == code)
