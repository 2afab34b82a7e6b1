"""What Prefect retries, caches, times and shows. Importing it first keeps Prefect offline."""

import os

from transfer.settings import ROOT

RESULTS = ROOT / ".local" / "results"

for _name, _value in {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # The first start creates and migrates Prefect's own database, which takes longer than its default of 20 s.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # Each of Prefect's own six tries waits so long for a server that hangs; a minute's default would make ten of a run's end.
    "PREFECT_API_REQUEST_TIMEOUT": "20",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "elt",
    # A record from outside a flow, as of the pre-flight, is none for its server and no reason to warn.
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    # Apart from others' in ~/.prefect, as we remove our old ones; under its older name the user's own choice counts too.
    "PREFECT_RESULTS_LOCAL_STORAGE_PATH": os.environ.get("PREFECT_LOCAL_STORAGE_PATH") or str(RESULTS),
}.items():
    os.environ.setdefault(_name, _value)
