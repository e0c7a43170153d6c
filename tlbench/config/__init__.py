"""What a user may ask for: its schema, where configs are, what can't be, and what was asked."""
