"""The story: real contracts played as consultations through the HTTP interface, act by act.

Every act passes the routes and guards that a company's client passes (docs/adr/0004).
"""
