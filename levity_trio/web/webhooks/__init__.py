"""Webhooks: facts, signed and delivered over HTTP to receivers outside."""
