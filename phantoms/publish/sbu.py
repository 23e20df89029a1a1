"""The New York collection: idc-index's tree of DICOM files and the clinical table.

Matrices are about 270 x 225 (the hospital's are 3,056 x 2,544) so that the whole cohort fits into
some hundred megabytes; everything else is as in the collection: Explicit VR Little Endian,
MONOCHROME2, unsigned, 12 bits stored, one file a series, companions that carry
ReferencedImageSequence, unreliable body parts, abdomen studies, dates around the year 1900.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from phantoms.people import draw_films, draw_people, to_patient
from phantoms.publish.dicom import DicomFile, Header, uid
from phantoms.publish.files import Job, TruthMask
from phantoms.publish.sbu_clinical import clinical_table
from phantoms.publish.sbu_left_out import left_out

FOLDER = "sbu"
COLLECTION = "covid_19_ny_sbu"
CLINICAL_NAME = "deidentified_overlap_tcia.csv.cleaned.csv_20210806.csv"
SIZE = 272  # pixels, longest side

PATIENTS = 600
WITHOUT_FILMS = 0.014  # 19 of 1,384 patients of the table have no radiograph
COMPANION = 0.53  # most chest studies hold a second, enhanced series
COMPANION_LAST = 0.9  # it mostly has the higher series number
DIRECT = 0.18  # DX ("For Presentation") instead of CR
ABDOMEN = 0.04  # abdomen studies for each chest study
LATERAL = 0.008  # chest studies with a lateral as well
FIRST_DAY, LAST_ADMISSION = date(1900, 9, 1), 150  # shifted dates: 1900-09 to 1901-04

CHEST_STUDIES = ("XR CHEST AP PORTABLE", "XR CHEST 1 VIEW", "XR CHEST AP VIEW", "CHEST PORTABLE")
TWO_VIEW_STUDY = "XR CHEST PA AND LATERAL"
ABDOMEN_STUDIES = ("XR ABDOMEN AP PORTABLE", "XR ABDOMEN 1 VIEW", "XR ABDOMEN KUB")
# BodyPartExamined is what the technologist left on the console.
CHEST_PARTS = {"CHEST": 0.84, "": 0.09, "PORT CHEST": 0.05, "ABDOMEN": 0.02}
ABDOMEN_PARTS = {"ABDOMEN": 0.55, "CHEST": 0.35, "": 0.10}


@dataclass(frozen=True)
class SbuPlan:
    """What is to be written: exposures, the clinical table, and the truth."""

    jobs: list[Job]
    clinical: pd.DataFrame
    truth: pd.DataFrame


def plan(scale: float, rng: np.random.Generator) -> SbuPlan:
    """Draw the cohort and lay out its files."""
    people = draw_people("sbu", max(20, round(PATIENTS * scale)), rng)
    people["patient_id"] = _patient_ids(len(people), rng)
    people["admission"] = rng.integers(LAST_ADMISSION, size=len(people))
    filmed = people[rng.random(len(people)) >= WITHOUT_FILMS]
    films = draw_films("sbu", filmed, rng)
    clinical = clinical_table(people, films, FIRST_DAY, rng)
    sex = clinical.set_index("to_patient_id")["gender_concept_name"]
    jobs: list[Job] = []
    truth: list[dict[str, object]] = []
    headers: list[Header] = []
    for study, (_, film) in enumerate(films.iterrows()):
        shown_sex = {"MALE": "M", "FEMALE": "F"}.get(sex[film["patient_id"]], "")
        new_jobs, new_truth = _chest_study(film, study, shown_sex, rng)
        jobs += new_jobs
        truth += new_truth
        headers.append(_plain(new_jobs[0]).header)
    for number in range(max(1, round(ABDOMEN * len(films)))):
        person = filmed.iloc[int(rng.integers(len(filmed)))]
        jobs.append(_abdomen_study(person, number, rng))
    stays = clinical.set_index("to_patient_id")["length_of_stay"]
    for film, header, enhanced in left_out(films, headers, stays, scale, rng):
        file = DicomFile(FOLDER, COLLECTION, header, enhanced=enhanced)
        jobs.append(Job("chest", SIZE, (file,), to_patient(film, "sbu")))
    return SbuPlan(jobs, clinical, pd.DataFrame(truth))


def _chest_study(
    film: pd.Series, number: int, sex: str, rng: np.random.Generator
) -> tuple[list[Job], list[dict[str, object]]]:
    """Lay out one chest study: film, perhaps its companion, perhaps a lateral."""
    patient_id = film["patient_id"]
    upright = film["view"] == "PA"
    lateral = upright or rng.random() < LATERAL
    description = (
        TWO_VIEW_STUDY if upright else CHEST_STUDIES[int(rng.integers(len(CHEST_STUDIES)))]
    )
    header = Header(
        patient_id=patient_id,
        sex=sex,
        study_uid=uid("sbu", patient_id, "chest", number),
        date=_shifted(film["admission"] + film["day"]),
        time=_clock(rng),
        study_description=description,
        modality="DX" if rng.random() < DIRECT else "CR",
        body_part=_pick(CHEST_PARTS, rng),
        view="PA" if upright else "AP",
        series_description="PA" if upright else "AP",
        series_number=1,
        window_seed=int(rng.integers(2**31)),
    )
    mask = f"truth/masks/sbu/{patient_id}-{number:05d}.png"
    companion = rng.random() < COMPANION
    companion_last = rng.random() < COMPANION_LAST
    main = DicomFile(
        FOLDER, COLLECTION, header.numbered(1 if companion_last or not companion else 2)
    )
    series = [main]
    if companion:
        enhanced = header.numbered(2 if companion_last else 1, f"{header.view} Enhanced")
        series.append(DicomFile(FOLDER, COLLECTION, enhanced, companion_of=main.header))
    rows = [{**dict(film), "image_path": file.path, "mask_path": mask} for file in series]
    jobs = [Job("chest", SIZE, (*series, TruthMask(mask)), to_patient(film, "sbu"))]
    if lateral:
        side = film.copy()
        side["view"], side["film_seed"] = "lateral", int(rng.integers(2**31 - 1))
        seen = header.numbered(3, "LATERAL", view="LATERAL")
        jobs.append(
            Job("chest", SIZE, (DicomFile(FOLDER, COLLECTION, seen),), to_patient(side, "sbu"))
        )
    return jobs, rows


def _plain(job: Job) -> DicomFile:
    """Return the file of a study's film, which its first job writes first."""
    file = job.outputs[0]
    if not isinstance(file, DicomFile) or file.companion_of:
        raise TypeError(f"expected the plain film of a study, found {file}")
    return file


