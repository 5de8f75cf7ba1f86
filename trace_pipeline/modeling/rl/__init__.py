"""Reinforcement learning, and expert iteration."""
