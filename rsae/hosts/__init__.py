"""Language models, and where they are read."""
