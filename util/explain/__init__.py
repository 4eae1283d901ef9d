"""Where does a network look, and is the map right? Lessons 9 and 10.

heat_maps     Grad-CAM and its relatives; a method is one function  (lesson 9)
cases         which films are maps judged on?  (lesson 10)
localisation  is the map where the finding is?  (lesson 10)
sanity        does it depend on the model, and the model on it?  (lesson 10)
shortcut      a network that cheats, made on purpose  (lesson 10)
explorer      pick film, finding, layer and method  (lesson 9)
"""
