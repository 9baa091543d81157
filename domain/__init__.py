"""What the law allows: aggregates, events, rules as data, commands; no store, web or format."""
