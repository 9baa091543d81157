"""The outside world behind the ports: clock, random numbers, files, custodians."""