def _abdomen_study(person: pd.Series, number: int, rng: np.random.Generator) -> Job:
    header = Header(
        patient_id=person["patient_id"],
        sex="",
        study_uid=uid("sbu", person["patient_id"], "abdomen", number),
        date=_shifted(person["admission"] + int(rng.integers(10))),
        time=_clock(rng),
        study_description=ABDOMEN_STUDIES[int(rng.integers(len(ABDOMEN_STUDIES)))],
        modality="CR",
        body_part=_pick(ABDOMEN_PARTS, rng),
        view="AP",
        series_description="AP",
        series_number=1,
        window_seed=int(rng.integers(2**31)),
    )
    return Job(
        "abdomen",
        SIZE,
        (DicomFile(FOLDER, COLLECTION, header),),
        seed=int(rng.integers(2**31 - 1)),
    )


def _patient_ids(n: int, rng: np.random.Generator) -> list[str]:
    return [f"A{number:06d}" for number in rng.choice(1_000_000, n, replace=False)]


def _shifted(day: int) -> str:
    return (FIRST_DAY + timedelta(days=int(day))).strftime("%Y%m%d")


def _clock(rng: np.random.Generator) -> str:
    hour, minute, second = rng.integers(24), rng.integers(60), rng.integers(60)
    return f"{hour:02d}{minute:02d}{second:02d}"


def _pick(chances: dict[str, float], rng: np.random.Generator) -> str:
    return str(rng.choice(list(chances), p=list(chances.values())))
