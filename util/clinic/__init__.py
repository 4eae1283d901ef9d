"""What happens to a model in a year in the clinic? Lesson 14.

pools     films scored once, under five conditions  (lesson 14, section 1)
year      52 weeks of films, with planted events  (lesson 14, section 1)
rules     what is called, watched and stopped, and what that costs  (lesson 14, sections 2 to 4)
cusum     small changes add up until an alarm; how often by chance  (lesson 14, section 3)
reliance  a reader alone and with advice  (lesson 14, section 6)
card      a readiness checklist and a model card  (lesson 14, section 7)
"""
