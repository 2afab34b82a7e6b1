"""The client of PostgreSQL: connect, quote, copy, merge, alter; knows neither which tables there are nor MySQL."""
