"""The database of Levity, from which its history is imported."""
