"""Endpoints of transactions and of their reviews."""
