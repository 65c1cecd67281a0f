"""OCPP-J 1.6 as pure code: text and values in, values and text out; no task, no socket, no clock, no disk."""
