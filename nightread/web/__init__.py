"""The worklist in a browser and as JSON: `nightread serve`."""
