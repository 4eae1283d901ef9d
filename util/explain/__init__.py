"""Where does a network look, and is the map right? Lessons 9, 10 and 12.

heat_maps     Grad-CAM and its relatives; a method is one function  (lesson 9)
cases         which films are maps judged on?  (lesson 10)
localisation  is the map where the finding is?  (lesson 10)
sanity        does it depend on the model, and the model on it?  (lesson 10)
shortcut      a network that cheats, made on purpose  (lesson 10)
evidence      what changed between twins, what moved the logit  (lesson 12)
twin_study    twins of many patients, the tables of lesson 12
twin_viewer   a slider over twins  (lesson 12)
explorer      pick film, finding, layer and method  (lesson 9)
"""
