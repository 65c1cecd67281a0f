"""Requests to servers outside, over HTTP. Everything that this program asks of others goes through
here."""
