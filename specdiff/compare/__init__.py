"""Two implementations side by side: their facts, their parameters by role, and what differences mean."""
