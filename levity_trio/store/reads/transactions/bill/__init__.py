"""The bill of one transaction: read, and told in plain English."""
