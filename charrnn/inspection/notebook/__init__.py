"""What a notebook shows of trainings, checkpoints and models: HTML that needs no script, no style sheet, no network."""
