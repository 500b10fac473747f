"""The language of targets: text, trees, and rigorous enclosures."""
