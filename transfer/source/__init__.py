"""The clinic's OpenDental database, which is only ever read: imports MySQL's client, and only changes and the journey import it."""
