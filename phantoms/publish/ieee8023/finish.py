"""From rows to ``metadata.csv``: patient numbers, file names, the published columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from phantoms.publish.ieee8023.tables import COLUMNS, LATER_FINDINGS

SHARING_A_NUMBER = 0.04  # patients of one report, entered as 360a and 360b


def number_patients(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Give patients the publisher's numbers, a few with letters, and sort by them."""
    keys = list(rng.permutation(table["key"].unique()))
    joined = rng.random(len(keys)) < SHARING_A_NUMBER
    names, number = {}, 0
    for i, key in enumerate(keys):
        if i > len(keys) / 2 and joined[i] and not joined[i - 1]:
            names[keys[i - 1]], names[key] = f"{number}a", f"{number}b"
        else:
            number += 1
            names[key] = str(number)
    place = {key: i for i, key in enumerate(keys)}
    table = table.assign(patientid=table["key"].map(names))
    return table.sort_values("key", key=lambda key: key.map(place), kind="stable").reset_index(
        drop=True
    )


def file_names(
    table: pd.DataFrame, suffixes: Sequence[str], rng: np.random.Generator
) -> np.ndarray:
    """Return different names in the manners that sources have: (n,) str."""
    names = []
    for i, (view, suffix) in enumerate(zip(table["view"], suffixes, strict=True)):
        t = rng.bytes(16).hex().upper()
        plain_view = (view or "x").lower().replace(" ", "-").replace("?", "x")
        manners = (
            f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}",
            f"phantom-pneumonia-{i}-{plain_view}",
            f"phantom.2020.{i:06d}.fig{1 + i % 7}-day{i % 14}",
            f"PHANTOM-{i:05d}a",
            f"1-s2.0-S{i:016d}-main.pdf-{1 + i % 9:03d}",
        )
        names.append(manners[rng.integers(len(manners))] + suffix)
    return np.array(names, dtype=object)


def metadata_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return the published columns as text, in the publisher's order, the last without a name."""
    text = table.drop(columns=["sex", "age"])
    text = text.rename(columns={"sex_text": "sex", "age_text": "age"}).assign(**{"": ""})
    text = text[list(COLUMNS)].astype(str)
    slipped = text.index[text["license"] == "CC BY-NC-ND"][:3]
    text.loc[slipped, ""] = "Synthetic remark of a publisher that slipped into an unnamed column."
    return text


def with_repeated_file(metadata: pd.DataFrame) -> pd.DataFrame:
    """Enter one film of another disease a second time under a new patient, as the publisher did."""
    other = ~metadata["finding"].str.contains("COVID|todo") & (metadata["view"] != "L")
    again = metadata[other].head(1).assign(patientid=str(metadata["patientid"].nunique() + 1))
    return pd.concat([metadata, again], ignore_index=True)


def later_metadata(metadata: pd.DataFrame) -> pd.DataFrame:
    """Return ``metadata`` with the column set of the last upstream version.

    ``finding`` becomes a path such as ``Pneumonia/Viral/COVID-19``, and ``RT_PCR_positive``
    (``Y`` for COVID-19, else blank) follows it.

    Parameters
    ----------
    metadata : the June 2020 table, every cell a string
    """
    later = metadata.assign(finding=metadata["finding"].map(LATER_FINDINGS))
    positive = np.where(metadata["finding"].str.contains("COVID-19"), "Y", "")
    later.insert(list(metadata.columns).index("finding") + 1, "RT_PCR_positive", positive)
    return later
