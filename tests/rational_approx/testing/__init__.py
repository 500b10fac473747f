"""Tests of strategies and assertions for users."""
