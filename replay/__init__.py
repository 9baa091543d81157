"""Reading the past: time travel, the custodian's own judgement, the one-file offline verifier.

What is computed here is computed from entries alone, so that anybody computes the same.
"""
