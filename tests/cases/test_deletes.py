"""Deletes, merges and duplicates (D1 to D7): what OpenDental takes away or rewrites is gone or rewritten everywhere."""

from __future__ import annotations

import pytest
from oracle import ask
from practice import STAMP

PROCEDURE_NOTES = (
    "ProcNoteNum bigint NOT NULL AUTO_INCREMENT, PatNum bigint NOT NULL, ProcNum bigint NOT NULL, EntryDateTime datetime NOT NULL"
    " DEFAULT '0001-01-01 00:00:00', Note text, PRIMARY KEY (ProcNoteNum), KEY (PatNum), KEY (ProcNum)"
)
A_NOTE = "seq, 1 + seq % 9, seq, '2026-01-01', CONCAT('note ', seq)"


def test_d01_rows_deleted_at_the_source_are_gone_everywhere(practice):
    stamped = practice.procedures()
    unstamped = practice.fill(practice.create(PROCEDURE_NOTES, "procnote"), A_NOTE, 60)
    practice.bring(stamped, unstamped)
    for table, key in ((stamped, "ProcNum"), (unstamped, "ProcNoteNum")):
        practice.write(f"DELETE FROM {table} WHERE {key} IN (1, 7, 8, 33, 60)")
    results = practice.bring(stamped, unstamped)
    assert [(result.rows, result.hops[0].deleted) for result in results.values()] == [(55, 5)] * 2
    practice.write(
        f"DELETE FROM {stamped} WHERE ProcNum BETWEEN 10 AND 32", f"DELETE FROM {unstamped}"
    )
    practice.bring(stamped, unstamped)


CHILDREN = {
    "claimproc": f"ClaimProcNum bigint NOT NULL AUTO_INCREMENT, ProcNum bigint NOT NULL, InsPayAmt double NOT NULL, SecDateTEdit {STAMP.partition(' ')[2]}, PRIMARY KEY (ClaimProcNum), KEY (ProcNum)",
    "adjustment": f"AdjNum bigint NOT NULL AUTO_INCREMENT, ProcNum bigint NOT NULL, AdjAmt double NOT NULL, SecDateTEdit {STAMP.partition(' ')[2]}, PRIMARY KEY (AdjNum), KEY (ProcNum)",
    "payplancharge": "PayPlanChargeNum bigint NOT NULL AUTO_INCREMENT, ProcNum bigint NOT NULL, Principal double NOT NULL, PRIMARY KEY (PayPlanChargeNum), KEY (ProcNum)",
}  # fmt: skip


@pytest.mark.parametrize("size", ["large"])
def test_d02_a_deleted_procedure_changes_its_status_and_its_children_are_gone_in_the_same_run(
    practice,
):
    procedures = practice.procedures()
    children = [practice.create(columns, name) for name, columns in CHILDREN.items()]
    for child in children:
        stamp = ", '2025-01-01'" if "payplancharge" not in child else ""
        practice.fill(child, f"seq, 1 + seq % 60, seq{stamp}", 90)
    practice.bring(procedures, *children)
    practice.write(f"UPDATE {procedures} SET ProcStatus = 6 WHERE ProcNum IN (5, 31, 60)")
    practice.write(*(f"DELETE FROM {child} WHERE ProcNum IN (5, 31, 60)" for child in children))
    practice.bring(procedures, *children)
    deleted = f'SELECT count(*) FROM raw.{procedures} WHERE "ProcStatus" = 6'
    orphans = " UNION ALL ".join(
        f'SELECT 1 FROM raw.{child} WHERE "ProcNum" IN (5, 31, 60)' for child in children
    )
    assert ask(practice.places.warehouse, deleted) == [(3,)]
    assert ask(practice.places.warehouse, orphans) == []


SHEET_FIELDS = "SheetFieldNum bigint NOT NULL AUTO_INCREMENT, SheetNum bigint NOT NULL, FieldName varchar(50), FieldValue text NOT NULL, PRIMARY KEY (SheetFieldNum), KEY (SheetNum)"


def test_d03_rows_deleted_and_inserted_again_with_new_keys_at_each_save_stand_once(practice):
    table = practice.fill(
        practice.create(SHEET_FIELDS, "sheetfield"), "seq, seq % 6, CONCAT('f', seq DIV 6), 'v'", 60
    )
    practice.bring(table)
    for value in ("first save", "second save"):
        practice.write(
            f"CREATE TEMPORARY TABLE saved AS SELECT SheetNum, FieldName FROM {table} WHERE SheetNum = 2",
            f"DELETE FROM {table} WHERE SheetNum = 2",
            f"INSERT INTO {table} (SheetNum, FieldName, FieldValue) SELECT SheetNum, FieldName, '{value}' FROM saved",
            "DROP TEMPORARY TABLE saved",
        )
        practice.bring(table)
    fields = f'SELECT count(*), count(DISTINCT "FieldName"), min("FieldValue") FROM raw.{table} WHERE "SheetNum" = 2'
    assert ask(practice.places.warehouse, fields) == [(10, 10, "second save")]


