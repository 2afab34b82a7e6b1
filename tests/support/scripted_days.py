"""Base tables with random rows that belong to each other, or to nothing, and random days on them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from base_tables import SOURCE_TABLES, ask, fill

ROWS = 30
PREFERENCES = {
    "ReportsPPOwriteoffDefaultToProcDate": ("0", "1", "2"),
    "ReportPandIschedProdSubtractsWO": ("0", "1"),
    "AgingProcLifo": ("0", "1", "2"),
    "PayPlansVersion": ("1", "2", "3", "4"),
    "PayPlansBillInAdvanceDays": ("0", "10"),
    "DataBaseVersion": ("24.3.1", "24.1.1", "23.1.1"),
    "DateLastAging": ("2026-01-05", "2026-02-10", "2026-03-01"),
    "Colour": ("1", "2"),
}
TEXTS = {
    "proc_code": ("D1110", "D2740", "D9986", "D9987"),
    "item_value": ("", "", "X", "+", "-"),
    "claim_status": ("U", "W", "S", "R"),
    "claim_type": ("P", "S", "PreAuth", "Cap"),
    "pattern": ("//", "//XX//"),
}
CODES = {"category": (1, 4, 10, 11, 12, 18, 29, 29), "proc_status": (1, 2, 2, 2, 6)}
AMOUNTS = (0, 0, 10, 33.33, 50, 70.07, 100, -12.5, 0.1)
CODES_UP_TO = 7
KEYS = {table["name"]: table["columns"][0]["name"] for table in SOURCE_TABLES}
TYPES = {
    table["name"]: {each["name"]: each["data_type"] for each in table["columns"]}
    for table in SOURCE_TABLES
}

Row = dict[str, Any]


class Days:
    """Writes the first rows and plays days, on a connection; each says which tables it changed."""

    def __init__(self, connection: Any, seed: int) -> None:
        self.connection = connection
        self.random = Random(seed)  # noqa: S311 - to be drawn again
        self.today = datetime.now().astimezone().date()
        self.last = dict.fromkeys(KEYS, 0)

    def begin(self) -> None:
        for table in KEYS:
            number = len(PREFERENCES) if table == "preference" else ROWS
            fill(self.connection, table, [self._row(table) for _ in range(number)])

    def play(self) -> set[str]:
        """Change some rows of some tables; sometimes a setting, a patient's place or a whole patient."""
        chosen = set(self.random.sample(sorted(KEYS), 10))
        for table in chosen:
            for change in self.random.choices(
                (self._insert, self._update, self._delete), (2, 4, 1), k=4
            ):
                change(table)
        for deed, chance in ((self._set, 0.3), (self._merge, 0.3), (self._lose_a_patient, 0.2)):
            if self.random.random() < chance:
                chosen |= deed()
        return chosen

    def _insert(self, table: str) -> None:
        row = self._row(table)
        if table != "preference":
            ask(
                self.connection,
                f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",
                *row.values(),
            )

    def _update(self, table: str) -> None:
        columns = [name for name in TYPES[table] if name not in (KEYS[table], "pref_name")]
        named = self.random.sample(columns, min(len(columns), self.random.randint(1, 3)))
        row = self._row(table)
        self._where(
            table,
            f"UPDATE {table} SET {', '.join(f'{name} = %s' for name in named)}",
            *(row[name] for name in named),
        )

    def _delete(self, table: str) -> None:
        if table != "preference":
            self._where(table, f"DELETE FROM {table}")

    def _where(self, table: str, statement: str, *values: object) -> None:
        key = self.random.randint(1, self.last[table])
        ask(self.connection, f"{statement} WHERE {KEYS[table]} = %s", *values, key)

    def _set(self) -> set[str]:
        name = self.random.choice(list(PREFERENCES))
        value = self.random.choice(PREFERENCES[name])
        changing = "UPDATE preference SET value_string = %s WHERE pref_name = %s"
        ask(self.connection, changing, value, name)
        return {"preference"}

    def _merge(self) -> set[str]:
        """Give all that one patient has to another, who is of another family."""
        kept, merged = self.random.sample(range(1, ROWS), 2)
        tables = {name for name, types in TYPES.items() if "pat_num" in types and name != "patient"}
        for table in tables:
            moving = f"UPDATE {table} SET pat_num = %s WHERE pat_num = %s"
            ask(self.connection, moving, kept, merged)
        ask(self.connection, "UPDATE patient SET guarantor = %s WHERE guarantor = %s", kept, merged)
        return {*tables, "patient"}

    def _lose_a_patient(self) -> set[str]:
        self._delete("patient")
        return {"patient"}

    def _row(self, table: str) -> Row:
        self.last[table] += 1
        row: Row = {name: self._value(name, kind) for name, kind in TYPES[table].items()}
        row[KEYS[table]] = self.last[table]
        if table == "preference":
            row["pref_name"] = list(PREFERENCES)[(self.last[table] - 1) % len(PREFERENCES)]
            row["value_string"] = self.random.choice(PREFERENCES[row["pref_name"]])
        return row

    def _value(self, name: str, kind: str) -> object:
        if name in TEXTS:
            return self.random.choice(TEXTS[name])
        if name in CODES:
            return self.random.choice(CODES[name])
        return self._of_type()[kind.split(" with", maxsplit=1)[0].removesuffix("tz")]()

    def _of_type(self) -> dict[str, Callable[[], object]]:
        random = self.random
        return {
            # some belong to nothing, or to what does not exist
            "bigint": lambda: random.choice(
                (0, random.randint(1, ROWS), random.randint(1, ROWS + 3))
            ),
            "smallint": lambda: random.randrange(CODES_UP_TO),
            "integer": lambda: random.randrange(CODES_UP_TO),
            "double precision": lambda: random.choice(AMOUNTS),
            "text": lambda: random.choice(("", "one", "two")),
            "date": self._day,
            "timestamp": lambda: (
                datetime.combine(self._day() or self.today, datetime.min.time())
                + timedelta(hours=random.randrange(24))
            ),
            "interval": lambda: timedelta(hours=random.randrange(8, 16)),
        }

    def _day(self) -> date | None:
        if self.random.random() < 0.05:
            return None
        return self.today - timedelta(
            days=self.random.choice(
                (-40, -1, 0, 1, 30, 31, 60, 90, 200, self.random.randrange(400))
            )
        )
