"""The shared package of the course: rooms by the course's questions. ``python -m util`` lists the commands.

metrics   how good are scores, and how sure is that?          lessons 6 to 8, 13
losses    which loss, and what does it make of the outputs?   lesson 4
data      what is one row, one film, one box?                 lessons 2 and 3
phantom   simulated films with known truth                    lesson 2
models    what does a trained network say of a film?          lesson 5
checks    is an answer right, and what is wrong with it?      every lesson
leaks     does anything leak, and what is it worth?           lesson 3
explain   where does it look, and is the map right?           lessons 9 and 10
clinic    what happens to a model in a year in the clinic?    lesson 14
reading   how well do people read, and does advice help?      lesson 16
training  how were the weights made?                          lesson 11, maintainers
hospital  is a vendor's claim true in this hospital?          lesson 15
archive   how are a million films scored?                     README
course    what runs the course                                maintainers

A room uses only what is below it: the ground (the modules beside this file), then metrics, losses and data, then phantom,
models and checks, then leaks, explain, clinic and reading, then
training, hospital, archive and course. README.md beside this file has the picture.
"""

from util import quiet

quiet.install()
