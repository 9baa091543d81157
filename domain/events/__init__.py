"""The kinds of events, field by field as domain.md §4 and envelope.md §14 write them.

Fields marked ° there hold commitments here (64 hex); absent values are None and leave no key.
"""
