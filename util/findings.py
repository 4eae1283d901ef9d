"""The 14 findings of ChestX-ray14, in the order that every table, weight file and notebook here uses."""

FINDINGS = (
    "Cardiomegaly",
    "Emphysema",
    "Effusion",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Atelectasis",
    "Pneumothorax",
    "Pleural_Thickening",
    "Pneumonia",
    "Fibrosis",
    "Edema",
    "Consolidation",
)

# After the Fleischner Society's glossary of terms for thoracic imaging (Hansell et al. 2008,
# doi 10.1148/radiol.2462070712); hernia and cardiomegaly after common radiological usage.
DEFINITIONS = {
    "Cardiomegaly": "The heart's shadow is wider than half the thorax on a PA film.",
    "Emphysema": "Air spaces are destroyed: large dark lungs, a flat diaphragm, a narrow heart.",
    "Effusion": "Fluid in the pleural space blunts the costophrenic angle and rises along the wall as a meniscus.",
    "Hernia": "Part of the stomach lies above the diaphragm, often as a round shadow with air behind the heart.",
    "Infiltration": "An ill-defined, patchy increase in density; a vague word of reports that later glossaries discourage.",
    "Mass": "A rounded opacity more than 30 mm across.",
    "Nodule": "A rounded opacity at most 30 mm across.",
    "Atelectasis": "Part of the lung has lost volume: a band or wedge of density with fissures, hilum or diaphragm drawn to it.",
    "Pneumothorax": "Air in the pleural space: a thin pleural line with no lung vessels beyond it.",
    "Pleural_Thickening": "A band of soft tissue along the inner chest wall or over the apex.",
    "Pneumonia": "Air spaces filled by infection, often one or few patches of density in a lobe.",
    "Fibrosis": "Scarring: coarse lines and small rings, often at the bases and the periphery, with loss of volume.",
    "Edema": "Fluid in the lungs from a failing heart: haze around the hila, thickened lines at the bases.",
    "Consolidation": "Air replaced by fluid or cells: dense, uniform opacity that hides vessels and may show air bronchograms.",
}
