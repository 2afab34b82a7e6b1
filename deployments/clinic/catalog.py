"""The practice's own lists: preferences, places, staff, procedure codes, fees and carriers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from deployments.clinic import codes, definitions, words
from deployments.clinic.load import Loader
from deployments.clinic.practice import Practice

# A pay plan's debit is due this many days before its date.
DUE_AHEAD = 10
PREFERENCES: Mapping[str, str] = {
    "ProgramVersion": "24.3.10.0", "DataBaseVersion": "24.3.10.0", "MySqlVersion": "10.11",
    "UpdateInProgressOnComputerName": "", "CorruptedDatabase": "0", "AgingProcLifo": "1",
    "PayPlansVersion": "2", "ReportsPPOwriteoffDefaultToProcDate": "0",
    "ReportPandIschedProdSubtractsWO": "0", "BrokenApptProcedure": "3",
    "RecallTypesShowingInList": "1,3", "RecallExcludeIfAnyFutureAppt": "0",
    "PayPlansBillInAdvanceDays": str(DUE_AHEAD), "AgingCalculatedMonthlyInsteadOfDaily": "0",
    "BalancesDontSubtractIns": "0", "EasyNoClinics": "0", "DefaultClinic": "1",
    "PracticeTitle": "Marrowford Dental «Collective»", "PracticePhone": "5555550100",
    "PracticeAddress": "12 Alder Street", "PracticeCity": "Marrowford", "PracticeST": "OR",
    "PracticeZip": "00000", "RandomPrimaryKeys": "0", "ReplicationUserNumQueryServer": "0",
    "SecurityLockDate": "", "SecurityLockDays": "0", "AppointmentTimeIncrement": "10",
    "TreatmentPlanNote": 'I agree to "the plan".\r\nSigned below:\t',
    "StatementAccountsUseChartNumber": "0", "DocPath": "C:\\OpenDentImages\\;\\\\server\\images\\",
    "Percent": "100%", "BillingDefaultsNote": "Thank you.\nMerci – ¡gracias!",
    "LanguageAndRegion": "en-US", "UseAlterLargeTable": "1",
}  # fmt: skip


def write_catalog(loader: Loader, practice: Practice) -> None:
    """Write everything that is the same for every patient."""
    _write_definitions(loader)
    _write_preferences(loader, practice)
    _write_places(loader, practice)
    _write_providers(loader, practice)
    _write_employees(loader, practice)
    _write_users(loader, practice)
    _write_codes(loader, practice)
    _write_fees(loader, practice)
    _write_carriers(loader, practice)
    _write_recall_types(loader)


def _write_definitions(loader: Loader) -> None:
    loader.append(
        "definition",
        pl.DataFrame(
            {
                "DefNum": [d.number for d in definitions.all_definitions()],
                "Category": [d.category for d in definitions.all_definitions()],
                "ItemOrder": [d.order for d in definitions.all_definitions()],
                "ItemName": [d.name for d in definitions.all_definitions()],
                "ItemValue": [d.value for d in definitions.all_definitions()],
                "ItemColor": [
                    -(d.number * 7919) % 16777216 - 16777216 for d in definitions.all_definitions()
                ],
                "IsHidden": [int("(old)" in d.name) for d in definitions.all_definitions()],
            }
        ),
    )


def _write_preferences(loader: Loader, practice: Practice) -> None:
    own = dict(PREFERENCES) | {
        "BrokenAppointmentAdjustmentType": str(
            definitions.number(definitions.ADJ_TYPE, "Broken Appointment")
        ),
        "DateLastAging": str(practice.as_of),
        "PrepaymentUnearnedType": str(definitions.number(definitions.UNEARNED, "Prepayment")),
        "AppointmentConfirmStatus": str(definitions.number(definitions.CONFIRMED, "Confirmed")),
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
    """Tell whether a provider cleans teeth: every second one from the fourth on."""
    return number >= 4 and number % 2 == 0


def hygienists(practice: Practice) -> list[int]:
    """Return the numbers of the hygienists."""
    return [number for number in range(1, practice.providers + 1) if is_hygienist(number)]


def dentists(practice: Practice) -> list[int]:
    """Return the numbers of the dentists."""
    return [number for number in range(1, practice.providers + 1) if not is_hygienist(number)]


def clinic_of(practice: Practice, provider: pl.Expr) -> pl.Expr:
    """Return the one clinic where a provider works; each has dentists and hygienists."""
    return (provider - 1) // 2 % practice.clinics + 1


def _write_providers(loader: Loader, practice: Practice) -> None:
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
                    definitions.number(
                        definitions.SPECIALTY, "Hygienist" if is_hygienist(n) else "General"
                    )
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


def _write_employees(loader: Loader, practice: Practice) -> None:
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


def _write_users(loader: Loader, practice: Practice) -> None:
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
    known = codes.all_codes(practice.procedure_codes)
    loader.append(
        "procedurecode",
        pl.DataFrame(
            {
                "ProcCode": [c.code for c in known],
                "Descript": [c.words for c in known],
                "AbbrDesc": [c.words[:8] for c in known],
                "LaymanTerm": [c.words.capitalize() for c in known],
                "ProcTime": ["/" + "X" * (c.minutes // 5) + "/" for c in known],
                "ProcCat": [
                    definitions.number(definitions.CODE_CATEGORY, c.category) for c in known
                ],
                "TreatArea": [c.area for c in known],
                "IsHygiene": [int(c.hygiene) for c in known],
                "NoBillIns": [int(c.code.startswith("D998")) for c in known],
                "IsProsth": [int(c.category in (codes.DENTURE, codes.CROWN)) for c in known],
                "IsRadiology": [int("x-ray" in c.words or "bitewing" in c.words) for c in known],
                "DefaultNote": [
                    words.CLINICAL[n % 10] if n % 3 == 0 else "" for n in range(len(known))
                ],
            }
        ),
    )


def _write_fees(loader: Loader, practice: Practice) -> None:
    known = codes.all_codes(practice.procedure_codes)
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
                "CarrierName": [f"{words.number_word(i + 300)} {_CARRIERS[i % 4]}" for i in n],
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
                    f"{words.number_word(i + 1100)} {_EMPLOYERS[i % 4]} {i}" for i in employers
                ],
            }
        ),
    )


_CARRIERS = ("Dental", "Mutual", "Assur. & Co", "Benefits")
_EMPLOYERS = ("Mills", "Foods", "Söhne", "Trucking")
RECALL_TYPES = (
    ("Prophy", 393217, "D1110"),
    ("Child Prophy", 393216, "D1120"),
    ("Perio", 196609, "D4910"),
    ("4BW", 16777217, "D0274"),
    ("FMX/Pano", 83886081, "D0330"),
)


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
                "CodeNum": [codes.number(t[2]) for t in RECALL_TYPES],
            }
        ),
    )
