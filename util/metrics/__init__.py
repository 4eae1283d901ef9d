"""How good are scores, and how sure is that? Lessons 6 to 8.

inputs         labels, scores and patients, checked once  (lesson 6, section 3)
matching       tables of labels and scores, film by film  (lesson 6)
roc            ROC curve, AUC, average precision  (lessons 6, sections 2 and 3)
auc_intervals  how sure an AUC is, by patient  (lesson 6, section 5)
auc_tables     the table of all findings  (lesson 6, section 4)
bootstrap      patients drawn again and again  (lesson 6, section 5)
curve_bands    how sure the curves are  (lesson 6, section 5)
proportions    shares with intervals, and Holm's rule  (lessons 6 to 8)
thresholds     thresholds, rates, predictive values, net benefit  (lesson 7)
calibration    are the predicted probabilities right?  (lesson 7)
subgroups      for whom does it work?  (lesson 8)
comparison     is one model better than another?  (lesson 8)
label_noise    what wrong labels do to an AUC  (lesson 8)
"""
