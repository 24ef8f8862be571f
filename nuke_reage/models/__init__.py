"""Networks: what they are, where their weights are and how they run."""
