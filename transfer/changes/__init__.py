"""What changed, what is to be verified, and what that is expected to take: imports the places, and only the journey and what shows its plan import it."""
