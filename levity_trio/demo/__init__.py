"""The demo: a housing block that nobody lives in, served by the ordinary server, with simulated
chargers and cars.

history.db.xz is its past, made by `just demo-history`. It ends on a winter evening, and the demo
goes on from there.
"""
