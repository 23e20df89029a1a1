"""The three publishers' folders: files, columns, value sets, proportions, mistakes, leaks."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from helpers.cohorts import load_hannover, load_sbu, participant_flow, select_index_films
from phantoms import make_cohorts, truth
from phantoms.__main__ import main
from phantoms.publish import cohorts, later_metadata
from phantoms.publish.ieee8023.tables import COLUMNS, LATER_FINDINGS
from phantoms.truth import load_masks

SITES = ("ieee8023", "sbu", "hannover")
FRONTAL = ["PA", "AP", "AP Supine"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Return small cohorts on disk, made by one process."""
    folder = tmp_path_factory.mktemp("small") / "phantom"
    return make_cohorts(folder, scale=0.05, processes=1, progress=False)


@pytest.fixture(scope="module")
def plans():
    """Return the default cohorts before anything is rendered."""
    return cohorts.plan_cohorts(1.0, 0)


@pytest.fixture(scope="module")
def metadata(plans):
    return plans.metadata


@pytest.fixture(scope="module")
def covid(metadata):
    is_covid = metadata["finding"].str.contains("COVID-19")
    return metadata[is_covid & metadata["view"].isin(FRONTAL)]


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


# ------------------------------------------------------------------------------- as a whole


def test_same_bytes_with_two_processes(root, tmp_path):
    other = make_cohorts(tmp_path / "again", scale=0.05, processes=2, progress=False)
    assert digests(other) == digests(root)


def test_seeds_differ(plans):
    again, other = cohorts.plan_cohorts(0.05, 0), cohorts.plan_cohorts(0.05, 1)
    assert not again.clinical.equals(other.clinical)
    assert again.clinical.equals(cohorts.plan_cohorts(0.05, 0).clinical)


