"""Billing on stored facts: what charging sessions cost, drafts of statements, their closing, and how they are shown."""
