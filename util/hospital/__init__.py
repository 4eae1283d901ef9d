"""Is what a vendor claims of a model true in this hospital? A whole hospital for each student, with planted faults.

claims  what a vendor claims, what a student reports, and what is true  (lesson 15)
"""
