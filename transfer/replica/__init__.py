"""The exact copy in the local MySQL with its bookkeeping: imports MySQL's client, never source or warehouse; only changes and the journey import it."""
