"""Charge points that share nothing with our simulator: written from OCPP 1.6 and from public
reports, by somebody who had not read `load/`. They have their own WebSocket client, composite
schedule, cars and faults.
"""
