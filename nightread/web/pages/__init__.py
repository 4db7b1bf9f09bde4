"""The worklist as pages."""
