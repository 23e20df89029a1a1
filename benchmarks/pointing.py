"""Do heat maps point at lesions, on phantoms and on real films? Prints tables.

    .venv/bin/python -m benchmarks.pointing
    CXR_DATA=… .venv/bin/python -m benchmarks.pointing [--keep]

With --keep the scores on real outlines are stored for notebook 07, in docs/study/.
Phantoms: test patients of SBU, with true lesions. ieee8023: films on which radiologists outlined
lesions, or phantoms of them. Maps of iteration 2 (mortality) and of the phantom start (opacity),
on the network's own grid and on the finer one, beside rivals that look at no film. Only numbers
come out; intervals are over patients.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from helpers.activation import class_activation
from helpers.cohorts import (
    cohort_root,
    is_phantom,
    load_annotations,
    load_cohort,
    select_index_films,
    work_file,
)
from helpers.files import file_hash
from helpers.fine_grid import fine_activation
from helpers.heat_scores import (
    BLOB,
    CHANCE,
    SCORES,
    in_words,
    leads,
    score_intervals,
    score_maps,
    table_of,
)
from helpers.intervals import Interval
from helpers.opacity_maps import opacity_maps
from helpers.outlined import load_outlined
from helpers.radiographs import Radiographs, normalise
from helpers.reporting import markdown_table
from helpers.severity import SeverityModel
from helpers.splits import load_split
from helpers.starts import PHANTOM_START
from helpers.studies import save_study
from helpers.training import RiskModel
from phantoms.truth import square_masks

MORTALITY, MORTALITY_FINE = "mortality, 4 × 4 places", "mortality, finer grid"
OPACITY, OPACITY_FINE = "opacity, 4 × 4 places", "opacity, finer grid"
AIM, BLOB_AT_MOST = 0.80, 0.35


def main() -> None:
    """Print what was found on either kind of film."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="store the scores on real outlines")
    keep = parser.parse_args().keep
    if keep and is_phantom("ieee8023"):
        parser.error("there are no real outlines: set CXR_DATA to a folder with the real ieee8023")
    if is_phantom("sbu"):
        print(on_phantoms())
    print(on_outlines())
    if keep:
        print(f"Stored as {store(iteration2()).name}.")


def store(model: RiskModel) -> Path:
    """Store the scores on outlined films, and by how much each map leads its own average."""
    films, lesions, lungs = load_outlined(model.size)
    scores = score_maps(draw(model, films), lesions, lungs)
    table = score_intervals(scores, films["patient_id"])
    own = {name: f"average of {name}" for name in table["map"].unique()}
    own = {name: average for name, average in own.items() if average in set(own)}
    apart = pd.DataFrame(
        {
            (score, name): scores[score, name] - scores[score, average]
            for name, average in own.items()
            for score in SCORES
        }
    )
    lead = score_intervals(apart, films["patient_id"]).assign(against="its own average")
    lead = lead.rename(columns={name: f"lead_{name}" for name in ("estimate", "low", "high")})
    table = table.merge(lead, on=["score", "map"], how="left", validate="one_to_one")
    table = table.assign(films=len(films), patients=films["patient_id"].nunique())
    begun = {"begun": time.strftime("%Y-%m-%d"), "sbu": "phantom" if is_phantom("sbu") else "real"}
    start = {"phantom_start_sha256": file_hash(PHANTOM_START)}
    command = {"command": "CXR_DATA=… python -m benchmarks.pointing --keep"}
    return save_study("real-outlines", table, command | begun | start)


def on_phantoms() -> str:
    """Score the maps on phantoms of SBU's test part."""
    split = work_file("split.csv", made_by="01_explore_the_cohorts")
    index = load_split(split, select_index_films(load_cohort("sbu")))
    test = index[index["part"] == "test"].reset_index(drop=True)
    model = iteration2()
    root = cohort_root("sbu").parent
    lungs, lesions = square_masks(root, "sbu", test["image_path"], model.size)
    ill = lesions.any(axis=(1, 2))
    films = test[ill].reset_index(drop=True)
    heading = f"## Phantoms: {ill.sum()} of {len(test)} test films of SBU show lesions\n\n"
    return heading + judged(model, films, lesions[ill], lungs[ill], aims=True)


