"""Is what a vendor claims about a model true in this hospital? A whole hospital for each student, with planted faults.

claims      what a vendor claims, what a student reports, and what is true  (lesson 15)
folder      open a hospital's folder: films, tables, claims  (lesson 15)
estimates   the quantities of the claims, computed correctly  (lesson 15)
seal        from a student and a secret to random numbers
cohort      which claims are false; people, splits and true findings
faults      one function for each fault of people, films and labels
scores      the vendor's probabilities, simulated with known AUCs
luck        draw again until a draw is clear
plan        the whole plan of a hospital, without a film
sheet       the vendor's sentences
truth       what is true of each claim
tables      the tables as bytes, and the fingerprint
pictures    films with words and gray levels; heat maps
png         files that are the same on every machine
steady      arithmetic that is the same on every processor
draw        write a hospital: python -m util hospital
practice    a small hospital for self-study
report      what a student hands in, read without trust  (lesson 15)
card        the model card, as Markdown and as a page to print
marking     the mark of one report
marks       the marks of a class as files
grade       mark a class: python -m util grade
auditors    a good auditor, a careless, a paranoid and a lucky one
difficulty  how hard hospitals are: python -m util hospitals
"""
