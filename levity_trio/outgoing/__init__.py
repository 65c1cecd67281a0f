"""Requests to servers outside, over HTTP, and to the meters of a house. Everything that this
program asks of others goes through here."""
