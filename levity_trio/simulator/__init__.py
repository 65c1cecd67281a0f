"""Simulated chargers, well-behaved and misbehaving. They share only wire/ with the server."""
