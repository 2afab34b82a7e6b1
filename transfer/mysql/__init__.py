"""The client of the two MySQL servers: connect, quote, read, hash, write; knows neither which tables there are nor PostgreSQL."""
