"""The outside of Pli: JSON interface, pages, command line, adapters, and the only wiring."""
