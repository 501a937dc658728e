"""Several hosts on one machine, for the benchmark of distributed training."""
