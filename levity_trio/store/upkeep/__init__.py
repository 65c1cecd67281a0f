"""Tasks and steps that keep the database in order while the server runs."""
