"""Two days of a source's life: rows are edited, deleted and added between the runs over its tables."""

from functools import cached_property

from oracle import ask, my
from samples import Family, Sample

from transfer.values.table import TableResult

# By these all tables are large: they are read by their stamps or compared by ranges of keys, in pages of three rows.
LARGE = {"page_rows": 3, "reload_rows": 0, "reload_bytes": 0}


class Days(Family):
    """A first run over all tables, one after each of two days of changes, and one that verifies all."""

    @cached_property
    def second(self) -> dict[str, TableResult | Exception]:
        assert self.first
        return self._after_a_day()

    @cached_property
    def third(self) -> dict[str, TableResult | Exception]:
        assert self.second
        return self._after_a_day()

    @cached_property
    def verified(self) -> dict[str, TableResult | Exception]:
        assert self.third
        return self.run(verify=True)

    def _after_a_day(self) -> dict[str, TableResult | Exception]:
        for table in self.tables:
            if isinstance(self.samples[table], Sample):
                self._change(table)
            else:
                self._change_keyed(table)
        return self.run()

    def _change_keyed(self, table: str) -> None:
        """Delete a row and bring it back with another number, edit one, and delete one for good."""
        ask(
            self.places.source,
            f"CREATE TEMPORARY TABLE one AS SELECT * FROM {my(table)} ORDER BY Value LIMIT 1",
        )
        for change in (
            f"DELETE FROM {my(table)} ORDER BY Value LIMIT 1",
            f"UPDATE {my(table)} SET Value = Value + 100 ORDER BY Value LIMIT 1",
            f"DELETE FROM {my(table)} ORDER BY Value DESC LIMIT 1",
            "UPDATE one SET Value = 50",
            f"INSERT INTO {my(table)} SELECT * FROM one",
            "DROP TEMPORARY TABLE one",
        ):
            ask(self.places.source, change)
