"""The declarations: those of the feature profiles of OCPP 1.6 (§3.2), and those of its security
extension."""
