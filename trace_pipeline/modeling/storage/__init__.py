"""What lies on the disk: checkpoints, snapshots of a training, records of its steps."""
