"""The clinic's OpenDental database, which is only ever read; journey and tasks may import it, replica and warehouse never."""
