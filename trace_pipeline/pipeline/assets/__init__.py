"""The assets, by area: data, problems, models, evaluation."""
