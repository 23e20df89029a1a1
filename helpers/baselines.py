"""What costs nothing: models of death that never look at the film, to be beaten by it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from helpers.delong import auroc_difference, auroc_interval
from helpers.patients import PATIENT, require_patients
from helpers.subgroups import NOT_RECORDED, age_bands

NUMBERS = ["age", "day", "log films"]


@dataclass(frozen=True)
class Baseline:
    """What a baseline may see, and why it is asked."""

    columns: tuple[str, ...]
    why: str


BASELINES = {
    "majority": Baseline((), "the same answer for everybody"),
    "age band": Baseline(("age band",), "three bands, as a hospital may publish them"),
    "age and sex": Baseline(("age", "sex"), "what any admission form says"),
    "view": Baseline(("view",), "who lies in bed is filmed in bed"),
    "number of films": Baseline(("log films",), "known only afterwards: a leak, as a warning"),
    "metadata": Baseline(("age", "sex", "view", "day", "site"), "all that is known with the film"),
}


def patient_metadata(index: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """Add to index films how many films of the patient the whole cohort holds: ``n_films``.

    Parameters
    ----------
    index
        A row a patient, of :func:`helpers.cohorts.select_index_films`.
    cohort
        All films of the same patients.

    Raises
    ------
    ValueError
        If a patient of `index` has no film in `cohort`.
    """
    counts = cohort.groupby(PATIENT, observed=True).size().rename("n_films").reset_index()
    rest = index.drop(columns="n_films", errors="ignore")
    counted = rest.merge(counts, on=PATIENT, how="left")
    if counted["n_films"].isna().any():
        raise ValueError("Some patients have no film in the cohort. Pass the cohort they are from.")
    return counted


def baseline_risks(train: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """Fit every baseline on training patients and ask it about others.

    Logistic regressions with scikit-learn's default ridge penalty; numbers are scaled, a missing
    number is the training median. A missing sex counts as the commoner one: at SBU it was hidden
    for those who died young, and a category of its own would let the outcome in.

    Parameters
    ----------
    train, asked
        A row a patient with ``age``, ``sex``, ``view``, ``day``, ``site`` and ``n_films``, as
        :func:`patient_metadata` gives it; `train` with observed outcomes.

    Returns
    -------
    pandas.DataFrame
        ``site``, ``patient_id`` and a column a baseline, ``risk NAME``, in the order of `asked`.

    Raises
    ------
    ValueError
        If `train` holds patients of another part, or labels that are not observed.
    """
    if "part" in train and not train["part"].eq("train").all():
        raise ValueError(
            "Baselines are fitted on training patients only; this table has others. "
            "Pass table[table['part'] == 'train']."
        )
    require_patients(train)
    known, seen = _fill(_features(train), _features(asked))
    risks = {
        f"risk {name}": _model(baseline)
        .fit(known[list(baseline.columns)], train["died"].to_numpy(bool))
        .predict_proba(seen[list(baseline.columns)])[:, 1]
        for name, baseline in BASELINES.items()
    }
    return asked[PATIENT].reset_index(drop=True).assign(**risks)


def compare_baselines(patients: pd.DataFrame) -> pd.DataFrame:
    """Set the model's risk beside each baseline's, on the same patients.

    Parameters
    ----------
    patients
        A row a patient with ``died``, ``risk`` and columns ``risk NAME``, such as those of
        :func:`baseline_risks`; labels observed.

    Returns
    -------
    pandas.DataFrame
        A row a rival: ``rival``, its AUROC (``estimate``, ``low``, ``high``), and the model's
        AUROC less the rival's, paired (``gain``, ``gain_low``, ``gain_high``, ``note``).
    """
    rows = []
    for column in [name for name in map(str, patients) if name.startswith("risk ")]:
        area = auroc_interval(patients, risk=column)
        gain = auroc_difference(patients, "risk", column)
        numbers = (area.estimate, area.low, area.high, gain.estimate, gain.low, gain.high)
        rows.append((column.removeprefix("risk "), *numbers, gain.note))
    columns = ["rival", "estimate", "low", "high", "gain", "gain_low", "gain_high", "note"]
    return pd.DataFrame(rows, columns=columns)


def _features(patients: pd.DataFrame) -> pd.DataFrame:
    """Columns that baselines may see: `NUMBERS` as float, the others as str."""
    columns: dict[str, pd.Series] = {name: patients[name].astype(float) for name in ("age", "day")}
    columns["log films"] = patients["n_films"].astype(float).map(np.log)
    for name in ("sex", "view", "site"):
        columns[name] = patients[name].astype("string").fillna(NOT_RECORDED)
    columns["age band"] = age_bands(patients["age"])
    return pd.DataFrame(columns)


def _fill(known: pd.DataFrame, seen: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put the commonest recorded category of training patients where none was recorded."""
    filled = [known.copy(), seen.copy()]
    for name in known.columns.difference(NUMBERS):
        recorded = known.loc[known[name] != NOT_RECORDED, name]
        commonest = recorded.mode().iloc[0] if len(recorded) else NOT_RECORDED
        for table in filled:
            table[name] = table[name].replace(NOT_RECORDED, commonest).astype(object)
    return filled[0], filled[1]


def _model(baseline: Baseline) -> Pipeline:
    if not baseline.columns:
        return make_pipeline(DummyClassifier(strategy="prior"))
    numbers = [column for column in baseline.columns if column in NUMBERS]
    categories = [column for column in baseline.columns if column not in NUMBERS]
    filled = SimpleImputer(strategy="median", keep_empty_features=True)
    encoded = make_column_transformer(
        (make_pipeline(filled, StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), categories),
    )
    return make_pipeline(encoded, LogisticRegression())