def test_complete_cohorts_are_left_alone_and_others_replaced(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(cohorts, "_make", lambda part, *_: made.append(_fill(part)))
    folder = tmp_path / "phantom"
    for _ in range(2):
        make_cohorts(folder, scale=0.1, processes=1)
    assert len(made) == 1
    make_cohorts(folder, scale=0.1, seed=1, processes=1)
    assert len(made) == 2
    assert json.loads((folder / "phantoms.json").read_text())["seed"] == 1
    (folder / "hannover/data.csv").unlink()  # somebody took a part away
    make_cohorts(folder, scale=0.1, seed=1, processes=1)
    assert len(made) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["phantom"]


def _fill(part: Path) -> None:
    for table in cohorts.TABLES:
        (part / table).parent.mkdir(parents=True, exist_ok=True)
        (part / table).write_text("")


def test_a_killed_run_leaves_nothing_that_looks_complete(tmp_path, monkeypatch):
    def killed(part, *_):
        _fill(part)
        raise KeyboardInterrupt

    monkeypatch.setattr(cohorts, "_make", killed)
    with pytest.raises(KeyboardInterrupt):
        make_cohorts(tmp_path / "phantom", scale=0.05, processes=1)
    assert not (tmp_path / "phantom").exists()
    monkeypatch.setattr(cohorts, "_make", lambda part, *_: _fill(part))
    make_cohorts(tmp_path / "phantom", scale=0.05, processes=1)
    assert [path.name for path in tmp_path.iterdir()] == ["phantom"]


def test_other_peoples_files_are_never_replaced(tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match=r"phantoms\.json"):
        make_cohorts(tmp_path, scale=0.05)
    (tmp_path / "phantoms.json").write_text('{"version": 1, "seed": 0, "scale": 1}')
    with pytest.raises(FileExistsError, match=r"found mine\.txt"):
        make_cohorts(tmp_path, scale=0.05)
    assert (tmp_path / "mine.txt").read_text() == "keep"
    (tmp_path / "mine.txt").rename(tmp_path / ".DS_Store")  # which a glance leaves behind
    monkeypatch.setattr(cohorts, "_make", lambda part, *_: _fill(part))
    make_cohorts(tmp_path, scale=0.05)
    (tmp_path / "mine.txt").write_text("keep")
    make_cohorts(tmp_path, scale=0.05)  # it is complete: nothing is done, and nothing lost
    assert (tmp_path / "mine.txt").read_text() == "keep"
    with pytest.raises(FileExistsError, match="found a file"):
        make_cohorts(tmp_path / "mine.txt", scale=0.05)


@pytest.mark.parametrize(
    "bad", [{"scale": 0}, {"scale": -1}, {"scale": float("inf")}, {"seed": -1}, {"processes": 0}]
)
def test_bad_arguments_are_refused(tmp_path, bad):
    with pytest.raises(ValueError, match="expected"):
        make_cohorts(tmp_path / "phantom", **bad)


# -------------------------------------------------------------------------------- the truth


def test_the_command_line_says_what_is_wrong(tmp_path, capsys):
    for arguments, message in (
        (["--scale", "nan"], "expected scale > 0"),
        (["--seed", "-1"], "expected seed >= 0"),
        (["--root", str(Path(__file__))], "found a file"),
    ):
        with pytest.raises(SystemExit):
            main(["--root", str(tmp_path / "new"), *arguments])
        assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", SITES)
def test_truth_has_a_row_a_film_with_files_and_masks(root, name):
    table = truth(root, name)
    assert table["image_path"].is_unique
    assert all(Path(path).is_file() for path in table["image_path"])
    assert table[["true_risk", "true_image_risk", "true_film_age_risk"]].stack().between(0, 1).all()
    assert (table.groupby("patient_id")["true_died"].nunique() == 1).all()
    first = table.iloc[0]
    lungs, lesions = load_masks(first["mask_path"])
    assert lungs.dtype == lesions.dtype == bool
    assert not (lesions & ~lungs).any()


@pytest.mark.parametrize("name", SITES)
def test_masks_hold_the_burden_that_the_model_asked_for(root, name):
    table = truth(root, name)
    assert (table["opaque_share"] - table["opacity"]).abs().max() < 0.05
    if name != "ieee8023":  # there, some pictures are the central square of their film
        shares = [np.divide(*(m.sum() for m in load_masks(p)[::-1])) for p in table["mask_path"]]
        assert np.allclose(shares, table["opaque_share"], atol=1e-3)


@pytest.mark.parametrize("name", ["ieee8023", "hannover"])
def test_masks_show_the_field_of_the_published_picture(root, name):
    for row in truth(root, name).itertuples():
        with Image.open(row.image_path) as picture, Image.open(row.mask_path) as mask:
            assert picture.width / picture.height == pytest.approx(
                mask.width / mask.height, rel=0.02
            )


def test_truth_names_films_as_the_loaders_do(root, monkeypatch):
    monkeypatch.chdir(root)
    films = load_hannover(Path("hannover"))["image_path"]
    assert films.isin(truth(".", "hannover")["image_path"]).all()


def test_missing_truth_names_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m phantoms"):
        truth(tmp_path, "sbu")


def test_truth_stays_in_its_folder(root):
    """Nothing in the publishers' folders tells what only phantoms know."""
    published = pd.read_csv(root / "ieee8023/metadata.csv", nrows=0).columns
    clinical = pd.read_csv(root / "sbu" / cohorts.sbu.CLINICAL_NAME, nrows=0).columns
    data = pd.read_csv(root / "hannover/data.csv", nrows=0).columns
    for columns in (published, clinical, data):
        assert not [name for name in columns if "true" in name or "severity" in name]


# --------------------------------------------------------------------------------- ieee8023


def test_ieee8023_columns_and_value_sets(metadata):
    assert tuple(metadata.columns) == COLUMNS
    assert set(metadata["survival"]) == {"Y", "N", "", "?"}
    assert set(metadata["view"]) == {*FRONTAL, "L", "Axial", "Coronal", "?", ""}
    assert set(metadata["modality"]) == {"X-ray", "CT"}
    assert set(metadata["folder"]) == {"images", "volumes"}
    assert set(metadata["sex"]) == {"M", "F", ""}
    assert set(metadata["intubated"]) == {"Y", "N", "", "?", "Not visible"}
    assert set(metadata["went_icu"]) == {"Y", "N", "", "?", "Would have been stated"}
    assert {"todo", "No Finding", "Streptococcus", "SARS", "COVID-19"} <= set(metadata["finding"])
    assert set(metadata["finding"]) <= set(LATER_FINDINGS)
    assert metadata["patientid"].str.fullmatch(r"\d+[ab]?").all()
    assert metadata["patientid"].str.endswith("b").any()
    assert (metadata[""] != "").sum() == 3
    with_age = metadata["age"][metadata["age"] != ""].astype(int)
    assert with_age.between(18, 94).all()


def test_ieee8023_reads_with_an_unnamed_last_column(root):
    assert pd.read_csv(root / "ieee8023/metadata.csv").columns[-1] == "Unnamed: 28"


def test_ieee8023_proportions(metadata, covid):
    assert 330 <= metadata["patientid"].nunique() <= 430
    assert 640 <= len(metadata) <= 850
    outcome = covid.drop_duplicates("patientid")["survival"]
    assert (outcome == "").mean() == pytest.approx(0.70, abs=0.04)
    assert 12 <= (outcome == "N").sum() <= 22
    missing = (covid == "").mean()
    for column, share in {
        "age": 0.29, "offset": 0.14, "intubated": 0.64, "went_icu": 0.49, "in_icu": 0.58,
        "needed_supplemental_O2": 0.87, "extubated": 0.92, "temperature": 0.86,
        "pO2_saturation": 0.80, "leukocyte_count": 0.97, "neutrophil_count": 0.95,
        "lymphocyte_count": 0.92, "sex": 0.09,
    }.items():  # fmt: skip
        assert missing[column] == pytest.approx(share, abs=0.07), column


def test_ieee8023_patients_do_not_contradict_themselves(metadata):
    for column in ("sex", "age", "survival"):
        stated = metadata[~metadata[column].isin(["", "?"])]
        assert stated.groupby("patientid")[column].nunique().max() == 1, column


def test_ieee8023_states_the_outcome_more_often_of_severe_cases(plans, metadata):
    patients = plans.truth["ieee8023"].drop_duplicates("patient_id").set_index("patient_id")
    stated = (
        metadata.drop_duplicates("patientid").set_index("patientid")["survival"].isin(["Y", "N"])
    )
    stated = stated.reindex(patients.index)
    assert patients.loc[stated, "severity"].mean() > patients["severity"].mean() + 0.2
    true_rate = patients["true_died"].mean()
    assert patients.loc[stated, "true_died"].mean() > true_rate + 0.04  # complete cases mislead
    published = metadata.drop_duplicates("patientid").set_index("patientid")["survival"]
    published = published.reindex(patients.index)
    assert (patients.loc[published == "N", "true_died"]).all()
    assert not (patients.loc[published == "Y", "true_died"]).any()


def test_ieee8023_mistakes(metadata, root):
    assert metadata["filename"].duplicated().sum() == 1
    twice = metadata[metadata["filename"].duplicated(keep=False)]
    assert twice["patientid"].nunique() == 2
    assert (metadata["survival"] == "?").sum() == 4
    assert (metadata["view"] == "").sum() > 10
    volumes = metadata["folder"] == "volumes"
    assert volumes.sum() == 14 and metadata.loc[volumes, "filename"].str.endswith(".nii.gz").all()
    small = pd.read_csv(root / "ieee8023/metadata.csv", dtype=str)
    there = [(root / "ieee8023/images" / name).is_file() for name in small["filename"]]
    images = small["folder"] == "images"
    assert 1 <= (images & ~pd.Series(there)).sum() <= 2


def test_ieee8023_pictures_have_every_mode_and_extreme_widths(root):
    found, widths = set(), []
    for path in (root / "ieee8023/images").iterdir():
        with Image.open(path) as picture:
            found.add((picture.format, picture.mode, path.suffix))
            widths.append(picture.width)
    assert {(f, m) for f, m, _ in found} == {
        ("JPEG", "RGB"), ("JPEG", "L"),
        ("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "L"), ("PNG", "P"),
    }  # fmt: skip
    assert ("PNG", "RGBA", ".jpg") in found  # a PNG that is called .jpg
    assert (min(widths), max(widths)) == (157, 4280)


def test_ieee8023_later_column_set(metadata):
    later = later_metadata(metadata)
    assert list(later.columns)[4:6] == ["finding", "RT_PCR_positive"]
    assert set(later.loc[later["finding"].str.contains("COVID"), "finding"]) == {
        "Pneumonia/Viral/COVID-19"
    }
    assert set(later["RT_PCR_positive"]) == {"Y", ""}
    assert len(later) == len(metadata) and later["finding"].notna().all()


def test_severity_scores_follow_the_burden(plans):
    scores = plans.scores
    assert len(scores) == 94 and scores["filename"].is_unique
    assert scores["geographic_mean"].between(0, 8).all()
    assert scores["opacity_mean"].between(0, 6).all()
    films = plans.truth["ieee8023"]
    name = films["image_path"].str.rsplit("/", n=1).str[1]
    burden = films.set_index(name)["opacity"].reindex(scores["filename"])
    assert burden.corr(scores.set_index("filename")["geographic_mean"], method="spearman") > 0.85
    assert scores["geographic_mean"].corr(scores["opacity_mean"]) > 0.8


def test_lung_masks_have_the_pixels_of_their_pictures(root):
    masks = list((root / "ieee8023/annotations/lungVAE-masks").iterdir())
    pictures = {path.stem: path for path in (root / "ieee8023/images").iterdir()}
    assert len(masks) >= 4
    for path in masks:
        with Image.open(path) as mask, Image.open(pictures[path.stem[: -len("_mask")]]) as picture:
            assert mask.size == picture.size and mask.mode == "L"
            assert set(np.unique(np.asarray(mask))) == {0, 255}


def test_outlines_are_crops_of_the_stated_resolution(root):
    table = pd.read_csv(root / "segmentations/structure.csv")
    assert table["#"].is_monotonic_increasing and table["#"].is_unique
    masks = truth(root, "ieee8023").set_index("image_path")["mask_path"]
    for row in table.itertuples():
        width, height = map(int, row.Resolution.split("x"))
        assert row.Left + row.Width <= width and row.Top + row.Height <= height
        picture_path = root / "ieee8023/images" / row.Filename
        with Image.open(picture_path) as picture:
            assert width in (picture.width, 2 * picture.width)
        if isinstance(row.Mask, float):
            continue
        with Image.open(root / "segmentations" / row.Mask) as crop:
            assert crop.mode == "RGBA" and crop.size == (row.Width, row.Height)
            pixels = np.asarray(crop)
        assert (pixels[..., 3] == 255).all()
        if row.Class == "COVID-19 Left Lung":
            inside = np.zeros((height, width), dtype=bool)
            box = np.s_[row.Top : row.Top + row.Height, row.Left : row.Left + row.Width]
            inside[box] = pixels[..., :3].any(axis=2)
            lungs, _ = load_masks(masks[str(picture_path)])
            large = np.asarray(Image.fromarray(lungs).resize((width, height), Image.NEAREST))
            assert (inside & large).sum() > 0.97 * inside.sum()
            assert 0.25 < inside.sum() / large.sum() < 0.75
            assert np.nonzero(inside)[1].mean() > width / 2  # the patient's left is on the right


# -------------------------------------------------------------------------------------- sbu


def test_sbu_deaths_are_the_published_share(plans):
    assert plans.clinical["last.status"].value_counts().to_dict() == {
        "discharged": 521,
        "deceased": 79,
    }


def test_sbu_first_columns_and_value_sets(plans):
    table = plans.clinical
    assert list(table.columns)[:15] == [
        "to_patient_id", "covid19_statuses", "last.status", "age.splits", "gender_concept_name",
        "visit_start_datetime", "visit_concept_name", "is_icu", "was_ventilated",
        "invasive_vent_days", "length_of_stay", "Acute.Hepatic.Injury..during.hospitalization.",
        "Acute.Kidney.Injury..during.hospitalization.", "Urine.protein",
        "kidney_replacement_therapy",
    ]  # fmt: skip
    assert set(table["age.splits"]) == {"[18,59]", "(59,74]", "(74,90]"}
    assert set(table["gender_concept_name"].dropna()) == {"MALE", "FEMALE"}
    assert (
        table["to_patient_id"].str.fullmatch(r"A\d{6}").all() and table["to_patient_id"].is_unique
    )
    assert (table["invasive_vent_days"].isna() == (table["was_ventilated"] == "No")).all()
    deaths = (table["last.status"] == "deceased").groupby(table["age.splits"]).mean()
    assert deaths["[18,59]"] < deaths["(59,74]"] < deaths["(74,90]"]


def test_sbu_blank_gender_leaks_death(plans):
    table = plans.clinical
    died, blank = table["last.status"] == "deceased", table["gender_concept_name"].isna()
    assert died[blank].mean() > 0.85
    assert blank[died & (table["age.splits"] == "[18,59]")].all()
    assert blank.mean() < 0.04


def test_sbu_post_outcome_columns_leak(plans):
    table = plans.clinical
    died = table["last.status"] == "deceased"
    assert roc_auc_score(died, table["is_icu"]) > 0.7
    kidney = table["Acute.Kidney.Injury..during.hospitalization."] == "Yes"
    assert roc_auc_score(died, kidney) > 0.65


def test_sbu_discrimination_of_the_default_cohort(plans):
    films = plans.truth["sbu"]
    films = films.drop_duplicates(["patient_id", "rank"])  # without companions
    first = films[films["rank"] == 0]
    assert 0.82 < roc_auc_score(first["true_died"], first["true_image_risk"]) < 0.87
    count = films.groupby("patient_id").agg(n=("rank", "size"), died=("true_died", "first"))
    assert roc_auc_score(count["died"], count["n"]) == pytest.approx(0.81, abs=0.03)
    bands = plans.clinical["age.splits"].map({"[18,59]": 0, "(59,74]": 1, "(74,90]": 2})
    died = plans.clinical["last.status"] == "deceased"
    assert roc_auc_score(died, bands) == pytest.approx(0.75, abs=0.02)


@pytest.fixture(scope="module")
def headers(root):
    """Return a row a DICOM file, with its path."""
    rows = []
    for path in sorted((root / "sbu").rglob("*.dcm")):
        dataset = pydicom.dcmread(path)
        assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        rows.append({"path": path, "dataset": dataset})
    return rows


def test_sbu_tree_is_the_one_of_idc_index(root, headers):
    for row in headers:
        d = row["dataset"]
        assert row["path"].relative_to(root).parts == (
            "sbu",
            "covid_19_ny_sbu",
            d.PatientID,
            d.StudyInstanceUID,
            f"{d.Modality}_{d.SeriesInstanceUID}",
            f"{d.SOPInstanceUID}.dcm",
        )
        for uid in (d.StudyInstanceUID, d.SeriesInstanceUID, d.SOPInstanceUID):
            assert pydicom.uid.UID(uid).is_valid
    series = [row["dataset"].SeriesInstanceUID for row in headers]
    assert len(set(series)) == len(series)


def test_sbu_headers(headers):
    datasets = [row["dataset"] for row in headers]
    for d in datasets:
        assert d.PhotometricInterpretation == "MONOCHROME2" and d.PixelRepresentation == 0
        assert (d.BitsAllocated, d.BitsStored, d.HighBit) == (16, 12, 11)
        assert d.pixel_array.max() < 2**12
        assert "19000901" <= d.StudyDate <= "19010430"
        assert d.Manufacturer.startswith("Carestream")
        assert d.Modality in ("CR", "DX")
        if d.Modality == "DX":
            assert d.PresentationIntentType == "FOR PRESENTATION"
    chest = [d for d in datasets if "CHEST" in d.StudyDescription]
    abdomen = [d for d in datasets if "CHEST" not in d.StudyDescription]
    assert 0 < len(abdomen) < 0.1 * len(datasets)
    assert np.mean([d.ViewPosition == "AP" for d in chest]) > 0.93


def test_sbu_window_shows_the_film_as_rendered(headers):
    for row in headers[:10]:
        d = row["dataset"]
        shown = pydicom.pixels.apply_voi_lut(d.pixel_array, d)
        stored = d.pixel_array.astype(float)
        assert shown.min() == pytest.approx(0, abs=90)  # air and borders are black
        assert shown.max() > 0.8 * (2**12 - 1)
        slope, offset = np.polyfit(stored.ravel(), shown.ravel(), 1)
        assert slope > 0.999  # the window is no wider than the range of 12 bits
        assert np.abs(shown - (offset + slope * stored)).max() < 2  # and clips nothing


def test_sbu_companions_refer_to_their_films(headers):
    by_instance = {row["dataset"].SOPInstanceUID: row["dataset"] for row in headers}
    companions = [d for d in by_instance.values() if "ReferencedImageSequence" in d]
    assert 0.3 < len(companions) / len(by_instance) < 0.45
    higher = []
    for d in companions:
        film = by_instance[d.ReferencedImageSequence[0].ReferencedSOPInstanceUID]
        assert film.StudyInstanceUID == d.StudyInstanceUID
        assert "ReferencedImageSequence" not in film
        higher.append(d.SeriesNumber > film.SeriesNumber)
    assert np.mean(higher) > 0.7


def test_sbu_study_plan_has_mistakes_of_the_collection(plans):
    files = [o.header for job in plans.jobs for o in job.outputs if hasattr(o, "header")]
    views = pd.Series([h.view for h in files]).value_counts(normalize=True)
    assert views["AP"] > 0.97 and {"PA", "LATERAL"} <= set(views.index)
    chest = pd.Series([h.body_part for h in files if "CHEST" in h.study_description])
    assert {"CHEST", "", "ABDOMEN"} <= set(chest)
    abdomen = pd.Series([h.body_part for h in files if "CHEST" not in h.study_description])
    assert {"CHEST", "ABDOMEN"} <= set(abdomen)
    assert 0.02 < len(abdomen) / len({h.study_uid for h in files}) < 0.06
    studies = {(h.patient_id, h.study_uid) for h in files if "CHEST" in h.study_description}
    per_patient = pd.Series([patient for patient, _ in studies]).value_counts()
    assert (per_patient > 1).mean() > 0.3 and per_patient.max() >= 12
    assert len(per_patient) < 600  # a few patients of the table have no radiograph


def test_sbu_sex_in_headers_is_the_published_one(root, headers):
    clinical = pd.read_csv(root / "sbu" / cohorts.sbu.CLINICAL_NAME).set_index("to_patient_id")
    published = clinical["gender_concept_name"].map({"MALE": "M", "FEMALE": "F"}).fillna("")
    for row in headers:
        assert row["dataset"].PatientSex in ("", published[row["dataset"].PatientID])


def test_sbu_has_films_that_every_rule_of_selection_leaves_out(root):
    chosen = select_index_films(load_sbu(root / "sbu"))
    flow = participant_flow({"sbu": chosen}).set_index("step")["radiographs"]
    for reason in (
        "not a chest study",
        "view unknown",
        "enhanced companion of another film",
        "higher series number of the same study",
        "before admission or onset",
        "after discharge or death",
        "not the patient's first film",
    ):
        assert flow[f"excluded: {reason}"] > 0, reason


def test_sbu_films_that_are_left_out_change_no_other(monkeypatch):
    with_them = cohorts.plan_cohorts(0.1, 0)
    monkeypatch.setattr(cohorts.sbu, "left_out", lambda *_: iter(()))
    without = cohorts.plan_cohorts(0.1, 0)
    assert [job for job in with_them.jobs if job in without.jobs] == without.jobs
    assert len(with_them.jobs) > len(without.jobs)
    assert with_them.clinical.equals(without.clinical)
    assert with_them.truth["sbu"].equals(without.truth["sbu"])


# --------------------------------------------------------------------------------- hannover


def test_hannover_table(plans):
    table = plans.data
    assert list(table.columns)[:12] == [
        "patient_id", "image_id", "sex", "age", "size", "weight", "admission_offset",
        "icu_admission_offset", "icu_release_offset", "death_offset", "modality", "projection",
    ]  # fmt: skip
    assert len(table.columns) == 28
    assert 230 <= len(table) <= 300 and 110 <= table["patient_id"].nunique() <= 120
    assert table["image_id"].str.fullmatch("[0-9a-f]{8}").all() and table["image_id"].is_unique
    assert set(table["sex"]) == {"m", "f"} and set(table["projection"]) == {"ap", "pa"}
    assert (table["age"] == "").all()
    died = table["death_offset"].notna()
    assert table.loc[died, "patient_id"].nunique() == 8  # 7 % of 120
    assert (table.loc[died, "death_offset"] >= 0).all()
    assert (died.groupby(table["patient_id"]).nunique() == 1).all()
    icu = table.groupby("patient_id")["icu_admission_offset"].first().notna()
    assert icu.mean() == pytest.approx(0.41, abs=0.1)


def test_hannover_offsets_count_from_the_film(plans):
    """Within a patient, a later film is nearer to the death and further from the admission."""
    table = plans.data.assign(day=plans.truth["hannover"]["day"].to_numpy())
    died = table[table["death_offset"].notna()]
    day_of_death = died["day"] + died["death_offset"]
    assert (day_of_death.groupby(died["patient_id"]).nunique() == 1).all()
    icu_day = (table["day"] + table["icu_admission_offset"]).dropna()
    assert (icu_day.groupby(table["patient_id"]).nunique() == 1).all()


def test_hannover_films_are_in_ieee8023_as_other_files(plans, root):
    here = set(plans.data["image_id"])
    hannover = plans.metadata[plans.metadata["location"].str.startswith("Hannover")]
    there = set(hannover["filename"].str.removesuffix(".jpg"))
    assert len(hannover) == 90 and len(here & there) == 81
    assert (hannover["age"] == "").all()
    small = pd.read_csv(root / "hannover/data.csv")
    shared = [
        p for p in (root / "ieee8023/images").glob("*.jpg") if p.stem in set(small["image_id"])
    ]
    assert len(shared) >= 3
    for path in shared:
        with (
            Image.open(path) as copy,
            Image.open(root / "hannover/png" / f"{path.stem}.png") as own,
        ):
            assert copy.format == "JPEG" and own.format == "PNG" and copy.size != own.size
            side = min(own.size)
            left, top = (own.width - side) // 2, (own.height - side) // 2
            square = own.crop((left, top, left + side, top + side)).resize((64, 64))
            alike = np.corrcoef(np.ravel(square), np.ravel(copy.resize((64, 64))))[0, 1]
            assert alike > 0.98


def test_shared_patients_die_in_both_cohorts_or_in_none(plans):
    hannover = plans.truth["hannover"].set_index("image_id")["true_died"]
    ieee = plans.truth["ieee8023"]
    shared = ieee[ieee["image_id"].isin(hannover.index)].set_index("image_id")["true_died"]
    assert len(shared) > 60
    assert (shared == hannover.reindex(shared.index)).all()
