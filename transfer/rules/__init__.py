"""How each type crosses and how a table is laid out: imports values and errors, and every room that reads or writes rows may import it."""
