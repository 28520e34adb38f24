"""What a change does to models: both sides read from git objects, analysed, and told in facts."""
