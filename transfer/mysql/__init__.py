"""The client of MySQL; the places, changes and journey may import it."""
