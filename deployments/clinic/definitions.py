"""The practice's definitions: its own lists of words, such as types of adjustments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

ADJ_TYPE, CONFIRMED, BILLING_TYPE, PAYMENT_TYPE, CODE_CATEGORY = 1, 2, 4, 10, 11
UNSCHEDULED, DIAGNOSIS, IMAGE_CATEGORY, TX_PRIORITY, BLOCKOUT, COMM_TYPE = 13, 16, 18, 20, 25, 27
UNEARNED, PROGNOSIS, CLAIM_TRACKING, INSURANCE_PAYMENT, TASK_PRIORITY = 29, 30, 31, 32, 33
SPECIALTY, PAYMENT_TRACKING, VERIFICATION, PAYMENT_GROUP, CLAIM_ERROR = 35, 36, 38, 40, 43
DEFINITIONS: Mapping[int, tuple[str, ...]] = {
    ADJ_TYPE: (
        "Cash Discount|-", "Professional Courtesy|-", "Late Charge|+", "Insurance write-off|-",
        "Discount Plan|dp", "Broken Appointment|+", "Finance Charge|+", "Senior 5%|-", "Bad Debt|-",
    ),
    CONFIRMED: (
        "Unconfirmed|Unconf", "Confirmed|Conf", "Left Msg|LM", "Arrived|Arr", "In Chair|Chair",
        "Done|Done", "Texted|Text", "E-mailed|Email",
    ),
    3: ("CompEx-4BW-Pano-Pro|D0150,D0274,D0330,D1110", "PerEx-Pro|D0120,D1110", "2BW|D0272"),
    BILLING_TYPE: (
        "Standard Account|", "Insurance pending|", "Collection|C", "No statement|", "Payment plan|",
        "Courtesy|", "Employee|E",
    ),
    PAYMENT_TYPE: (
        "Check|", "Cash|", "Credit Card|", "Patient Refund|", "CareCredit|", "Online|", "EFT|",
        "Übertrag (old)|",
    ),
    CODE_CATEGORY: (
        "Exams & X-rays|", "Cleanings|", "Fillings|", "Endo|", "Perio|", "Dentures|",
        "Oral Surgery|", "Crown & Bridge|", "Misc|", "Ortho|", "Never Used|", "Inactive|",
    ),
    12: ("TP|", "Complete|", "Existing Cur Prov|", "Existing Other Prov|", "Referred Out|"),
    UNSCHEDULED: (
        "Unscheduled|Unsch", "Mailed Postcard|Mail", "Left Message|LM", "E-mailed|Email",
        "Refused|No",
    ),
    DIAGNOSIS: ("None|", "Decay|D", "Perio|P", "Fracture|F", "Sensitivity|S"),
    17: ("ASAP|", "Broken|", "New patient|", "Lab case due|"),
    IMAGE_CATEGORY: (
        "BWs|X", "FMXs|X", "Panos|X", "Photos|XP", "Patient Info|F", "Statements|S", "Consents|F",
        "Insurance Cards|", "Lettres & EOBs|", "Treatment Plans|R",
    ),
    TX_PRIORITY: ("1|", "2|", "3|", "Next|", "Recommended|", "Declined|"),
    21: ("Family Module Coverage|", "Perio Bleeding|", "Commlog Appt Related|"),
    22: ("Complete Dark|", "Complete Light|", "TP Dark|", "TP Light|"),
    23: ("Dentists|", "Labs|", "Suppliers|"),
    24: ("Recall letters|", "Collection letters|"),
    BLOCKOUT: ("Lunch|", "Emergency|", "Meeting|NS", "New patients only|", "Hygiene hold|"),
    26: ("Operative|", "Exams/Cleanings|", "C&B|"),
    COMM_TYPE: (
        "Misc|MISC", "Insurance|", "Financial|FIN", "Appt Related|APPT", "Fee Schedule|",
        "Recall|RECALL", "Text|TEXT", "Web sched|",
    ),
    28: ("Composites|", "Disposables|", "Gloves|"),
    UNEARNED: ("Prepayment|", "Unearned|", "Treatment plan deposit|X", "Gift card (hidden)|X"),
    PROGNOSIS: ("Excellent|", "Good|", "Poor|", "Hopeless|"),
    CLAIM_TRACKING: ("Call insurance|", "Waiting for EOB|", "Resubmitted|", "Appealed|"),
    INSURANCE_PAYMENT: ("Check|", "EFT|E", "Credit Card|", "Virtual card|"),
    TASK_PRIORITY: ("Low|", "Normal|D", "High|R"),
    SPECIALTY: (
        "General|", "Hygienist|", "Endodontics|", "Pediatrics|", "Orthodontics|", "Oral Surgery|",
    ),
    PAYMENT_TRACKING: (
        "Applied to deductible|", "Denied – frequency|", "Denied – not covered|", "Downgraded|",
    ),
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
# The category to which a column points; a column that is not here may point to any.
DEFINITION_COLUMNS: Mapping[str, int] = {
    "AdjType": ADJ_TYPE, "Confirmed": CONFIRMED, "BillingType": BILLING_TYPE,
    "PayType": PAYMENT_TYPE, "ProcCat": CODE_CATEGORY, "UnschedStatus": UNSCHEDULED,
    "RecallStatus": UNSCHEDULED, "Dx": DIAGNOSIS, "DocCategory": IMAGE_CATEGORY,
    "Priority": TX_PRIORITY, "BlockoutType": BLOCKOUT, "CommType": COMM_TYPE,
    "UnearnedType": UNEARNED, "Prognosis": PROGNOSIS, "TrackingDefNum": CLAIM_TRACKING,
    "Specialty": SPECIALTY, "TrackingErrorDefNum": CLAIM_ERROR,
    "ClaimPaymentTracking": PAYMENT_TRACKING, "PriorityDefNum": TASK_PRIORITY,
    "PayGroup": PAYMENT_GROUP, "CustomTracking": CLAIM_TRACKING, "CarrierGroupName": 46,
    "OperatoryType": 55, "PtoDefNum": 50, "TriageCategory": 54, "PlanCategory": 47, "Category": 41,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Definition:
    """A row of `definition`."""

    number: int
    category: int
    order: int
    name: str
    value: str


@cache
def all_definitions() -> tuple[Definition, ...]:
    """Return all definitions, numbered in the order of their categories."""
    found: list[Definition] = []
    for category, texts in DEFINITIONS.items():
        for order, text in enumerate(texts):
            name, value = text.split("|")
            found.append(Definition(len(found) + 1, category, order, name, value))
    return tuple(found)


def numbers(category: int) -> list[int]:
    """Return the DefNums of a category."""
    return [
        definition.number for definition in all_definitions() if definition.category == category
    ]


def number(category: int, name: str) -> int:
    """Return the DefNum of a category's entry."""
    return next(d.number for d in all_definitions() if d.category == category and d.name == name)
