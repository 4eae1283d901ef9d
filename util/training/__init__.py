"""How were the weights made, and what is a real film worth? Lesson 11; the rest is for maintainers. Needs PyTorch.

network         DenseNet-121 in PyTorch
recipe          what all trainings share
augment         another take of the same film
simulated       from simulated films: `phantom`
finetune        on real films, one function
real_films      real films with labels in memory
nih_finetuned   the weights `nih-finetuned`
learning_curve  the price of a real film  (lesson 11)
by_source       what is left when whole sources are held out
report          what is reported of a model on real films  (lesson 11)
few_labels      the field's few-label test
release         weights and passport, written
"""
