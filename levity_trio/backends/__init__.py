"""Copies for other backends: beside the way of a message, from what is stored.

A link for each charger and backend follows the store by a position that is stored with each answer.
Chargers never wait for it. Its modules are imported while a backend is in use.
"""
