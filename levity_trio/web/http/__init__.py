"""What all that is served needs of HTTP: the server, limits, negotiation, problems, and turns."""
