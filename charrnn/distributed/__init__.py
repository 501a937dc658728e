"""Distributed computing: the ranks of a job, what they tell each other, and how a rank that fails ends the job."""
