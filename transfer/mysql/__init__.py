"""The client of MySQL, which knows no place; the places, changes and journey may import it."""
