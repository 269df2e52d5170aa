"""Data that studies begin with: each folder has its arrays, and a card that says where they come from."""

from pathlib import Path

HOME = Path(__file__).parent
