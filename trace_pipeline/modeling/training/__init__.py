"""What supervised fine-tuning and reinforcement share."""
