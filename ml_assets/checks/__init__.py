"""Asset checks, one property a file."""
