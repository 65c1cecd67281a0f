"""Writes of what households pay: the biller, tariffs, closings, wallets, meters of the house."""
