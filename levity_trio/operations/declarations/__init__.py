"""The declarations, one module for each feature profile of OCPP 1.6 (§3.2), and one for the
security extension."""
