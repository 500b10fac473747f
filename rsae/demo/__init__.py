"""The embedded default: text, a teacher and a synthetic world that need nothing but an installed environment."""
