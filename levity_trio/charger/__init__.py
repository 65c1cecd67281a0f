"""One connected charger: its connection, its session, its calls in both directions, its
handlers."""
