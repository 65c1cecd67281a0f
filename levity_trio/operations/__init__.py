"""What can be asked of a charger, pure: one declaration for each operation of OCPP 1.6 and its security extension.

Validation, HTTP routes, OpenAPI, the shell command with its completion and the forms are derived from it.
"""
