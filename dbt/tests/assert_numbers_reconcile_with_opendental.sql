-- What OpenDental itself stored, and ours: balances as of its last aging, its month ends, claims, payments, checks.
{{ config(severity='warn') }}

select
    reconciliation_summary_id,
    differing
from {{ ref('reconciliation_summary') }}
where differing > 0
