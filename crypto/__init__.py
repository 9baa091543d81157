"""Pure functions over bytes: sealing, threshold keys, trees, signatures.

No file, clock, network or database; every random byte is an argument (docs/adr/0002).
"""
