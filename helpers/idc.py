"""The index of the NCI Imaging Data Commons: what a collection holds, before anything is fetched.

The package idc-index-data carries a row for each series of the whole archive, so all of this works
without a network. (Its companion idc-index answers the same questions with a database of its own
that takes ten seconds and more than a gigabyte to start.) The index has no view and no reference
to other pictures: series description and number stand for them, and headers decide later.
"""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from idc_index_data import IDC_INDEX_PARQUET_FILEPATH

from helpers.quarantine import RADIOGRAPHS
from helpers.sbu import SBU_VIEWS, chest_checks
from helpers.table import decode_dates, eligible

COLLECTION = "covid_19_ny_sbu"

_COLUMNS = {
    "patient_id": "PatientID",
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "modality": "Modality",
    "study_date": "StudyDate",
    "study_description": "StudyDescription",
    "series_description": "SeriesDescription",
    "series_number": "SeriesNumber",
    "files": "instanceCount",
    "megabytes": "series_size_MB",
    "url": "series_aws_url",
}
# Below this share of patients with a film in their stay, the two kinds of dates do not go together.
_AGREEMENT = 0.5


def read_index(collection: str = COLLECTION) -> pd.DataFrame:
    """Read the radiographs of a collection from the installed index.

    Returns
    -------
    pandas.DataFrame
        A row a series: `patient_id`, `study`, `series`, `modality` (CR or DX), `study_date`
        (datetime64), `study_description`, `series_description`, `series_number` (Int64), `files`,
        `megabytes` (10⁶ bytes, exact), `url` (``s3://bucket/folder/*``).
    """
    # The file is one block of a million rows: column by column it takes a fraction of the memory.
    file = pq.ParquetFile(IDC_INDEX_PARQUET_FILEPATH)
    wanted = pc.equal(file.read(["collection_id"]).column(0), collection)
    for_film = pc.is_in(file.read(["Modality"]).column(0), value_set=pa.array(RADIOGRAPHS))
    mask = pc.and_(wanted, for_film)
    index = pd.DataFrame(
        {
            name: file.read([published]).column(0).filter(mask).to_pandas()
            for name, published in _COLUMNS.items()
        }
    )
    text = ["patient_id", "study", "series", "modality", "study_description", "url"]
    index[text] = index[text].astype("string")
    index["study_date"] = pd.to_datetime(index["study_date"], errors="coerce")
    index["series_number"] = pd.to_numeric(index["series_number"], errors="coerce").astype("Int64")
    return index.sort_values(["patient_id", "study_date", "study", "series"], ignore_index=True)


def load_index(index: pd.DataFrame, stays: pd.DataFrame | None = None) -> pd.DataFrame:
    """Bring an index into the form of a cohort, and leave out what is no frontal chest film.

    Parameters
    ----------
    index : pandas.DataFrame
        From :func:`read_index`.
    stays : pandas.DataFrame, optional
        From :func:`read_stays`. Without it ``day`` counts from the patient's first study.

    Returns
    -------
    pandas.DataFrame
        For `helpers.cohorts.select_index_films`, with the participant flow begun.
    """
    patients = index["patient_id"]
    if stays is None:
        start = index["study_date"].groupby(patients).transform("min")
        late = pd.Series(False, index.index)
    else:
        start = patients.map(stays["start"])
        late = index["study_date"] > start + pd.to_timedelta(patients.map(stays["days"]), unit="D")
    table = index.assign(
        site="sbu",
        image_path=index["url"],
        view=index["series_description"].map(SBU_VIEWS).fillna("unknown"),
        day=(index["study_date"] - start).dt.days.astype("Float64"),
        after_outcome=late,
    )
    joined = {} if stays is None else {"no row in the clinical table": ~patients.isin(stays.index)}
    return eligible(table, {**joined, **chest_checks(table)})


def read_stays(clinical: pd.DataFrame) -> pd.DataFrame:
    """Return each patient's stay: `start` (datetime64) and `days`, indexed by patient."""
    written = clinical["visit_start_datetime"]
    start = decode_dates(written, named=False)
    days = pd.to_numeric(clinical["length_of_stay"], errors="coerce")
    stays = pd.DataFrame({"start": start, "days": days})
    return stays.set_index(clinical["to_patient_id"].to_numpy())


def agrees(index: pd.DataFrame, stays: pd.DataFrame) -> bool:
    """Say whether the dates of films and stays go together: most patients have a film in theirs.

    Both were shifted by the publisher. Were they shifted far apart, no rule about days could be
    followed, and it would show here. Some days' shift would not.
    """
    table = load_index(index, stays)
    within = table[within_stay(table)]
    return within["patient_id"].nunique() >= _AGREEMENT * table["patient_id"].nunique()


def within_stay(table: pd.DataFrame) -> pd.Series:
    """Say which films of a table of :func:`load_index` are of the stay; of an unknown day, none."""
    after = table["after_outcome"].astype("boolean").fillna(False)
    return ((table["day"] >= 0) & ~after).fillna(False)