def test_d04_a_merged_patients_rows_move_with_the_next_run_also_where_there_is_no_stamp(practice):
    procedures = practice.procedures()
    notes = practice.fill(practice.create(PROCEDURE_NOTES, "procnote"), A_NOTE, 60)
    practice.bring(procedures, notes)
    practice.write(
        *(f"UPDATE {table} SET PatNum = 3 WHERE PatNum = 5" for table in (procedures, notes))
    )
    practice.bring(procedures, notes)
    left = " UNION ALL ".join(
        f'SELECT 1 FROM raw.{table} WHERE "PatNum" = 5' for table in (procedures, notes)
    )
    assert ask(practice.places.warehouse, left) == []


LOGS = {
    "securitylog": ("SecurityLogNum bigint NOT NULL AUTO_INCREMENT, LogDateTime datetime NOT NULL, FKey bigint NOT NULL, LogText text, PRIMARY KEY (SecurityLogNum), KEY (FKey)", "seq, '2025-01-01' + INTERVAL seq DAY, seq % 8, 'viewed'"),
    "securityloghash": ("SecurityLogHashNum bigint NOT NULL AUTO_INCREMENT, SecurityLogNum bigint NOT NULL, LogHash varchar(255) NOT NULL, PRIMARY KEY (SecurityLogHashNum), KEY (SecurityLogNum)", "seq, seq, SHA2(seq, 256)"),
}  # fmt: skip


def test_d05_logs_purged_by_date_are_gone_and_keys_set_to_nought_are_nought(practice):
    log, hashes = (
        practice.fill(practice.create(columns, name), row, 60)
        for name, (columns, row) in LOGS.items()
    )
    practice.bring(log, hashes)
    practice.write(f"UPDATE {log} SET FKey = 0 WHERE FKey = 5")
    practice.bring(log, hashes)
    practice.write(
        f"DELETE FROM {hashes} WHERE SecurityLogNum IN (SELECT SecurityLogNum FROM {log} WHERE LogDateTime < '2025-01-21')",
        f"DELETE FROM {log} WHERE LogDateTime < '2025-01-21'",
        f"UPDATE {log} SET FKey = 0 WHERE FKey IN (2, 7)",
        f"INSERT INTO {log} (LogDateTime, FKey) VALUES ('2026-11-20', 9)",
    )
    practice.bring(log, hashes)


UNIQUE = f"InsVerifyNum bigint NOT NULL AUTO_INCREMENT, VerifyType tinyint NOT NULL, FKey bigint NOT NULL, Note varchar(50) NOT NULL, {STAMP}, PRIMARY KEY (InsVerifyNum), UNIQUE KEY (VerifyType, FKey), UNIQUE KEY (Note)"


def test_d06_unique_values_change_hands_and_keys_come_back_without_hitting_a_row(practice):
    table = practice.fill(
        practice.create(UNIQUE, "insverify"), "seq, 1, seq, CONCAT('n', seq), '2025-01-01'", 60
    )
    practice.bring(table)
    practice.write(  # of rows far apart, by way of a third value, and of one that goes
        f"UPDATE {table} SET FKey = -1, Note = 'x' WHERE InsVerifyNum = 2",
        f"UPDATE {table} SET FKey = 2, Note = 'n2' WHERE InsVerifyNum = 55",
        f"UPDATE {table} SET FKey = 55, Note = 'N55' WHERE InsVerifyNum = 2",
        f"DELETE FROM {table} WHERE InsVerifyNum = 20",
        f"UPDATE {table} SET FKey = 20, Note = 'n20' WHERE InsVerifyNum = 40",
        f"INSERT INTO {table} (VerifyType, FKey, Note) VALUES (1, 40, 'n40')",
    )
    practice.bring(table)
    practice.write(
        f"DELETE FROM {table} WHERE InsVerifyNum IN (7, 30)",
        f"INSERT INTO {table} (InsVerifyNum, VerifyType, FKey, Note) VALUES (30, 1, 7, 'n7'), (7, 1, 30, 'n30')",
        f"INSERT INTO {table} (InsVerifyNum, VerifyType, FKey, Note) VALUES (20, 2, 20, 'again')",
        f"REPLACE INTO {table} (VerifyType, FKey, Note) VALUES (1, 9, 'n9')",
    )
    assert practice.bring(table)[table].rows == 61


AGING = "PatNum bigint NOT NULL, Bal_0_30 double NOT NULL, BalTotal double NOT NULL, PRIMARY KEY (PatNum)"
PATIENTS = f"PatNum bigint NOT NULL AUTO_INCREMENT, LName varchar(100), Bal_0_30 double NOT NULL, BalTotal double NOT NULL, {STAMP}, PRIMARY KEY (PatNum)"


def test_d07_a_table_emptied_and_filled_again_and_the_balances_that_follow_from_it_arrive(practice):
    aging = practice.fill(practice.create(AGING, "famaging"), "seq * 3, seq, 2 * seq", 20)
    patients = practice.fill(
        practice.create(PATIENTS, "patient"), "seq, CONCAT('n', seq), 0, 0, '2025-01-01'", 60
    )
    practice.bring(aging, patients)
    practice.write(f"TRUNCATE {aging}")
    practice.bring(aging, patients)
    practice.fill(aging, "seq * 3, seq, 3 * seq", 19)
    balances = f"UPDATE {patients} AS p JOIN {aging} AS a USING (PatNum) SET p.Bal_0_30 = a.Bal_0_30, p.BalTotal = a.BalTotal"
    practice.write(balances)
    results = practice.bring(aging, patients)
    assert (results[aging].rows, results[patients].hops[0].updated) == (19, 19)
