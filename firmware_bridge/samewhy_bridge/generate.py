"""A folder of C for a target."""

from pathlib import Path

C = Path(__file__).parent / "c"  # sources that are copied as they are
