"""Where the server listens: addresses and ports, and certificates in files."""