def on_outlines() -> str:
    """Score the maps on the lesions that radiologists outlined."""
    model = iteration2()
    outlined = load_outlined(model.size)
    kind = "phantom" if is_phantom("ieee8023") else "real"
    patients = outlined.films["patient_id"].nunique()
    paths = load_annotations(cohort_root("ieee8023")).outlines["image_path"].drop_duplicates()
    here = sum(Path(path).is_file() for path in paths)
    heading = (
        f"## Heat on outlined lesions\n\nOf {len(paths)} films of ieee8023 with outlines, the "
        f"pictures of {here} are here; {len(outlined.films)} {kind} films, of {patients} patients, "
        "have a lesion outlined: opacities like ground glass, or consolidation. A hit in the "
        "pointing game lies on a lesion or within 1/32 of the film's side. Shares of heat are "
        "means over the films on which all maps have some. Opacity is what the "
        "phantom start reads, which no real film taught, though it was changed while outlined "
        "films were looked at (rounds above). Mortality is iteration 2: its iteration 1 may have "
        "been trained on some of these films, never on an outline, and it was last fine-tuned on "
        f"{'drawn' if is_phantom('sbu') else 'real'} films of SBU. A map that is "
        "flat out to the film's edge points at the place that made it so. (Until phantoms showed "
        "how much that cost the coarse maps, the middle of the flat part was taken, and all "
        "four maps scored lower.)\n\n"
    )
    return heading + judged(model, *outlined)


def judged(
    model: RiskModel,
    films: pd.DataFrame,
    lesions: np.ndarray,
    lungs: np.ndarray,
    aims: bool = False,
) -> str:
    """Tables of scores and of paired leads, in Markdown."""
    scores = score_maps(draw(model, films), lesions, lungs)
    patients = films["patient_id"]
    shown = table_of(score_intervals(scores, patients)).reset_index(names="map")
    ahead = {
        (name, score): leads(scores, patients, name, [BLOB, CHANCE, f"average of {name}"], score)
        for name in (MORTALITY, MORTALITY_FINE, OPACITY, OPACITY_FINE)
        for score in SCORES
    }
    rows = [
        {
            "map": name,
            "score": score,
            **{f"ahead of {r.split(' of ')[0]}": format(lead, "+.2f") for r, lead in found.items()},
        }
        for (name, score), found in ahead.items()
    ]
    verdicts = [
        line
        for name in (MORTALITY_FINE, OPACITY_FINE)
        for score in SCORES
        for line in in_words(f"{score}, {name}", _hard(score, ahead[name, score]))
    ]
    parts = [
        markdown_table(shown),
        "Paired differences:",
        markdown_table(pd.DataFrame(rows)),
        "The finer maps against their own average, which looks at no film and is the rival that "
        "is hard to beat, and in the pointing game against the centred blob, which was to be "
        "beaten (its hottest point is the middle of the film, where no lung is). Only a lead over "
        "the average shows that a map is about *this* film:",
        "\n".join(verdicts),
    ]
    return "\n\n".join([*parts, aim(scores)] if aims else parts)


def _hard(score: str, ahead: dict[str, Interval]) -> dict[str, Interval]:
    """Keep a map's own average, and in the pointing game the blob."""
    easy = {CHANCE} if score == SCORES[0] else {CHANCE, BLOB}
    return {rival: lead for rival, lead in ahead.items() if rival not in easy}


def draw(model: RiskModel, films: pd.DataFrame) -> dict[str, np.ndarray]:
    """Maps of both networks on both grids, evidence against included."""
    images = normalise(Radiographs(films, model.size).batch(slice(None)))
    severity = SeverityModel.load()
    seen = normalise(Radiographs(films, severity.size).batch(slice(None)))
    if severity.size != model.size:
        raise SystemExit("The models look at films of different sizes: use the quick profile.")
    with torch.inference_mode():
        _, coarse = class_activation(model.network, images, scale=model.slope, relu=False)
        fine = fine_activation(model.network, images, scale=model.slope)
        maps = {
            MORTALITY: coarse,
            MORTALITY_FINE: fine,
            OPACITY: opacity_maps(severity, seen, halvings=None),
            OPACITY_FINE: opacity_maps(severity, seen),
        }
    return {name: heat.numpy() for name, heat in maps.items()}


def aim(scores: pd.DataFrame) -> str:
    """Say which map holds what was aimed at."""
    game = scores[SCORES[0]].mean()
    lines = [
        f"* {name}: {game[name]:.2f}, **{'reached' if game[name] >= AIM else 'missed'}**"
        for name in (MORTALITY, MORTALITY_FINE, OPACITY, OPACITY_FINE)
    ]
    blob = "is" if game[BLOB] <= BLOB_AT_MOST else "is not"
    return (
        f"Aim: a pointing game of {AIM:.2f} where the centred blob has at most {BLOB_AT_MOST:.2f} "
        f"(it has {game[BLOB]:.2f}, which {blob} so).\n\n" + "\n".join(lines)
    )


def iteration2() -> RiskModel:
    return RiskModel.load(work_file("models/iteration2.safetensors", made_by="05_fine_tune"))


if __name__ == "__main__":
    main()
