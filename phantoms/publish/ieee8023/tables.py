"""Columns, value sets and missingness of ieee8023's ``metadata.csv``."""

from __future__ import annotations

COLUMNS = (
    "patientid", "offset", "sex", "age", "finding", "survival", "intubated", "intubation_present",
    "went_icu", "in_icu", "needed_supplemental_O2", "extubated", "temperature", "pO2_saturation",
    "leukocyte_count", "neutrophil_count", "lymphocyte_count", "view", "modality", "date",
    "location", "folder", "filename", "doi", "url", "license", "clinical_notes", "other_notes", "",
)  # fmt: skip
CLINICAL_COLUMNS = COLUMNS[5:17]  # survival … lymphocyte_count
VIEWS = {"PA": "PA", "AP": "AP", "AP supine": "AP Supine", "lateral": "L"}
# Formats as the publisher's files have them: (format, mode, suffix) and how many of about 500.
FORMATS = (
    ("JPEG", "L", ".jpg", 79),
    ("JPEG", "RGB", ".jpg", 170),
    ("JPEG", "RGB", ".jpeg", 76),
    ("PNG", "RGB", ".png", 59),
    ("PNG", "RGBA", ".png", 54),
    ("JPEG", "L", ".jpeg", 41),
    ("PNG", "RGBA", ".jpg", 8),
    ("PNG", "RGBA", ".PNG", 4),
    ("PNG", "P", ".png", 4),
    ("PNG", "L", ".png", 2),
)

# Sources. Hospitals other than Hannover are invented; countries are not.
HANNOVER = "Hannover Medical School, Hannover, Germany"
REPORT_PLACES = (
    "Italy", "Spain", "South Korea", "United Kingdom", "Hong Kong", "Wuhan, China",
    "Phantom General Hospital, Taipei, Taiwan", "Phantom University Hospital, Milan, Italy",
    "Phantom Hospital, Seattle, Washington, United States", "Phantom Clinic, Porto, Portugal ",
)  # fmt: skip
TEACHING_PLACES = (
    "Melbourne, Australia", "Phantom Royal Hospital, Nottingham, United Kingdom ", "Italy",
    "Valencia, Spain", "Brescia, Italy", "Edinburgh, United Kingdom", "Spain", "",
)  # fmt: skip
REPORT_LICENCES = {
    "": 0.6, "CC BY-NC-ND": 0.16, "CC BY-NC-ND 4.0": 0.08, "CC BY": 0.05, "CC BY 4.0": 0.05,
    "listed as authorized for everyone": 0.05, " ": 0.01,
}  # fmt: skip
TEACHING_LICENCES = {"CC BY-NC-SA": 0.6, "CC BY-NC-SA 4.0": 0.3, "Apache 2.0": 0.03, "": 0.07}
DATES = (
    "2020", "2020", "2020", "2020", "2020", "2020", "", "", "January 22, 2020", "Feb 5, 2020",
    "03/09/20", "March 2020", "12 March 2020", "Mar 4, 2020", "3/3/2020", "January 12",
)  # fmt: skip

# How many films of each other finding, and what the last upstream version calls each finding.
OTHER_FINDINGS = {
    "No Finding": 16, "Streptococcus": 14, "Pneumocystis": 12, "SARS": 10, "Klebsiella": 8,
    "Legionella": 6, "Pneumonia": 5, "Lipoid": 5, "Bacterial": 4, "ARDS": 4, "Chlamydophila": 2,
    "Influenza": 2,
}  # fmt: skip
OTHER_DATES = ("2013", "2014", "2016", "2018", "2004", "March 2003", "")
LATER_FINDINGS = {
    "COVID-19": "Pneumonia/Viral/COVID-19",
    "COVID-19, ARDS": "Pneumonia/Viral/COVID-19",
    "SARS": "Pneumonia/Viral/SARS",
    "Influenza": "Pneumonia/Viral/Influenza",
    "Streptococcus": "Pneumonia/Bacterial/Streptococcus",
    "Klebsiella": "Pneumonia/Bacterial/Klebsiella",
    "Legionella": "Pneumonia/Bacterial/Legionella",
    "Chlamydophila": "Pneumonia/Bacterial/Chlamydophila",
    "Bacterial": "Pneumonia/Bacterial",
    "Pneumocystis": "Pneumonia/Fungal/Pneumocystis",
    "Lipoid": "Pneumonia/Lipoid",
    "Pneumonia": "Pneumonia",
    "ARDS": "Pneumonia",
    "No Finding": "No Finding",
    "todo": "todo",
}

# Recording. Log odds that a source states the outcome at severity 0, and what one sd of severity
# adds: case reports tell how a dramatic illness ended, teaching files rarely do. It does not
# depend on the outcome itself, so severity, part of which the films and the intensive care columns
# show, explains all of it; leaving out the unstated still overstates the death rate.
OUTCOME_STATED = {"report": -0.40, "teaching": -2.3, "hannover": -0.9}
OUTCOME_STATED_BY_SEVERITY = 0.75
CARE_STATED = {"report": 0.62, "teaching": 0.30, "hannover": 0.85}  # went_icu, in_icu
PRESENT_STATED = 0.8  # in_icu where went_icu is stated
TUBE_STATED = {"report": 0.62, "teaching": 0.30, "hannover": 0.05}  # intubated and present
EXTUBATED_STATED = 0.6  # of the intubated
OXYGEN_STATED = {"report": 0.2, "teaching": 0.1, "hannover": 0.0}
AGE_STATED = {"report": 0.95, "teaching": 0.82, "hannover": 0.0}
SEX_STATED = {"report": 0.92, "teaching": 0.88, "hannover": 1.0}
OFFSET_STATED = {"report": 0.95, "teaching": 0.74, "hannover": 1.0}
# Share of films for which a measurement is given, by source.
LABS_STATED = {
    "temperature": ("temperature", {"report": 0.26, "teaching": 0.12, "hannover": 0.0}),
    "pO2_saturation": ("saturation", {"report": 0.20, "teaching": 0.06, "hannover": 0.6}),
    "leukocyte_count": ("leukocytes", {"report": 0.06, "teaching": 0.01, "hannover": 0.0}),
    "neutrophil_count": ("neutrophils", {"report": 0.02, "teaching": 0.0, "hannover": 0.2}),
    "lymphocyte_count": ("lymphocytes", {"report": 0.07, "teaching": 0.02, "hannover": 0.25}),
}
