"""Data sources: what `--data` takes, checked against the model's layers."""

from energydsl.data.sources import load_data as load_data
from energydsl.data.streamed import load_streamed as load_streamed
