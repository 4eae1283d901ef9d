"""Damaged and hostile input by the thousand: `python -m tests.fuzz`. What is read is right; all else gets one sentence."""
