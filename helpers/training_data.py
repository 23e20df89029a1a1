"""What a network is trained on: the parts of a cohort, their labels checked, hashed, averaged."""

import hashlib

import pandas as pd
import torch
from torch.nn import functional

from helpers.cohorts import load_cohort, work_file
from helpers.imputation import label_films, load_labels
from helpers.radiographs import Radiographs
from helpers.readable import load_readable, select_readable_index_films
from helpers.splits import PARTS, check_disjoint, load_split

MEAN_FILM_SIDE = 16  # px; enough to tell a chest from a cat, too little to tell a patient


def load_parts(name: str, size: int | None = None) -> dict[str, pd.DataFrame]:
    """Load training, validation and test films of a cohort as notebooks 04 and 05 use them.

    Of ieee8023 all films, with the labels of notebook 02: training patients with an unknown outcome
    have their imputed risk as soft target. The log loss is linear in the label, so this is training
    on all draws at once. Of sbu the index films of patients with an observed outcome.

    Parameters
    ----------
    name
        ``ieee8023`` or ``sbu``.
    size
        Side of the films in px, by default the profile's; films that cannot be read are left out.

    Returns
    -------
    dict of str to pandas.DataFrame
        A table a part; ``died`` is Float64 (a risk where imputed) in the training part of ieee8023,
        boolean everywhere else.

    Raises
    ------
    FileNotFoundError
        If notebook 01 has not split the patients, or notebook 02 not imputed the labels.
    ValueError
        If no notebook trains on this cohort.
    """
    if name not in ("ieee8023", "sbu"):
        raise ValueError(f"Training uses ieee8023 and sbu; got {name!r}.")
    split = work_file("split.csv", made_by="01_explore_the_cohorts")
    if name == "ieee8023":
        labels = load_labels(work_file("labels.csv", made_by="02_impute_the_labels"))
        films = label_films(load_split(split, load_readable(name, size)), labels, "risk")
    else:
        films = load_split(split, select_readable_index_films(load_cohort(name), size))
        films = films[films["label_source"] == "observed"]
    parts = {part: films[films["part"] == part].reset_index(drop=True) for part in PARTS}
    observed = [part for part in PARTS if parts[part]["label_source"].eq("observed").all()]
    return parts | {part: parts[part].astype({"died": "boolean"}) for part in observed}


def check_labels(train: pd.DataFrame, validation: pd.DataFrame) -> None:
    """Refuse films from which nothing can be learned, or on which nothing can be judged.

    Raises
    ------
    ValueError
        If an outcome is missing, validation outcomes are not observed, only one outcome occurs,
        or a patient is in both parts.
    """
    for name, part in (("training", train), ("validation", validation)):
        counts = part["died"].value_counts(dropna=False)
        if part["died"].isna().any() or part["died"].nunique() < 2:
            raise ValueError(
                f"The {name} films need both outcomes and no missing one; found {counts.to_dict()}."
            )
    if (validation["label_source"] != "observed").any():
        raise ValueError(
            "Validation outcomes must be observed: an imputed label may teach, but never judge."
        )
    parts = [train.assign(part="train"), validation.assign(part="validation")]
    check_disjoint(pd.concat(parts, ignore_index=True))


def training_data_hash(cohort: pd.DataFrame, size: int) -> str:
    """SHA-256 of the films, as the network sees them, and their outcomes, in any order."""
    films = Radiographs(cohort, size)
    died = films.died.numpy()
    each = sorted(
        hashlib.sha256(films.batch([place]).numpy().tobytes() + died[place].tobytes()).digest()
        for place in range(len(films))
    )
    return hashlib.sha256(b"".join(each)).hexdigest()


def mean_film(cohort: pd.DataFrame, size: int) -> list[list[int]]:
    """Mean of a cohort's films, 16 × 16 px in 0–255, by which the panel knows a chest film."""
    films = Radiographs(cohort, size)
    total = torch.zeros(size, size, dtype=torch.float64)
    for chunk in films.chunks():
        total += torch.from_numpy(chunk).sum(dim=0, dtype=torch.float64)
    small = functional.adaptive_avg_pool2d((total / len(films))[None, None], MEAN_FILM_SIDE)
    return small[0, 0].round().int().tolist()
