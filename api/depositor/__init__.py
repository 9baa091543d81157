"""What runs on the depositor's own machine: kit, sealing, sending, receipt; no server, no store."""
