"""How well do people read, with and without a model's advice? Lesson 16.

room      films to be read, with the truth sealed  (lesson 16, section 1)
page      the page on which a class reads them, offline  (lesson 16, section 1)
advice    what a model says of a room's films  (lesson 16, section 1)
files     the answers of a class, read strictly  (lesson 16, section 1)
scripted  simulated readers, for the lesson and for a rehearsal  (lesson 16, section 2)
study     what the answers say of readers, model and advice  (lesson 16, sections 2 to 6)
figures   the curves of a class  (lesson 16, section 2)
report    what an instructor reads
desk      the command
"""
