"""Endpoints of what households pay: tariffs, months, statements, wallets, meters of the house."""
