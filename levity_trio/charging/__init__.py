"""Transactions, without I/O: what a charger's messages mean for a transaction, and how much energy it delivered."""
