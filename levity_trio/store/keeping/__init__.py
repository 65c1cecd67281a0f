"""Copies of the database: made while a server runs, checked, and restored. Each in the process of
its command."""
