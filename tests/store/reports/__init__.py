"""Reports of real chargers and operators that concern energy: public threads, recorded logs, and
what users met.

The first line of each test says where its report stands. Names as in notes from the field: HA is
lbbrhzn/ocpp, steve is steve-community/steve, mh is mobilityhouse/ocpp.
"""
