"""Facts of ChestX-ray14, measured on NIH's label table (112,120 films; Wang et al. 2017, arXiv 1705.02315).

Only aggregates are kept here, no row of that table. Taught in lesson 2.
"""

# Prevalence on AP films divided by prevalence on PA films.
VIEW_RATIO = {
    "Cardiomegaly": 1.17, "Emphysema": 1.02, "Effusion": 1.53, "Hernia": 0.27, "Infiltration": 1.69, "Mass": 0.93,
    "Nodule": 0.77, "Atelectasis": 1.53, "Pneumothorax": 0.84, "Pleural_Thickening": 0.60, "Pneumonia": 1.91,
    "Fibrosis": 0.30, "Edema": 11.03, "Consolidation": 3.11,
}  # fmt: skip


# How many times as often as by chance two findings are on the same film, for the most frequent and most extreme pairs.
LIFT = {
    ("Effusion", "Infiltration"): 1.69, ("Effusion", "Atelectasis"): 2.39, ("Infiltration", "Atelectasis"): 1.59,
    ("Infiltration", "Nodule"): 1.38, ("Effusion", "Consolidation"): 2.32, ("Effusion", "Mass"): 1.83,
    ("Atelectasis", "Consolidation"): 2.54, ("Infiltration", "Consolidation"): 1.47,
    ("Cardiomegaly", "Effusion"): 3.22, ("Mass", "Nodule"): 2.77, ("Emphysema", "Pneumothorax"): 6.28,
}  # fmt: skip


PERSONS = {
    "AP films (%)": 39.97, "films of men (%)": 56.49, "age, 5th percentile": 18, "age, 25th percentile": 34,
    "age, median": 49, "age, 75th percentile": 59, "age, 95th percentile": 72, "age, SD": 16.60,
    "films without a finding (%)": 53.84, "films with several findings (%)": 18.55,
    "films per patient": 3.64, "patients with one film (%)": 56.82,
}  # fmt: skip


# Share of the 112,120 films of ChestX-ray14 that have the mined label.
NATURAL_PREVALENCE = {
    "Cardiomegaly": 0.02476, "Emphysema": 0.02244, "Effusion": 0.11877, "Hernia": 0.00202,
    "Infiltration": 0.17744, "Mass": 0.05157, "Nodule": 0.05647, "Atelectasis": 0.10310,
    "Pneumothorax": 0.04729, "Pleural_Thickening": 0.03019, "Pneumonia": 0.01276, "Fibrosis": 0.01504,
    "Edema": 0.02054, "Consolidation": 0.04162,
}  # fmt: skip


AP_SHARE = 0.40  # 44,810 of 112,120 films
