"""What was done, for people."""
