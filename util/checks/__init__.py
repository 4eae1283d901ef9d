"""Is an answer right, and what is wrong with it? One module for each lesson, named like its notebook.

answers               what every check is made of
exercises             open exercises in a learner's copy, and hints
inventory             twenty questions before and after the course
grading               does a graded answer hold on inputs that nobody has seen?
hidden_inputs         those inputs, exercise by exercise
films_and_networks    lesson 1
explore               lesson 2
leaks                 lesson 3
weighted_loss         lesson 4
predict               lesson 5
roc                   lesson 6
decisions             lesson 7
for_whom              lesson 8
gradcam               lesson 9
is_the_map_right      lesson 10
price_of_a_real_film  lesson 11
what_if               lesson 12
i_dont_know           lesson 13
a_year_in_the_clinic  lesson 14
audit_a_hospital      lesson 15
reading_room          lesson 16
"""
