"""Does anything leak, and what is it worth? Lesson 3.

overlap          patients on two sides; steps that learned from test films  (lesson 3)
giveaways        row order, names, views, marks  (lesson 3)
near_duplicates  one exposure under two names  (lesson 3)
hash_index       the same among a million films  (lesson 3)
audit            one look at everything  (lesson 3)
plant            leaks planted on purpose  (lesson 3)
cost             what each is worth  (lesson 3)
"""
