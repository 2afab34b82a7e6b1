"""Geometries: all kinds, with and without a reference system."""

import pytest
from oracle import ask
from samples import Sample, family, made

KINDS = {
    "point": "POINT(1 2)",
    "linestring": "LINESTRING(0 0, 1 1, -1.5 1e300)",
    "polygon": "POLYGON((0 0, 10 0, 10 10, 0 10, 0 0), (2 2, 3 2, 3 3, 2 2))",
    "multipoint": "MULTIPOINT(0 0, 0.1 92)",
    "multilinestring": "MULTILINESTRING((0 0, 1 1), (2 2, 3 3))",
    "multipolygon": "MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))",
    "geometrycollection": "GEOMETRYCOLLECTION(POINT(9 9), LINESTRING(0 0, 1 1))",
}
COLUMNS = [*KINDS, "geometry"]
TEXTS = [*KINDS.values(), "GEOMETRYCOLLECTION EMPTY"]

TABLES = {
    "kinds": Sample(
        ", ".join(f"g{position} {kind}" for position, kind in enumerate(COLUMNS)),
        (
            ", ".join(f"ST_GeomFromText('{text}')" for text in TEXTS),
            ", ".join(["NULL"] * len(COLUMNS)),
            ", ".join(f"ST_GeomFromText('{text}', 3857)" for text in TEXTS),
        ),
    ),
    "of_any_kind": Sample(
        "a geometry NOT NULL, b geometry",
        (
            *tuple(
                f"ST_GeomFromText('{text}'), ST_GeomFromText('{text}', 4326)"
                for text in TEXTS[:1] + TEXTS[3:4]
            ),
            "POINT(92, 10), NULL",
            "POINT(0, -1.5e-300), POINT(5e-324, 1e308)",
        ),
    ),
    "indexed": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, a point NOT NULL, b linestring NOT NULL, SPATIAL KEY (a), SPATIAL KEY named (b))",
        "INSERT INTO {t} VALUES (1, POINT(1, 2), ST_GeomFromText('LINESTRING(0 0, 1 1)')),"
        " (2, POINT(1, 2), ST_GeomFromText('LINESTRING(0 0, 1 2)'))",
    ),
}


brought = family(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_geometries_are_exact(table, brought):
    brought.arrives(table)


@pytest.mark.parametrize("table", TABLES)
def test_the_same_geometries_differ_in_nothing(table, brought):
    brought.stays(table)


@pytest.mark.parametrize(
    "table", [name for name, sample in TABLES.items() if isinstance(sample, Sample)]
)
def test_changed_geometries_follow(table, brought):
    brought.follows(table)


def test_postgresql_gets_the_reference_system_and_the_well_known_bytes(brought):
    brought.make("places", "Id int PRIMARY KEY, a point", "1, ST_GeomFromText('POINT(1 2)', 3857)")
    ((held,),) = ask(brought.places.source, "SELECT ST_AsWKB(a) FROM places")
    assert [bytes(value) for (value,) in brought.raw("SELECT a FROM raw.places")] == [
        (3857).to_bytes(4, "little") + held
    ]
