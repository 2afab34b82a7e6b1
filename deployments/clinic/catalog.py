"""The practice's own lists: definitions, preferences, staff, rooms, procedure codes, fees, carriers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache

import polars as pl

from deployments.clinic import words
from deployments.clinic.load import Loader
from deployments.clinic.practice import Practice

ADJ_TYPE, CONFIRMED, BILLING_TYPE, PAYMENT_TYPE, CODE_CATEGORY = 1, 2, 4, 10, 11
UNSCHEDULED, DIAGNOSIS, IMAGE_CATEGORY, TX_PRIORITY, BLOCKOUT, COMM_TYPE = 13, 16, 18, 20, 25, 27
UNEARNED, PROGNOSIS, CLAIM_TRACKING, INSURANCE_PAYMENT, TASK_PRIORITY = 29, 30, 31, 32, 33
SPECIALTY, PAYMENT_TRACKING, VERIFICATION, PAYMENT_GROUP, CLAIM_ERROR = 35, 36, 38, 40, 43

DEFINITIONS: Mapping[int, tuple[str, ...]] = {
    ADJ_TYPE: ("Cash Discount|-", "Professional Courtesy|-", "Late Charge|+", "Insurance write-off|-",
               "Discount Plan|dp", "Broken Appointment|+", "Finance Charge|+", "Senior 5%|-", "Bad Debt|-"),
    CONFIRMED: ("Unconfirmed|Unconf", "Confirmed|Conf", "Left Msg|LM", "Arrived|Arr", "In Chair|Chair", "Done|Done",
                "Texted|Text", "E-mailed|Email"),
    3: ("CompEx-4BW-Pano-Pro|D0150,D0274,D0330,D1110", "PerEx-Pro|D0120,D1110", "2BW|D0272"),
    BILLING_TYPE: ("Standard Account|", "Insurance pending|", "Collection|C", "No statement|", "Payment plan|",
                   "Courtesy|", "Employee|E"),
    PAYMENT_TYPE: ("Check|", "Cash|", "Credit Card|", "Patient Refund|", "CareCredit|", "Online|", "EFT|",
                   "Übertrag (old)|"),
    CODE_CATEGORY: ("Exams & X-rays|", "Cleanings|", "Fillings|", "Endo|", "Perio|", "Dentures|", "Oral Surgery|",
                    "Crown & Bridge|", "Misc|", "Ortho|", "Never Used|", "Inactive|"),
    12: ("TP|", "Complete|", "Existing Cur Prov|", "Existing Other Prov|", "Referred Out|"),
    UNSCHEDULED: ("Unscheduled|Unsch", "Mailed Postcard|Mail", "Left Message|LM", "E-mailed|Email", "Refused|No"),
    DIAGNOSIS: ("None|", "Decay|D", "Perio|P", "Fracture|F", "Sensitivity|S"),
    17: ("ASAP|", "Broken|", "New patient|", "Lab case due|"),
    IMAGE_CATEGORY: ("BWs|X", "FMXs|X", "Panos|X", "Photos|XP", "Patient Info|F", "Statements|S", "Consents|F",
                     "Insurance Cards|", "Lettres & EOBs|", "Treatment Plans|R"),
    TX_PRIORITY: ("1|", "2|", "3|", "Next|", "Recommended|", "Declined|"),
    21: ("Family Module Coverage|", "Perio Bleeding|", "Commlog Appt Related|"),
    22: ("Complete Dark|", "Complete Light|", "TP Dark|", "TP Light|"),
    23: ("Dentists|", "Labs|", "Suppliers|"),
    24: ("Recall letters|", "Collection letters|"),
    BLOCKOUT: ("Lunch|", "Emergency|", "Meeting|NS", "New patients only|", "Hygiene hold|"),
    26: ("Operative|", "Exams/Cleanings|", "C&B|"),
    COMM_TYPE: ("Misc|MISC", "Insurance|", "Financial|FIN", "Appt Related|APPT", "Fee Schedule|", "Recall|RECALL",
                "Text|TEXT", "Web sched|"),
    28: ("Composites|", "Disposables|", "Gloves|"),
    UNEARNED: ("Prepayment|", "Unearned|", "Treatment plan deposit|X", "Gift card (hidden)|X"),
    PROGNOSIS: ("Excellent|", "Good|", "Poor|", "Hopeless|"),
    CLAIM_TRACKING: ("Call insurance|", "Waiting for EOB|", "Resubmitted|", "Appealed|"),
    INSURANCE_PAYMENT: ("Check|", "EFT|E", "Credit Card|", "Virtual card|"),
    TASK_PRIORITY: ("Low|", "Normal|D", "High|R"),
    SPECIALTY: ("General|", "Hygienist|", "Endodontics|", "Pediatrics|", "Orthodontics|", "Oral Surgery|"),
    PAYMENT_TRACKING: ("Applied to deductible|", "Denied – frequency|", "Denied – not covered|", "Downgraded|"),
    37: ("D1206|", "D0140|"),
    VERIFICATION: ("Verified|V", "Unable to verify|", "Pending|"),
    39: ("North|", "South|"),
    PAYMENT_GROUP: ("Default|", "Lockbox|"),
    41: ("Operative notes|", "Hygiene notes|"),
    42: ("New patient exam|", "Emergency|"),
    CLAIM_ERROR: ("Missing info|M", "Duplicate|D", "Coverage ended|T"),
    44: ("General practice|",),
    45: ("Urgent|OnHold", "Normal|JobDefault"),
    46: ("Delta-like|", "Union|", "Medicaid|"),
    47: ("Ortho|", "In-house|"),
    49: ("PPO|", "HMO|", "Medicaid|"),
    50: ("Vacation|PTO", "Sick leave|PTO", "Bereavement|"),
    53: ("Insurance card front|", "Insurance card back|"),
    54: ("Callbacks|", "Billing|"),
    55: ("Hygiene|", "Surgery|"),
}  # fmt: skip
# Columns that point to definition by the category they take; others take any.
DEFINITION_COLUMNS: Mapping[str, int] = {
    "AdjType": ADJ_TYPE, "Confirmed": CONFIRMED, "BillingType": BILLING_TYPE, "PayType": PAYMENT_TYPE,
    "ProcCat": CODE_CATEGORY, "UnschedStatus": UNSCHEDULED, "RecallStatus": UNSCHEDULED, "Dx": DIAGNOSIS,
    "DocCategory": IMAGE_CATEGORY, "Priority": TX_PRIORITY, "BlockoutType": BLOCKOUT, "CommType": COMM_TYPE,
    "UnearnedType": UNEARNED, "Prognosis": PROGNOSIS, "TrackingDefNum": CLAIM_TRACKING, "Specialty": SPECIALTY,
    "TrackingErrorDefNum": CLAIM_ERROR, "ClaimPaymentTracking": PAYMENT_TRACKING, "PriorityDefNum": TASK_PRIORITY,
    "PayGroup": PAYMENT_GROUP, "CustomTracking": CLAIM_TRACKING, "CarrierGroupName": 46, "OperatoryType": 55,
    "PtoDefNum": 50, "TriageCategory": 54, "PlanCategory": 47, "Category": 41,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Definition:
    number: int
    category: int
    order: int
    name: str
    value: str


@cache
def definitions() -> tuple[Definition, ...]:
    """All definitions, numbered in the order of their categories."""
    found: list[Definition] = []
    for category, texts in DEFINITIONS.items():
        for order, text in enumerate(texts):
            name, value = text.split("|")
            found.append(Definition(len(found) + 1, category, order, name, value))
    return tuple(found)


def def_numbers(category: int) -> list[int]:
    return [definition.number for definition in definitions() if definition.category == category]


def def_number(category: int, name: str) -> int:
    return next(d.number for d in definitions() if d.category == category and d.name == name)


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


_EXAM, _CLEAN, _FILL, _ENDO, _PERIO = "Exams & X-rays", "Cleanings", "Fillings", "Endo", "Perio"
_DENTURE, _SURGERY, _CROWN, _MISC, _ORTHO = (
    "Dentures",
    "Oral Surgery",
    "Crown & Bridge",
    "Misc",
    "Ortho",
)
MAIN_CODES: tuple[Code, ...] = (
    Code("D0120", "recall exam", _EXAM, 5600), Code("D0140", "exam, one problem", _EXAM, 8200),
    Code("D0150", "exam, new patient", _EXAM, 9800), Code("D0210", "x-rays, full mouth", _EXAM, 15400),
    Code("D0220", "x-ray, first", _EXAM, 3100), Code("D0272", "bitewings, two", _EXAM, 4800),
    Code("D0274", "bitewings, four", _EXAM, 7100), Code("D0330", "panoramic x-ray", _EXAM, 12700),
    Code("D1110", "cleaning, adult", _CLEAN, 10500, 7, True, 50), Code("D1120", "cleaning, child", _CLEAN, 7600, 7, True),
    Code("D1206", "fluoride varnish", _CLEAN, 4100, 7, True, 10), Code("D1208", "fluoride", _CLEAN, 3700, 7, True, 10),
    Code("D1351", "sealant", _CLEAN, 5900, 2, True, 15), Code("D2140", "silver filling, 1 surf", _FILL, 15800, 1),
    Code("D2330", "white filling front, 1 surf", _FILL, 17500, 1), Code("D2331", "white filling front, 2 surf", _FILL, 21300, 1),
    Code("D2391", "white filling back, 1 surf", _FILL, 18900, 1), Code("D2392", "white filling back, 2 surf", _FILL, 24300, 1),
    Code("D2393", "white filling back, 3 surf", _FILL, 29900, 1), Code("D2740", "crown, ceramic", _CROWN, 131900, 2, False, 90),
    Code("D2750", "crown, metal ceramic", _CROWN, 124500, 2, False, 90), Code("D2950", "core build-up", _CROWN, 29700, 2),
    Code("D3310", "root canal, front", _ENDO, 79900, 2, False, 70), Code("D3320", "root canal, premolar", _ENDO, 91500, 2, False, 80),
    Code("D3330", "root canal, molar", _ENDO, 113900, 2, False, 100), Code("D4341", "deep cleaning, quadrant", _PERIO, 25700, 4, True, 60),
    Code("D4342", "deep cleaning, 1-3 teeth", _PERIO, 18700, 4, True, 40), Code("D4910", "perio maintenance", _PERIO, 15500, 7, True, 50),
    Code("D5110", "denture, upper", _DENTURE, 184900, 6, False, 60), Code("D5120", "denture, lower", _DENTURE, 184900, 6, False, 60),
    Code("D6240", "bridge tooth", _CROWN, 121900, 2, False, 60), Code("D7140", "extraction", _SURGERY, 19700, 2),
    Code("D7210", "extraction, surgical", _SURGERY, 30900, 2, False, 50), Code("D8080", "braces, teenager", _ORTHO, 549000, 7, False, 60),
    Code("D9110", "emergency relief", _MISC, 13900), Code("D9230", "nitrous oxide", _MISC, 7200),
    Code("D9986", "missed appointment", _MISC, 5000), Code("D9987", "cancelled appointment", _MISC, 2500),
    Code("~GRP~", "group note", "Never Used", 0), Code("Clo", "watch", "Never Used", 0, 2),
)  # fmt: skip
_RANGES = (
    (100, 999, _EXAM), (1000, 1999, _CLEAN), (2000, 2699, _FILL), (2700, 2999, _CROWN), (3000, 3999, _ENDO),
    (4000, 4999, _PERIO), (5000, 5999, _DENTURE), (6000, 6999, _CROWN), (7000, 7999, _SURGERY), (8000, 8999, _ORTHO),
    (9000, 9985, _MISC),
)  # fmt: skip


@cache
def codes(count: int) -> tuple[Code, ...]:
    """The main codes first, then others spread over the ranges of dental codes."""
    known = {code.code for code in MAIN_CODES}
    others: list[Code] = []
    step = 0
    while len(others) < count - len(MAIN_CODES):
        low, high, category = _RANGES[step % len(_RANGES)]
        number = low + (step // len(_RANGES)) * 13 % (high - low) + step // (len(_RANGES) * 77)
        code = f"D{number:04d}"
        if code not in known:
            known.add(code)
            others.append(
                Code(
                    code,
                    f"{category.lower()} no. {number}",
                    category,
                    2000 + number * 37 % 90000,
                    step % 7 + 1,
                )
            )
        step += 1
    return MAIN_CODES + tuple(others)


def code_number(code: str) -> int:
    return next(number for number, known in enumerate(MAIN_CODES, 1) if known.code == code)


# Days before its date that a pay plan's debit is due.
DUE_AHEAD = 10
PREFERENCES: Mapping[str, str] = {
    "ProgramVersion": "24.3.10.0", "DataBaseVersion": "24.3.10.0", "MySqlVersion": "10.11",
    "UpdateInProgressOnComputerName": "", "CorruptedDatabase": "0", "AgingProcLifo": "1", "PayPlansVersion": "2",
    "ReportsPPOwriteoffDefaultToProcDate": "0", "ReportPandIschedProdSubtractsWO": "0", "BrokenApptProcedure": "3",
    "RecallTypesShowingInList": "1,3", "RecallExcludeIfAnyFutureAppt": "0", "PayPlansBillInAdvanceDays": str(DUE_AHEAD),
    "AgingCalculatedMonthlyInsteadOfDaily": "0", "BalancesDontSubtractIns": "0", "EasyNoClinics": "0",
    "DefaultClinic": "1", "PracticeTitle": "Marrowford Dental «Collective»", "PracticePhone": "5555550100",
    "PracticeAddress": "12 Alder Street", "PracticeCity": "Marrowford", "PracticeST": "OR", "PracticeZip": "00000",
    "RandomPrimaryKeys": "0", "ReplicationUserNumQueryServer": "0", "SecurityLockDate": "", "SecurityLockDays": "0",
    "AppointmentTimeIncrement": "10", "TreatmentPlanNote": 'I agree to "the plan".\r\nSigned below:\t',
    "StatementAccountsUseChartNumber": "0", "DocPath": "C:\\OpenDentImages\\;\\\\server\\images\\", "Percent": "100%",
    "BillingDefaultsNote": "Thank you.\nMerci – ¡gracias!", "LanguageAndRegion": "en-US", "UseAlterLargeTable": "1",
}  # fmt: skip


def write_catalog(loader: Loader, practice: Practice) -> None:
    """Everything that is the same for every patient."""
    _write_definitions(loader)
    _write_preferences(loader, practice)
    _write_places(loader, practice)
    _write_staff(loader, practice)
    _write_codes(loader, practice)
    _write_carriers(loader, practice)
    _write_recall_types(loader)


def _write_definitions(loader: Loader) -> None:
    loader.append(
        "definition",
        pl.DataFrame(
            {
                "DefNum": [d.number for d in definitions()],
                "Category": [d.category for d in definitions()],
                "ItemOrder": [d.order for d in definitions()],
                "ItemName": [d.name for d in definitions()],
                "ItemValue": [d.value for d in definitions()],
                "ItemColor": [-(d.number * 7919) % 16777216 - 16777216 for d in definitions()],
                "IsHidden": [int("(old)" in d.name) for d in definitions()],
            }
        ),
    )


def _write_preferences(loader: Loader, practice: Practice) -> None:
    own = dict(PREFERENCES) | {
        "BrokenAppointmentAdjustmentType": str(def_number(ADJ_TYPE, "Broken Appointment")),
        "DateLastAging": str(practice.as_of),
        "PrepaymentUnearnedType": str(def_number(UNEARNED, "Prepayment")),
        "AppointmentConfirmStatus": str(def_number(CONFIRMED, "Confirmed")),
    }
    others = max(0, practice.rows("preference") - len(own))
    rows = own | {f"Synthetic{words.number_word(n)}{n}": str(n % 3) for n in range(others)}
    loader.append(
        "preference", pl.DataFrame({"PrefName": list(rows), "ValueString": list(rows.values())})
    )


def _write_places(loader: Loader, practice: Practice) -> None:
    n = practice.clinics
    names = ["Quillhaven Downtown", "Tarnwick – Côté Sud", "Ostermere", "Vellmont Kids"][:n]
    loader.append(
        "clinic",
        pl.DataFrame(
            {
                "Description": names,
                "Abbr": [name[:4] for name in names],
                "Address": list(words.STREETS[:n]),
                "City": list(words.CITIES[:n]),
                "State": ["OR"] * n,
                "Zip": [f"0000{i}" for i in range(n)],
                "Phone": [f"55555501{i:02d}" for i in range(n)],
                "ItemOrder": list(range(n)),
            }
        ),
    )


def is_hygienist(number: int) -> bool:
    """Every second provider from the fourth on cleans teeth."""
    return number >= 4 and number % 2 == 0


def hygienists(practice: Practice) -> list[int]:
    return [number for number in range(1, practice.providers + 1) if is_hygienist(number)]


def dentists(practice: Practice) -> list[int]:
    return [number for number in range(1, practice.providers + 1) if not is_hygienist(number)]


def clinic_of(practice: Practice, provider: pl.Expr) -> pl.Expr:
    """Everyone works at one place, dentists and hygienists at each."""
    return (provider - 1) // 2 % practice.clinics + 1


def _write_staff(loader: Loader, practice: Practice) -> None:
    numbers = range(1, practice.providers + 1)
    last = [words.number_word(n + 40) for n in numbers]
    loader.append(
        "provider",
        pl.DataFrame(
            {
                "Abbr": [f"{'HYG' if is_hygienist(n) else 'DOC'}{n}" for n in numbers],
                "ItemOrder": list(numbers),
                "LName": last,
                "FName": [words.FIRST_NAMES[n * 31 % len(words.FIRST_NAMES)] for n in numbers],
                "Suffix": ["RDH" if is_hygienist(n) else "DMD" for n in numbers],
                "FeeSched": [1] * len(numbers),
                "Specialty": [
                    def_number(SPECIALTY, "Hygienist" if is_hygienist(n) else "General")
                    for n in numbers
                ],
                "IsSecondary": [int(is_hygienist(n)) for n in numbers],
                "IsHidden": [int(n % 19 == 0) for n in numbers],
                "IsHiddenReport": [int(n % 23 == 5) for n in numbers],
                "SigOnFile": [1] * len(numbers),
                "NationalProvID": [f"1{n:09d}" for n in numbers],
                "ProvColor": [-n * 65793 for n in numbers],
                "HourlyProdGoalAmt": [float(250 + n % 4 * 100) for n in numbers],
                "Birthdate": [date(1960 + n % 35, 3, 2) for n in numbers],
                "SchedNote": ["" if n % 5 else 'Fridays\tonly\r\nno "kids"' for n in numbers],
            }
        ),
    )
    staff = range(1, practice.employees + 1)
    loader.append(
        "employee",
        pl.DataFrame(
            {
                "LName": [words.number_word(n + 700) for n in staff],
                "IsHidden": [int(n % 13 == 0) for n in staff],
                "FName": [words.FIRST_NAMES[n * 17 % len(words.FIRST_NAMES)] for n in staff],
            }
        ),
    )
    users = range(1, practice.users + 1)
    loader.append(
        "usergroup",
        pl.DataFrame(
            {"Description": [f"Group {n}" for n in range(1, practice.rows("usergroup") + 1)]}
        ),
    )
    loader.append(
        "userod",
        pl.DataFrame(
            {
                "UserName": [
                    "Admin" if n == 1 else f"{words.number_word(n + 90)}{n}" for n in users
                ],
                "Password": ["" for _ in users],
                "UserGroupNum": [0 for _ in users],
                "EmployeeNum": [n % practice.employees + 1 if n % 2 else 0 for n in users],
                "ProvNum": [n % practice.providers + 1 if n % 4 == 0 else 0 for n in users],
                "IsHidden": [int(n % 17 == 0) for n in users],
            }
        ),
    )
    loader.append(
        "usergroupattach",
        pl.DataFrame(
            {
                "UserNum": list(users),
                "UserGroupNum": [n % practice.rows("usergroup") + 1 for n in users],
            }
        ),
    )


def _write_codes(loader: Loader, practice: Practice) -> None:
    known = codes(practice.procedure_codes)
    loader.append(
        "procedurecode",
        pl.DataFrame(
            {
                "ProcCode": [c.code for c in known],
                "Descript": [c.words for c in known],
                "AbbrDesc": [c.words[:8] for c in known],
                "LaymanTerm": [c.words.capitalize() for c in known],
                "ProcTime": ["/" + "X" * (c.minutes // 5) + "/" for c in known],
                "ProcCat": [def_number(CODE_CATEGORY, c.category) for c in known],
                "TreatArea": [c.area for c in known],
                "IsHygiene": [int(c.hygiene) for c in known],
                "NoBillIns": [int(c.code.startswith("D998")) for c in known],
                "IsProsth": [int(c.category in (_DENTURE, _CROWN)) for c in known],
                "IsRadiology": [int("x-ray" in c.words or "bitewing" in c.words) for c in known],
                "DefaultNote": [
                    words.CLINICAL[n % 10] if n % 3 == 0 else "" for n in range(len(known))
                ],
            }
        ),
    )
    schedules = max(6, practice.rows("feesched"))
    loader.append(
        "feesched",
        pl.DataFrame(
            {
                "Description": ["Standard", "PPO Tarn", "PPO Quill", "Kassengebühr"]
                + [f"Auto {n}" for n in range(5, schedules + 1)],
                "FeeSchedType": [0, 0, 0, 0] + [3 + n % 2 for n in range(5, schedules + 1)],
                "ItemOrder": list(range(schedules)),
                "IsHidden": [int(n > 40) for n in range(1, schedules + 1)],
            }
        ),
    )
    fees = pl.DataFrame({"CodeNum": range(1, len(known) + 1), "cents": [c.cents for c in known]})
    used = max(3, min(schedules, practice.rows("fee") // len(known)))
    loader.append(
        "fee",
        fees.join(pl.DataFrame({"FeeSched": range(1, used + 1)}), how="cross").select(
            "CodeNum",
            "FeeSched",
            OldCode=pl.lit(""),
            Amount=(pl.col("cents") * (103 - pl.col("FeeSched") % 40) // 102) / 100,
            SecDateEntry=pl.lit(practice.opened),
        ),
    )


def _write_carriers(loader: Loader, practice: Practice) -> None:
    n = range(1, practice.carriers + 1)
    loader.append(
        "carrier",
        pl.DataFrame(
            {
                "CarrierName": [
                    f"{words.number_word(i + 300)} {('Dental', 'Mutual', 'Assur. & Co', 'Benefits')[i % 4]}"
                    for i in n
                ],
                "Address": [f"PO Box {i * 37 % 9999}" for i in n],
                "City": [words.CITIES[i % 8] for i in n],
                "State": ["OR" for _ in n],
                "Zip": [f"{i * 7 % 99999:05d}" for i in n],
                "Phone": [f"1555{i:07d}" for i in n],
                "ElectID": [f"{i * 13 % 99999:05d}" for i in n],
                "SecDateEntry": [practice.opened for _ in n],
            }
        ),
    )
    employers = range(1, max(5, practice.rows("employer")) + 1)
    loader.append(
        "employer",
        pl.DataFrame(
            {
                "EmpName": [
                    f"{words.number_word(i + 1100)} {('Mills', 'Foods', 'Söhne', 'Trucking')[i % 4]} {i}"
                    for i in employers
                ],
            }
        ),
    )


RECALL_TYPES = (("Prophy", 393217, "D1110"), ("Child Prophy", 393216, "D1120"), ("Perio", 196609, "D4910"),
                ("4BW", 16777217, "D0274"), ("FMX/Pano", 83886081, "D0330"))  # fmt: skip


def _write_recall_types(loader: Loader) -> None:
    extra = [(f"Custom {n}", 393216, "D0120") for n in range(1, 6)]
    types = [*RECALL_TYPES, *extra]
    loader.append(
        "recalltype",
        pl.DataFrame(
            {
                "Description": [t[0] for t in types],
                "DefaultInterval": [t[1] for t in types],
                "TimePattern": ["/XXXX/"] * len(types),
                "Procedures": [t[2] for t in types],
            }
        ),
    )
    loader.append(
        "recalltrigger",
        pl.DataFrame(
            {
                "RecallTypeNum": list(range(1, 6)),
                "CodeNum": [code_number(t[2]) for t in RECALL_TYPES],
            }
        ),
    )


def history(practice: Practice, count: int) -> list[datetime]:
    """Dates of program upgrades, oldest first."""
    return [practice.now - timedelta(days=190 * (count - n), hours=n) for n in range(count)]
