"""How tight what is proved is, and what it costs."""
