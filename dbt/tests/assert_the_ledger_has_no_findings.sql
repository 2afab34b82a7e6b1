-- What OpenDental's ledger leaves out or cannot place: the practice's data, not ours. The keys are in the mart.
{{ config(severity='warn') }}

select ledger_finding_id
from {{ ref('ledger_findings') }}
