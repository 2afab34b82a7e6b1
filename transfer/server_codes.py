"""What codes mean: MySQL's error numbers, PostgreSQL's SQLSTATEs, and codes of our own.

Ours are for what fails in a driver before a server can give a code.
"""

from __future__ import annotations

# In our own words: a server's message may quote a row.
MEANINGS = {
    # MySQL and MariaDB
    "1005": "the table definition was refused",
    "1021": "its disk is full",
    "1030": "its storage engine reports an error",
    "1040": "it has no connection left",
    "1044": "the user may not use this database",
    "1045": "user or password is wrong",
    "1049": "the database does not exist",
    "1053": "the server is shutting down",
    "1054": "a column is missing",
    "1062": "a unique key would be doubled",
    "1064": "it does not know a type or clause",
    "1067": "it does not know a default",
    "1071": "a key is too long",
    "1075": "an AUTO_INCREMENT stands first in no key",
    "1101": "it gives such a column no default",
    "1114": "the table or disk is full",
    "1115": "it does not know a character set",
    "1117": "the table has too many columns",
    "1118": "a row is too wide",
    "1142": "the user lacks a privilege",
    "1146": "the table does not exist",
    "1193": "it lacks a session variable that is needed",
    "1205": "a lock was held too long by somebody else",
    "1213": "a deadlock was resolved against it",
    "1227": "the user lacks a privilege",
    "1251": "it wants a login that the pipeline does not do",
    "1273": "it does not know a collation",
    "1275": "the user's password has the form before MySQL 4.1",
    "1290": "it runs with an option that forbids this (read_only, say)",
    "1293": "it does not know such a default of a time",
    "1294": "it does not know such an ON UPDATE",
    "1317": "the statement was killed",
    "1366": "a text does not fit the column's character set",
    "1406": "a value is too long for its column",
    "1412": "the table was replaced meanwhile",
    "1792": "the transaction is only for reading",
    "1818": "it does not know YEAR(2)",
    "1836": "it is only for reading",
    "1927": "the connection was killed",
    "1969": "the statement took too long",
    "2003": "nothing answers at this address",
    "2006": "the connection is gone",
    "2013": "the connection was lost",
    "2014": "its answers do not fit what it was asked",
    "2026": "no verified TLS connection can be made",
    "2059": "it wants a login that the pipeline does not do",
    "3024": "the statement took too long",
    "3159": "it takes encrypted connections only",
    "3948": "LOAD DATA LOCAL is switched off (local_infile)",
    "4161": "it does not know a type",
    "4166": "LOAD DATA LOCAL is switched off (local_infile)",
    # ours
    "DIED": "the reading process ended, perhaps for want of memory",
    "FILE": (
        "it asked for a file of this machine, as only a server does that somebody took over;"
        " it was sent nothing"
    ),
    "HANGS": "the server hangs",
    "HUNG": "it did not answer in time and the connection was given up",
    "PANIC": "the driver could not read a value",
    "PLAIN": "it takes encrypted connections only",
    "POOLER": "a connection pooler answers, which passes no settings on",
    "TLS": "no verified TLS connection can be made",
    "TLS 1.1": "it has no TLS newer than 1.1",
    # PostgreSQL
    "08001": "nothing answers at this address",
    "08006": "the connection was lost",
    "0A000": "PostgreSQL does not support this",
    "22003": "a number is out of range",
    "22021": "a text holds bytes that are not valid in the database's encoding",
    "23502": "a key column has no value",
    "23505": "a unique key would be doubled",
    "25006": "it is only for reading",
    "28P01": "user or password is wrong",
    "2BP01": "another object depends on it",
    "3D000": "the database does not exist",
    "40001": "two transactions collided",
    "40P01": "a deadlock was resolved against it",
    "42501": "the user lacks a privilege",
    "42601": "the SQL is not well formed",
    "42703": "a column is missing",
    "42704": "it does not know a setting or type",
    "42883": "a function or comparison does not exist for these types",
    "42P01": "the table does not exist",
    "53100": "its disk is full",
    "53300": "it has no connection left",
    "54000": "a row or statement is too large",
    "54011": "the table has too many columns",
    "55P03": "a lock was held too long by somebody else",
    "57014": "the statement was cancelled",
    "57P01": "the server is shutting down",
    "57P03": "the server is starting or stopping",
}

MISSING_TABLE = frozenset({"1146", "42P01"})
MISSING_COLUMN = frozenset({"1054"})
FORBIDDEN = frozenset({"1142", "1143"})
TOO_LONG = frozenset({"1969", "3024"})
TOO_LARGE = frozenset({"54000", "54011"})
LOCKED_OUT = frozenset({"1205", "1213", "40P01", "55P03"})
# The server itself is out of reach, so asking it about the next table helps nobody.
GONE = frozenset(
    {
        "",
        "1053",
        "1927",
        "2003",
        "2006",
        "2013",
        "FILE",
        "HANGS",
        "HUNG",
        "08001",
        "08006",
        "57P01",
        "57P03",
    }
)


def meaning(code: str) -> str:
    """Say what a server's code means."""
    return MEANINGS.get(code, "the server refused" if code else "the server went away")
