"""Simulated chest films with known truth. Lesson 2; the datasheet is data/phantom/README.md.

epidemiology     how often findings occur, and together
studies          who comes, with which findings and labels
anatomy          one patient
clouds           bones and vessels as points
projection       the camera
chest            the maps of one film
acquisition      how a film is taken, and what lies on it
lesions          the 14 findings as causes
painting         who draws a finding, and in which turn
lesions_lung     those within the lung
lesions_pleural  those of pleura, heart and diaphragm
detector         from attenuation to gray levels
render           one film
films            many films
twins            one body drawn twice with one thing changed  (lesson 12)
embedded         a cohort on disk
shards           films for training
subtle           findings that hardly show
gallery          films to look at  (lesson 2, section 4)
measure          what can be measured on a simulated patient
reading          a set of films for the reading test
population       is a large draw like ChestX-ray14?
draw             the command
"""
