"""Hidden states, from models and from files."""
