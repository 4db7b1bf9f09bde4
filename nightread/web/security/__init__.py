"""Who somebody is, what they may do, and what a browser is told."""
