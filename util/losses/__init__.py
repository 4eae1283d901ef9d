"""Which loss, and what does it make of the outputs? Lesson 4.

weighted      the class-weighted cross-entropy on logits, and how to undo it  (lesson 4)
keras_loss    the same as a loss of Keras  (lesson 4, section 6)
linear_heads  several losses on fixed features  (lesson 17)
"""
