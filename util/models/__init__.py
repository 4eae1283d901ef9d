"""What does a trained network say of a film? Lesson 5.

densenet       DenseNet-121 in Keras  (lesson 5, section 2)
preprocessing  the rules that belong to weights  (lesson 5, section 4)
predict        logits of a cohort's films  (lesson 5)
passport       what is known of weights  (lesson 5, section 3)
weights        load them, and prove them  (lesson 5, section 3)
public         weights that others published  (lesson 15)
contamination  which films may a model know already?  (lesson 5, section 3)
features       fixed features for quick linear models  (lessons 3 and 11)
embeddings     a large model, judged by its embeddings  (README)
scores         logits kept as a table  (lesson 6)
study          films, scores and tuning films of an evaluation  (lesson 6)
score_folder   one command from films to a table  (README)
input_gate     is it a frontal chest film at all?  (lesson 9)
graph          tensors of a network, for heat maps  (lesson 9)
openvino       an alternative engine  (README)
formats        foreign weight files, within bounds  (SECURITY.md)
"""
