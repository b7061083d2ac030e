"""What a long run needs around the training step: saving, schedules, progress."""
