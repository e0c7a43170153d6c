"""Rows that a language model writes for a target: prompts, filters, and the stage's making."""
