import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import base_tables
import pytest
from base_tables import PROJECT, SOURCE_TABLES, ask, connect
from conftest import in_the_suite, settings_for

from deployments.databases import Databases
from tasks import dbt_project
from tasks.report import catalogue
from transfer.settings import ROOT

NAMES = {
    "staging": r"stg_opendental__\w+s",
    "intermediate": r"int_as_of_date|int_\w+_(\w+ed|joined|split)(_to_\w+)?",
    "marts": r"\w+",
}

# OpenDental's codes, as the base tables hold them.
PLANNED, COMPLETE, EXISTING_OTHER, DELETED = 1, 2, 4, 6
NOT_RECEIVED, RECEIVED, BENEFIT_ADJUSTMENT, SUPPLEMENTAL, CAP_CLAIM, ESTIMATE, CAP_COMPLETE = (
    0,
    1,
    3,
    4,
    5,
    6,
    7,
)
ADJUSTMENT_TYPES, PAYMENT_TYPES, UNEARNED_TYPES = 1, 10, 29

# Views show new rows by themselves, unless the table that they read is another one. The tests of the
# whole project run on a generated clinic.
TABLES_ALONE = ("run", "--select", "config.materialized:table+")

Node = dict[str, Any]


@pytest.fixture(scope="module")
def dbt(module_databases: Databases) -> Callable[..., list[Any]]:
    """Runs dbt on the warehouse of this file."""
    return partial(base_tables.dbt, settings_for(module_databases))


@pytest.fixture(scope="module")
def nodes(empty: Any) -> list[Node]:
    manifest = json.loads((dbt_project.TARGET / "manifest.json").read_text())
    return list(manifest["nodes"].values())


@pytest.fixture(scope="module")
def models(nodes: list[Node]) -> list[Node]:
    return [node for node in nodes if node["resource_type"] == "model"]


@pytest.fixture(scope="module")
def empty(module_databases: Databases, dbt: Callable[..., list[Any]]) -> Iterator[Any]:
    """The models built on base tables without a row: the columns and types that the sources document."""
    with closing(connect(module_databases.warehouse)) as connection:
        base_tables.create(connection)
        dbt("build", "--exclude-resource-type", "test")  # which those of a generated clinic run
        yield connection


@pytest.fixture(scope="module")
def practice(empty: Any, dbt: Callable[..., list[Any]]) -> Any:
    """The models built on three days of a practice, small enough to add up by hand."""
    for table, rows in _practice().items():
        for row in rows:
            ask(
                empty,
                f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",
                *row.values(),
            )
    dbt(*in_the_suite(*TABLES_ALONE, of=("build", "--exclude-resource-type", "unit_test")))
    return empty


