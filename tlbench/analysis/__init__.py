"""From result records to an answer: statistics, tables, figures, one page. Never imports torch."""
