"""JSON, UUIDs, addresses and vectors."""

import pytest
from oracle import ask
from samples import Sample, family

TABLES = {
    "json": Sample(
        "a json, b json NOT NULL",
        (
            """'{"b": 1.0, "a": [2, "\\\\u0000"], "é": "😀"}', '{}'""",
            "NULL, 'null'",
            "'[]', '[1, 2.50, -0.0, 1e400, \"x\\\\\\\\y\", true]'".replace("1e400", "1e40"),
            """'"a\\\\tb\\\\nc\\\\"d"', '18446744073709551615'""",
            """'{"a": {"a": {"a": []}}}', '"NULL"'""",
            """'  {"spaced" :   "out"  }', '"\\\\\\\\N"'""",
            '\'{"case": "A"}\', \'{"case": "a"}\'',
            """'0.30000000000000004', '123456789012345678901234567890'""",
        ),
    ),
    "identifiers": Sample(
        "a uuid, b uuid NOT NULL DEFAULT uuid()",
        (
            "'123e4567-e89b-12d3-a456-426614174000', '00000000-0000-0000-0000-000000000000'",
            "NULL, 'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            "'00112233-4455-6677-8899-aabbccddeeff', '018f4d2e-0a5c-7d09-8a0d-5c6e5c740900'",
            "'5C0A0900-5C4E-4A09-8A0A-5C5C5C5C5C5C', '{123E4567E89B12D3A456426614174001}'",
        ),
    ),
    "addresses": Sample(
        "a inet6, b inet4, c inet6 NOT NULL",
        (
            "'2001:db8::ff00:42:8329', '10.0.0.1', '::'",
            "NULL, NULL, '::1'",
            "'::', '255.255.255.255', '::ffff:192.0.2.128'",
            "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '0.0.0.0', '5c0a:0900:5c4e::'",
            "'fe80::1', '92.10.9.0', '0:0:0:0:0:0:0:5c0a'",
        ),
    ),
    "compressed": Sample(
        "a text COMPRESSED, b varbinary(1000) COMPRESSED NOT NULL, c longtext COMPRESSED, d varchar(500) COMPRESSED",
        (
            "REPEAT('aé', 1000), REPEAT(x'00', 900), 'x', 'y'",
            "NULL, '', NULL, NULL",
            "'', x'5C', REPEAT('\\\\', 70000), 'A'",
        ),
    ),
}


brought = family(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_documents_are_exact(table, brought):
    brought.arrives(table)


@pytest.mark.parametrize("table", TABLES)
def test_the_same_documents_differ_in_nothing(table, brought):
    brought.stays(table)


@pytest.mark.parametrize("table", TABLES)
def test_changed_documents_follow(table, brought):
    brought.follows(table)


@pytest.mark.needs("source", "vectors")
@pytest.mark.needs("replica", "vectors")
def test_vectors(brought, servers):
    """A type that newer servers of both kinds have; its bytes are those of single precision numbers."""
    ask(brought.places.source, "CREATE TABLE vectors (Id int PRIMARY KEY, a vector(3))")
    maker = "STRING_TO_VECTOR" if servers.source.product == "MySQL" else "VEC_FromText"
    brought.fill(
        "vectors", f"1, {maker}('[0.1, -1.5, 3e18]')", "2, NULL", f"3, {maker}('[0, 0, 1e-37]')"
    )
    brought.assert_exact("vectors")
