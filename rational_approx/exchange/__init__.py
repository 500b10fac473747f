"""The relaxed Remez exchange, in float64 and in multiprecision arithmetic."""
