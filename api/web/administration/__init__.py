"""What the pages of administration show and ask; the use cases of the domain judge it."""
