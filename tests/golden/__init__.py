"""Small files with known contents; `make_files.py` makes them."""

from pathlib import Path

FILES = Path(__file__).with_name("files")


def golden(name: str, **options: object) -> str:
    """The address of a golden `.tflite` file."""
    query = "&".join(f"{key}={value}" for key, value in options.items())
    return f"litert:{FILES / name}.tflite" + (f"?{query}" if query else "")
