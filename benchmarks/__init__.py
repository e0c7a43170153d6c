"""Speed, memory and start-up, beside what a user would pick instead; run by hand."""
