"""Simulated months against the real server, in one process and in virtual time.

    charger (simulator) -> link -> line -> session -> handlers -> writes -> SQLite, in memory

All of these are the real ones but the line: it carries texts where a WebSocket carries bytes. No
task waits for anything but virtual time, so a month takes about a minute of CPU, and the same seed
gives the same database.

Run it from the checkout's root: `python -m tests.tools.benchmarks.months --help`.
"""
