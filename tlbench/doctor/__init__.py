"""What this machine can do, and what to set: each module looks at one thing and changes nothing."""
