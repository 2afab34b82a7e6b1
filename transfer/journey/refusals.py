"""What is said of a server that cannot be used: the setting and the mend."""

from __future__ import annotations

from transfer.errors import ChannelFault, DatabaseFault
from transfer.settings import Server


def sentence_for(server: Server, fault: DatabaseFault) -> str:
    """Say which setting is wrong and how to mend it."""
    if isinstance(fault, ChannelFault):
        return f"{server.prefix}{fault.setting}: {fault.differs}; {fault.mend}."
    sentence = next((words for codes, words in SENTENCES if fault.code in codes), "")
    where = f"{server.host}:{server.port}"
    return sentence.format(name=server.prefix, where=where, user=server.user, db=server.db) or str(
        fault
    )


# What is said of a login that fails, by the server's code.
SENTENCES = (
    (
        ("1045", "28P01", "1698", "28000"),
        "{name}USER or {name}PASSWORD is wrong: the server at {where} refuses the login of {user}.",
    ),
    (
        ("1044", "1049", "3D000", "42501"),
        (
            "{name}DB: {user} cannot use a database {db} at {where}; name the right one, or create"
            " it"
            " and grant the rights in deployments/grants/."
        ),
    ),
    (
        ("1251", "1275", "2059"),
        (
            "{name}USER: the server at {where} wants the password of {user} in the clear, in the"
            " form before MySQL 4.1 or by a"
            " plugin that the pipeline does not have; give the account mysql_native_password or"
            " caching_sha2_password, and set"
            " its password again."
        ),
    ),
    (
        ("TLS 1.1",),
        (
            "{name}TLS: the server at {where} has no TLS newer than 1.1, as MySQL before 5.6.46 and"
            " 5.7.28, which counts for none;"
            " update it, lead the connection through a tunnel, or set {name}TLS=off to send"
            " patients' data in the clear."
        ),
    ),
    (
        ("FILE",),
        (
            "{name}HOST: the server at {where} asked for a file of this machine, as only a server"
            " does that somebody took over;"
            " it was sent nothing. Find out who answers there before the next run."
        ),
    ),
    (
        ("2026", "TLS"),
        (
            "{name}TLS: no verified TLS connection to {where}; set {name}TLS_CA to the file of its"
            " certificate authority,"
            " or {name}TLS=off to send patients' data in the clear."
        ),
    ),
    (
        ("3159", "PLAIN"),
        (
            "{name}TLS: the server at {where} takes encrypted connections only; set"
            " {name}TLS=verify, and {name}TLS_CA to the"
            " file of its certificate authority."
        ),
    ),
    (
        ("2003", "2005", "2006", "2013", "08001", ""),
        (
            "{name}HOST or {name}PORT: no database answers at {where}; is the server up, the"
            " address"
            " right, the way open?"
        ),
    ),
)
