"""The dashboard: pages for people, served beside the API and made of what that answers.

A page asks the API for data, in the same process and with the rights of its reader. A form becomes
a request of the API. So roles, records, validation and words of problems exist once, and the
dashboard has no SQL and no rules.
"""
