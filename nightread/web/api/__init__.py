"""The worklist's data as JSON."""