def _cents(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [
        tuple(f"{each:.2f}" if isinstance(each, Decimal) else each for each in row) for row in rows
    ]


def _practice() -> dict[str, list[dict[str, object]]]:
    """Providers 1 (dentist) and 2 (hygienist), clinic 1, patients 1 and 2 of one family, Monday to Wednesday."""
    mon, tue, wed, next_mon = "2026-03-02", "2026-03-03", "2026-03-04", "2026-03-09"
    doctor, hygienist = {"prov_num": 1, "clinic_num": 1}, {"prov_num": 2, "clinic_num": 1}
    rows: dict[str, list[dict[str, object]]] = {
        "provider": [{"prov_num": 1, "abbr": "DOC"}, {"prov_num": 2, "abbr": "HYG", "is_secondary": 1}],
        "clinic": [{"clinic_num": 1, "abbr": "MAIN"}],
        "patient": [{"pat_num": 1, "guarantor": 1, "pri_prov": 1}, {"pat_num": 2, "guarantor": 1, "pri_prov": 1}],
        "preference": [{"pref_num": 1, "pref_name": "ReportsPPOwriteoffDefaultToProcDate", "value_string": "2"}],
        "definition": [
            {"def_num": 601, "category": UNEARNED_TYPES, "item_name": "Prepayment", "item_value": ""},
            {"def_num": 602, "category": UNEARNED_TYPES, "item_name": "Treatment plan prepayment", "item_value": "X"},
            {"def_num": 701, "category": PAYMENT_TYPES, "item_name": "Cash"},
            {"def_num": 801, "category": ADJUSTMENT_TYPES, "item_name": "Discount", "item_value": "-"},
        ],
        "procedurecode": [
            {"code_num": 1, "proc_code": "D1110", "is_hygiene": 1},
            {"code_num": 2, "proc_code": "D2740"},
            {"code_num": 3, "proc_code": "D9986"},
        ],
        "appointment": [
            {"apt_num": 1, "pat_num": 1, "apt_status": 2, "apt_date_time": f"{mon} 09:00", "pattern": "//XXXXXXXX//"} | doctor,
            {"apt_num": 2, "pat_num": 2, "apt_status": 6, "pattern": "//"} | doctor,
            {"apt_num": 3, "pat_num": 1, "apt_status": 1, "apt_date_time": f"{next_mon} 09:00", "pattern": "//"} | doctor,
            {"apt_num": 4, "pat_num": 2, "apt_status": 3, "apt_date_time": f"{next_mon} 10:00", "sec_date_t_entry": f"{mon} 17:00", "pattern": "//"} | hygienist,
        ],
        "procedurelog": [
            {"proc_num": 1, "pat_num": 1, "code_num": 2, "apt_num": 1, "proc_fee": 1000, "unit_qty": 1} | doctor,
            {"proc_num": 2, "pat_num": 1, "code_num": 1, "apt_num": 1, "proc_fee": 95.5, "unit_qty": 2} | hygienist,
            # a walk-in, at no clinic, with base units
            {"proc_num": 3, "pat_num": 2, "code_num": 1, "proc_fee": 33.33, "unit_qty": 1, "base_units": 2, "prov_num": 1},
            # capitation
            {"proc_num": 4, "pat_num": 2, "code_num": 2, "proc_fee": 200, "unit_qty": 1} | doctor,
            {"proc_num": 5, "pat_num": 1, "code_num": 2, "apt_num": 3, "proc_fee": 500, "unit_qty": 1, "discount": 20, "proc_status": PLANNED} | doctor,
            {"proc_num": 6, "pat_num": 1, "code_num": 2, "proc_fee": 300, "unit_qty": 1, "proc_status": DELETED} | doctor,
            {"proc_num": 7, "pat_num": 1, "code_num": 2, "proc_fee": 250, "unit_qty": 1, "proc_status": EXISTING_OTHER} | doctor,
            # a missed appointment that is charged for
            {"proc_num": 8, "pat_num": 2, "code_num": 3, "proc_fee": 25, "unit_qty": 1, "proc_date": tue} | doctor,
        ],
        "adjustment": [
            {"adj_num": 1, "pat_num": 1, "adj_type": 801, "adj_date": mon, "adj_amt": -50.1} | doctor,
            {"adj_num": 2, "pat_num": 1, "adj_date": tue, "adj_amt": 12.05} | hygienist,
        ],
        "referral": [{"referral_num": 1, "pat_num": 1, "l_name": "One"}, {"referral_num": 2, "l_name": "Web page"}],
        "refattach": [
            {"ref_attach_num": 1, "pat_num": 2, "referral_num": 2, "ref_type": 0, "item_order": 0},
            {"ref_attach_num": 2, "pat_num": 2, "referral_num": 1, "ref_type": 1, "item_order": 1},
        ],
        "recalltype": [{"recall_type_num": 1, "description": "Prophy"}],
        "recall": [
            {"recall_num": 1, "pat_num": 1, "recall_type_num": 1, "recall_interval": 393217, "date_due": wed},
            {"recall_num": 2, "pat_num": 2, "recall_type_num": 1, "date_due": wed, "date_scheduled": "2026-09-03"},
        ],
        "claimproc": [
            {"claim_proc_num": 1, "proc_num": 1, "claim_num": 1, "fee_billed": 1000, "status": RECEIVED, "write_off": 150, "ins_pay_amt": 600, "date_cp": tue, "claim_payment_num": 1} | doctor,
            {"claim_proc_num": 2, "proc_num": 2, "claim_num": 2, "fee_billed": 191, "status": NOT_RECEIVED, "write_off": 20.5, "date_cp": mon} | hygienist,
            {"claim_proc_num": 3, "proc_num": 4, "status": CAP_COMPLETE, "write_off": 100.25} | doctor,
            {"claim_proc_num": 4, "proc_num": 4, "status": CAP_COMPLETE, "write_off": 20} | doctor,
            {"claim_proc_num": 5, "proc_num": 1, "claim_num": 1, "status": SUPPLEMENTAL, "write_off": -10, "ins_pay_amt": 25.25, "date_cp": wed, "claim_payment_num": 2} | doctor,
            {"claim_proc_num": 6, "proc_num": 5, "status": ESTIMATE, "write_off": 99, "write_off_est": 99} | doctor,
            {"claim_proc_num": 7, "proc_num": 0, "status": BENEFIT_ADJUSTMENT, "write_off": 99, "ins_pay_amt": 500} | doctor,
            {"claim_proc_num": 8, "proc_num": 4, "status": CAP_CLAIM, "ins_pay_amt": 5, "date_cp": wed, "claim_payment_num": 2} | doctor,
        ],
        "claim": [
            {"claim_num": 1, "claim_type": "P", "claim_status": "R", "claim_fee": 1000, "ins_pay_amt": 625.25, "write_off": 140, "date_sent": mon, "date_sent_orig": mon, "date_received": tue},
            {"claim_num": 2, "claim_type": "P", "claim_status": "S", "claim_fee": 191, "write_off": 20.5, "date_sent": tue, "date_sent_orig": tue},
            {"claim_num": 3, "claim_type": "PreAuth", "claim_status": "S", "date_sent": tue, "date_sent_orig": tue},
        ],
        "claimsnapshot": [
            {"claim_snapshot_num": 1, "claim_proc_num": 1, "writeoff": 140, "date_t_entry": f"{mon} 17:00"},
            {"claim_snapshot_num": 2, "claim_proc_num": 2, "writeoff": 20.5, "date_t_entry": f"{tue} 08:00"},
            {"claim_snapshot_num": 3, "claim_proc_num": 3, "writeoff": -1, "date_t_entry": f"{tue} 08:00"},
        ],
        "claimpayment": [
            {"claim_payment_num": 1, "check_date": tue, "check_amt": 600},
            {"claim_payment_num": 2, "check_date": wed, "check_amt": 30.25},
        ],
        "payment": [
            {"pay_num": 1, "pay_type": 701, "pay_date": mon, "pay_amt": 110},
            {"pay_num": 2, "pay_type": 701, "pay_date": tue, "pay_amt": -15.55},
            {"pay_num": 3, "pay_type": 701, "pay_date": mon, "pay_amt": 200},
            {"pay_num": 4, "pay_type": 0, "pay_date": tue, "pay_amt": 0},
            {"pay_num": 5, "pay_type": 701, "pay_date": mon, "pay_amt": 9.99},
        ],
        "paysplit": [
            {"split_num": 1, "pay_num": 1, "pat_num": 1, "date_pay": mon, "split_amt": 80} | doctor,
            {"split_num": 2, "pay_num": 1, "pat_num": 2, "date_pay": mon, "split_amt": 30} | hygienist,
            # a refund
            {"split_num": 3, "pay_num": 2, "pat_num": 1, "date_pay": tue, "split_amt": -15.55} | doctor,
            # a prepayment, partly of a hidden type
            {"split_num": 4, "pay_num": 3, "pat_num": 1, "date_pay": mon, "split_amt": 50, "clinic_num": 1, "unearned_type": 601},
            {"split_num": 5, "pay_num": 3, "pat_num": 1, "date_pay": mon, "split_amt": 150, "clinic_num": 1, "unearned_type": 602},
            # a transfer of income
            {"split_num": 6, "pay_num": 4, "pat_num": 1, "date_pay": tue, "split_amt": -30} | doctor,
            {"split_num": 7, "pay_num": 4, "pat_num": 1, "date_pay": tue, "split_amt": 30} | hygienist,
            # a discount, as old versions wrote them
            {"split_num": 8, "pay_num": 5, "pat_num": 1, "date_pay": mon, "split_amt": 9.99, "is_discount": 1} | doctor,
        ],
    }  # fmt: skip
    # Unless a row says otherwise: done on Monday.
    done: dict[str, dict[str, object]] = {
        "procedurelog": {"proc_status": COMPLETE, "proc_date": mon},
        "claimproc": {"proc_date": mon},
    }
    return {
        table: [done.get(table, {}) | row for row in of_table] for table, of_table in rows.items()
    }


def test_dbt_folder_is_no_package():
    assert not (PROJECT / "__init__.py").exists()


def test_models_are_named_by_their_layer(models: list[Node]):
    for model in models:
        layer = model["fqn"][1]
        assert re.fullmatch(NAMES[layer], model["name"])
        assert model["schema"] == f"public_{layer}"


def test_every_model_has_a_tested_primary_key(nodes: list[Node], models: list[Node]):
    tested = {
        node["attached_node"]
        for node in nodes
        if node["resource_type"] == "test"
        and (node.get("test_metadata") or {}).get("name") == "primary_key"
    }
    for model in models:
        constraints = [
            {each["type"] for each in column["constraints"]} for column in model["columns"].values()
        ]
        if model["fqn"][1] == "marts":
            assert model["contract"]["enforced"], model["name"]
            assert constraints.count({"primary_key", "not_null"}) == 1, model["name"]
        else:
            assert model["unique_id"] in tested, model["name"]


def test_every_model_and_column_is_described(models: list[Node]):
    bare = [model["name"] for model in models if not model["description"]]
    bare += [
        f"{model['name']}.{name}"
        for model in models
        for name, column in model["columns"].items()
        if not column["description"]
    ]
    assert bare == []


def test_every_column_that_a_model_has_is_documented(empty: Any, models: list[Node]):
    found = ask(
        empty,
        "SELECT nspname, relname, array_agg(attname ORDER BY attnum) FROM pg_attribute"
        " JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE relkind IN ('r', 'v') AND nspname LIKE 'public_%%' AND attnum > 0 GROUP BY 1, 2",
    )
    in_database = {(schema, name): set(columns) for schema, name, columns in found}
    assert {model["name"]: set(model["columns"]) for model in models} == {
        model["name"]: in_database[model["schema"], model["name"]] for model in models
    }


def test_sources_are_read_in_staging_only_and_once_each(models: list[Node]):
    for model in models:
        sources = [name for name in model["depends_on"]["nodes"] if name.startswith("source.")]
        assert len(sources) == (1 if model["fqn"][1] == "staging" else 0), model["name"]


def test_chains_of_views_are_short(models: list[Node]):
    views = {
        model["unique_id"]: model["depends_on"]["nodes"]
        for model in models
        if model["config"]["materialized"] == "view"
    }

    def length(name: str) -> int:
        return 1 + max(map(length, views[name]), default=0) if name in views else 0

    assert max(map(length, views)) <= 5


def test_models_end_with_their_final_expression_and_cut_no_history(models: list[Node]):
    for model in models:
        assert model["raw_code"].rstrip().endswith("\nselect * from final"), model["name"]
        if model["name"] != "int_as_of_date":
            assert not re.search(
                r"\d{4}-\d{2}-\d{2}|current_(date|timestamp)|now\(\)", model["raw_code"]
            ), model["name"]


def test_models_on_empty_base_tables_are_empty(empty: Any):
    for table in (
        "dim_patients",
        "fct_procedures",
        "fct_appointments",
        "fct_pay_splits",
        "fct_adjustments",
        "fct_claim_procedures",
        "claims",
        "daily_production",
        "daily_collections",
        "production_by_procedure_code",
    ):
        assert ask(empty, f"SELECT count(*) FROM public_marts.{table}") == [(0,)]


def test_metrics_of_an_empty_practice_are_nothing(empty: Any):
    for name, metric in catalogue.metrics().items():
        ((value,),) = ask(empty, f"SELECT {metric.expression} FROM public_marts.{metric.mart}")
        assert not value, name


def test_metrics_of_the_hand_made_practice(practice: Any):
    values = {
        "daily_production.gross_production": "1395.74",
        "daily_production.net_production": "1197.19",
        "daily_collections.collections": "774.70",
        "fct_adjustments.adjustments": "-38.05",
        "production_by_procedure_code.procedures_completed": "5.00",
        "new_patients.new_patients": 2,
        "new_patients.first_visit_production": "1370.74",
        "new_patients.referral_recorded_rate": "0.50",
        "new_patients.referred_by_patients_rate": "0.50",
        "hygiene_visits.hygiene_visits": 2,
        "hygiene_visits.hygiene_reappointment_rate": "0.50",
        "recalls.recalls_on_list": 1,
        "recalls.recall_scheduled_rate": "0.50",
    }
    found = {}
    for name in values:
        metric = catalogue.metrics()[name]
        ((found[name],),) = _cents(
            ask(practice, f"SELECT {metric.expression} FROM public_marts.{metric.mart}")
        )
    assert found == values


def test_every_metric_of_the_hand_made_practice_is_a_number_of_its_unit(practice: Any):
    for name, metric in catalogue.metrics().items():
        ((value,),) = ask(practice, f"SELECT {metric.expression} FROM public_marts.{metric.mart}")
        assert value is None or isinstance(value, int | Decimal), name
        if metric.unit == "count":
            assert value == int(value or 0), name


@pytest.mark.thorough
def test_the_documentation_shows_the_models_and_no_row(
    practice: Any, module_databases: Databases, tmp_path: Path
):
    name = "Quillfeather"
    ask(practice, "UPDATE patient SET l_name = %s", name)
    ask(practice, "UPDATE public_marts.dim_patients SET last_name = %s", name)
    done = subprocess.run(
        [sys.executable, "-m", "tasks.report.documentation", str(tmp_path / "a" / "page.html")],
        env=os.environ | module_databases.variables(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    page = (tmp_path / "a" / "page.html").read_text()
    assert "active_patients_monthly" in page
    assert page.index("Content-Security-Policy") < page.index("<script")
    assert name not in page
    assert module_databases.warehouse.password not in page


def test_daily_production_to_the_cent(practice: Any):
    rows = ask(
        practice,
        "SELECT extract(day FROM production_date)::int, provider_abbreviation, clinic_abbreviation,"
        " procedures_completed::int, gross_production, adjustments,"
        " write_offs_by_payment_date, write_offs_by_procedure_date, write_offs_by_claim_date"
        " FROM public_marts.daily_production ORDER BY 1, 2, 3",
    )
    assert _cents(rows) == [
        # 1 × 1000 + (200 − 100.25 − 20); by procedure date 150 − 10; the snapshot said 140
        (2, "DOC", "MAIN", 2, "1079.75", "-50.10", "0.00", "140.00", "140.00"),
        # 3 units of 33.33
        (2, "DOC", None, 1, "99.99", "0.00", "0.00", "0.00", "0.00"),
        # 2 units of 95.50; the claim is not received yet and its snapshot was taken on the next day
        (2, "HYG", "MAIN", 1, "191.00", "0.00", "0.00", "20.50", "0.00"),
        # the fee for a missed appointment; received on this day, 10 more than the snapshot said
        (3, "DOC", "MAIN", 1, "25.00", "0.00", "150.00", "0.00", "10.00"),
        (3, "HYG", "MAIN", 0, "0.00", "12.05", "0.00", "0.00", "20.50"),
        # a supplemental payment took 10 of the write-off back; it had no snapshot
        (4, "DOC", "MAIN", 0, "0.00", "0.00", "-10.00", "0.00", "-10.00"),
        # only scheduled production
        (9, "DOC", "MAIN", 0, "0.00", "0.00", "0.00", "0.00", "0.00"),
    ]


def test_net_production_in_each_dating_mode_and_in_the_practices_own(practice: Any):
    rows = ask(
        practice,
        "SELECT daily_production_id, net_production_by_payment_date, net_production_by_procedure_date,"
        " net_production_by_claim_date, net_production FROM public_marts.daily_production ORDER BY 1",
    )
    assert _cents(rows) == [
        ("2026-03-02|1|1", "1029.65", "889.65", "889.65", "889.65"),
        ("2026-03-02|1|no clinic", "99.99", "99.99", "99.99", "99.99"),
        ("2026-03-02|2|1", "191.00", "170.50", "191.00", "191.00"),
        ("2026-03-03|1|1", "-125.00", "25.00", "15.00", "15.00"),
        ("2026-03-03|2|1", "12.05", "12.05", "-8.45", "-8.45"),
        ("2026-03-04|1|1", "10.00", "0.00", "10.00", "10.00"),
        ("2026-03-09|1|1", "0.00", "0.00", "0.00", "0.00"),
    ]


def test_scheduled_production_and_its_discounts_are_no_net_production(practice: Any):
    rows = ask(
        practice,
        "SELECT daily_production_id, procedures_scheduled::int, net_production, scheduled_production,"
        " scheduled_discounts, net_production_with_scheduled"
        " FROM public_marts.daily_production WHERE procedures_scheduled <> 0",
    )
    # the estimate of 99 stays in: the preference is not set
    assert _cents(rows) == [("2026-03-09|1|1", 1, "0.00", "500.00", "-20.00", "480.00")]


def test_production_by_code_to_the_cent(practice: Any):
    rows = ask(
        practice,
        "SELECT procedure_code, provider_abbreviation, clinic_abbreviation, procedures_completed::int, units::int,"
        " fee_total, capitation_write_offs, gross_production, insurance_write_offs"
        " FROM public_marts.production_by_procedure_code ORDER BY 1, 2, 3",
    )
    assert _cents(rows) == [
        ("D1110", "DOC", None, 1, 3, "99.99", "0.00", "99.99", "0.00"),
        ("D1110", "HYG", "MAIN", 1, 2, "191.00", "0.00", "191.00", "0.00"),
        ("D2740", "DOC", "MAIN", 2, 2, "1200.00", "120.25", "1079.75", "140.00"),
        ("D9986", "DOC", "MAIN", 1, 1, "25.00", "0.00", "25.00", "0.00"),
    ]


def test_a_claim_with_a_supplemental_payment_is_one_row(practice: Any):
    rows = ask(
        practice,
        "SELECT claim_id, is_outstanding, turnaround_days, insurance_payment, claim_procedures::int, has_supplemental,"
        " is_denied, (last_check_date - first_check_date) FROM public_marts.claims ORDER BY 1",
    )
    assert _cents(rows) == [
        (1, False, 1, "625.25", 2, True, False, 1),
        (2, True, None, "0.00", 1, False, False, None),
        (3, False, None, "0.00", 0, False, False, None),
    ]


@pytest.mark.thorough
def test_a_planted_error_shows_up_in_its_reconciliation_row(
    practice: Any, dbt: Callable[..., list[Any]]
):
    different = (
        "SELECT reconciliation_id, difference FROM public_marts.reconciliation_claims WHERE is_different"
        " UNION ALL SELECT reconciliation_id, difference FROM public_marts.reconciliation_payments WHERE is_different"
        " UNION ALL SELECT reconciliation_id, difference FROM public_marts.reconciliation_insurance_payments"
        " WHERE is_different ORDER BY 1"
    )
    models = [
        "reconciliation_claims",
        "reconciliation_payments",
        "reconciliation_insurance_payments",
    ]
    plants = (
        ("UPDATE claim SET claim_fee = claim_fee + %s WHERE claim_num = 1", 10),
        ("UPDATE payment SET pay_amt = pay_amt + %s WHERE pay_num = 4", 3),
        ("UPDATE paysplit SET split_amt = split_amt + %s WHERE split_num = 7", 0.01),
        ("UPDATE claimpayment SET check_amt = check_amt + %s WHERE claim_payment_num = 2", 0.25),
    )
    assert ask(practice, different) == []
    for statement, amount in plants:
        ask(practice, statement, amount)
    dbt("run", "--select", *models)
    assert _cents(ask(practice, different)) == [
        ("claim fee|1", "-10.00"),
        ("income transfer|4", "0.01"),
        ("insurance payment|2", "-0.25"),
        ("payment|4", "-2.99"),
    ]
    for statement, amount in plants:
        ask(practice, statement, -amount)


def test_daily_collections_to_the_cent(practice: Any):
    rows = ask(
        practice,
        "SELECT daily_collections_id, patient_income, patient_income_earned, patient_income_unearned,"
        " insurance_income, insurance_income_received, total_income, hidden_unearned, payment_lines::int"
        " FROM public_marts.daily_collections ORDER BY 1",
    )
    assert _cents(rows) == [
        # the old discount is a line, but no income
        ("2026-03-02|1|1", "80.00", "80.00", "0.00", "0.00", "0.00", "80.00", "0.00", 2),
        ("2026-03-02|2|1", "30.00", "30.00", "0.00", "0.00", "0.00", "30.00", "0.00", 1),
        (
            "2026-03-02|no provider|1",
            "50.00",
            "0.00",
            "50.00",
            "0.00",
            "0.00",
            "50.00",
            "150.00",
            2,
        ),
        # refund −15.55, transfer −30.00, cheque 600.00
        ("2026-03-03|1|1", "-45.55", "-45.55", "0.00", "600.00", "600.00", "554.45", "0.00", 3),
        ("2026-03-03|2|1", "30.00", "30.00", "0.00", "0.00", "0.00", "30.00", "0.00", 1),
        # 25.25 supplemental and 5.00 of a capitation claim
        ("2026-03-04|1|1", "0.00", "0.00", "0.00", "30.25", "25.25", "30.25", "0.00", 2),
    ]


def test_an_appointment_with_many_procedures_is_one_row(practice: Any):
    rows = ask(
        practice,
        "SELECT appointment_id, appointment_outcome, length_minutes, procedures_completed::int, gross_production"
        " FROM public_marts.fct_appointments ORDER BY 1",
    )
    assert _cents(rows) == [
        (1, "Kept", 60, 2, "1191.00"),
        (2, "Not a visit", 10, 0, "0.00"),
        (3, "Unresolved", 10, 0, "0.00"),
        (4, "Not a visit", 10, 0, "0.00"),
    ]


def test_a_missed_appointment_is_not_the_first_visit(practice: Any):
    rows = ask(
        practice,
        "SELECT patient_id, visit_days::int, gross_production FROM public_marts.dim_patients ORDER BY 1",
    )
    assert _cents(rows) == [(1, 1, "1191.00"), (2, 1, "204.74")]


@pytest.mark.thorough
def test_freshness_is_read_from_the_pipelines_own_status(
    practice: Any, dbt: Callable[..., list[Any]]
):
    ask(
        practice,
        "CREATE TABLE etl_transform_status (table_name text PRIMARY KEY, loaded_at timestamptz, checked_at timestamptz)",
    )
    for table in SOURCE_TABLES:
        ask(
            practice,
            "INSERT INTO etl_transform_status VALUES (%s, now() - interval '30 days', now())",
            table["name"],
        )
    results = dbt("source", "freshness")
    assert [each.status for each in results] == ["pass"] * len(SOURCE_TABLES)
