import hashlib
import json
import shutil
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from dicom_films import make_film
from published import (
    ramp,
    reference,
    write_clinical,
    write_dicom,
    write_hannover,
    write_ieee8023,
)
from pydicom.uid import DeflatedExplicitVRLittleEndian

from helpers import paths
from helpers.clinical import SBU_CLINICAL_FILE, NotKnownAtAdmission
from helpers.cohorts import (
    LOADERS,
    cohort_root,
    is_phantom,
    load_annotations,
    load_hannover,
    load_ieee8023,
    load_sbu,
    outline_mask,
    participant_flow,
    select_index_films,
    work_file,
    work_root,
)
from helpers.paths import COHORTS
from helpers.sbu import written_later
from helpers.sbu_films import MANIFEST_COLUMNS, read_films
from helpers.table import TYPES, exclude


def test_every_cohort_has_a_loader():
    assert tuple(LOADERS) == COHORTS


def flow_of(cohort) -> dict[str, int]:
    table = participant_flow({"cohort": cohort})
    return dict(zip(table["step"], table["radiographs"], strict=True))


def test_ieee8023_maps_values_and_counts_every_dropped_row(tmp_path):
    rows = [
        {"patientid": "1", "survival": "N", "sex": "F", "age": "70", "offset": "3", "view": "PA"},
        {"patientid": "2", "survival": "Y", "view": "AP Supine", "intubated": "Y"},
        {"patientid": "3", "survival": "?", "offset": "?", "intubated": "Not visible"},
        {"patientid": "360b", "finding": "COVID-19, ARDS"},
        {"patientid": "5", "modality": "CT", "view": "Axial"},
        {"patientid": "6", "folder": "volumes", "modality": "CT"},
        {"patientid": "7", "finding": "todo"},
        {"patientid": "8", "finding": "Streptococcus"},
        {"patientid": "1", "view": "L"},
        {"patientid": "9", "view": "?"},
        {"patientid": "10", "filename": "absent.jpg"},
        {"patientid": "11", "filename": "0.png"},
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # every value here is a documented one
        cohort = load_ieee8023(write_ieee8023(tmp_path / "ieee8023", rows))
    assert cohort["patient_id"].tolist() == ["1", "2", "3", "360b"]
    assert cohort["died"].tolist() == [True, False, pd.NA, pd.NA]
    assert cohort["label_source"].tolist() == ["observed", "observed", "unknown", "unknown"]
    assert cohort["view"].tolist() == ["PA", "AP supine", "AP", "AP"]
    assert cohort["intubated"].tolist() == [pd.NA, True, pd.NA, pd.NA]
    assert list(cohort.columns[: len(TYPES)]) == list(TYPES)
    assert (cohort.dtypes[list(TYPES)].astype(str) == pd.Series(TYPES).astype(str)).all()
    assert flow_of(cohort) == {
        "published": 12,
        "excluded: no patient number": 0,
        "excluded: no X-ray (CT)": 2,
        "excluded: not in images/ (volumes)": 0,
        "excluded: finding not yet recorded (todo)": 1,
        "excluded: finding is not COVID-19": 1,
        "excluded: lateral view": 1,
        "excluded: view unknown": 1,
        "excluded: picture file absent": 1,
        "excluded: same file listed twice": 1,
        "in use": 4,
    }


def test_both_column_sets_of_ieee8023_load_alike(tmp_path):
    rows = [{"survival": "N"}, {"finding": "SARS"}, {"finding": "todo"}]
    june = load_ieee8023(write_ieee8023(tmp_path / "june", rows))
    names = {"COVID-19": "Pneumonia/Viral/COVID-19", "SARS": "Pneumonia/Viral/SARS"}
    later = write_ieee8023(tmp_path / "later", rows)
    table = pd.read_csv(later / "metadata.csv", dtype=str, keep_default_na=False)
    table["finding"] = table["finding"].replace(names)
    table.insert(5, "RT_PCR_positive", "Y")
    table.to_csv(later / "metadata.csv", index=False)
    last = load_ieee8023(later)
    columns = ["patient_id", "died", "view", "label_source"]
    pd.testing.assert_frame_equal(june[columns], last[columns])


def test_unknown_values_become_missing_with_one_warning_that_names_them(tmp_path):
    rows = [{"survival": "maybe", "age": "old", "sex": "X"}, {"survival": "perhaps"}]
    root = write_ieee8023(tmp_path / "ieee8023", rows)
    with pytest.warns(UserWarning) as caught:
        cohort = load_ieee8023(root)
    messages = sorted(str(warning.message) for warning in caught)
    assert len(messages) == 3
    assert "'age': 1 values" in messages[0] and "'old'" in messages[0]
    assert "'maybe', 'perhaps'" in messages[2]
    assert cohort[["died", "sex", "age"]].isna().sum().tolist() == [2, 2, 2]


def test_contradicting_outcomes_of_a_patient_are_missing(tmp_path):
    rows = [{"patientid": "1", "survival": "N"}, {"patientid": "1", "survival": "Y"}]
    rows += [{"patientid": "2", "survival": "N"}, {"patientid": "2"}]
    with pytest.warns(UserWarning, match="contradicts itself between the films of 1 patients"):
        cohort = load_ieee8023(write_ieee8023(tmp_path / "ieee8023", rows))
    assert cohort["died"].tolist() == [pd.NA, pd.NA, True, True]


@pytest.fixture
def sbu(tmp_path):
    root = tmp_path / "sbu"
    write_clinical(
        root,
        [
            {"to_patient_id": "A000001", "is_icu": "TRUE"},
            {
                "to_patient_id": "A000002",
                "last.status": "deceased",
                "gender_concept_name": "",
                "age.splits": "[18,59]",
            },
        ],
    )
    films = {
        "A000001/a": {"SeriesNumber": 2, "StudyDate": "19000911"},
        "A000001/b": {
            "SeriesNumber": 1,
            "StudyDate": "19000911",
            "ReferencedImageSequence": reference(),
        },
        "A000001/c": {"StudyDate": "19000908", "StudyInstanceUID": "1.2.4"},
        "A000002/a": {"PatientID": "A000002", "ViewPosition": "PA", "StudyDate": "19000915"},
        "A000002/b": {"PatientID": "A000002", "StudyDescription": "XR ABDOMEN 1 VIEW"},
        "A000002/c": {"PatientID": "A000002", "ViewPosition": "LATERAL"},
        "A000003/a": {"PatientID": "A000003"},
    }
    for name, elements in films.items():
        write_dicom(root / f"{name}.dcm", **elements)
    (root / "A000001" / "broken.dcm").write_bytes(b"not DICOM")
    whole = (root / "A000001" / "a.dcm").read_bytes()
    (root / "A000001" / "cut.dcm").write_bytes(whole[:301])
    return root


def test_sbu_joins_films_to_the_clinical_table(sbu):
    cohort = load_sbu(sbu)
    assert flow_of(cohort) == {
        "published": 9,
        "excluded: unreadable DICOM header": 1,
        "excluded: no radiograph (CR, DX)": 1,
        "excluded: no patient number": 0,
        "excluded: no row in the clinical table": 1,
        "excluded: not a chest study": 1,
        "excluded: lateral view": 1,
        "excluded: view unknown": 0,
        "in use": 4,
    }
    cohort = cohort.sort_values("image_path").reset_index(drop=True)
    assert cohort["day"].tolist() == [1, 1, -2, 5]
    assert cohort["companion"].tolist() == [False, True, False, False]
    assert cohort["died"].tolist() == [False, False, False, True]
    assert cohort["age"].tolist() == [66.5, 66.5, 66.5, 38.5]
    assert cohort["sex"].tolist()[:3] == ["M"] * 3 and pd.isna(cohort["sex"][3])
    assert not {"is_icu", "length_of_stay", "last.status", "gender_concept_name"} & set(cohort)
    later = written_later(sbu)
    assert later["is_icu"].dtype == "boolean" and later["length_of_stay"].dtype == "Float64"
    assert later.loc["A000001", "is_icu"]


def test_sbu_sees_that_a_film_changed_since_it_was_loaded(sbu):
    """Headers are read once a state of the file, so the state must tell."""
    changed, gone = sbu / "A000001" / "c.dcm", sbu / "A000002" / "a.dcm"
    before = load_sbu(sbu).set_index("image_path")
    write_dicom(changed, StudyDate="19000913", StudyInstanceUID="1.2.4")
    gone.unlink()
    gone.symlink_to(sbu / "nowhere")
    after = load_sbu(sbu)
    days = after.set_index("image_path")["day"]
    assert before.loc[str(changed), "day"] == -2 and days[str(changed)] == 3
    assert str(gone) in before.index and str(gone) not in days
    assert flow_of(after)["excluded: unreadable DICOM header"] == 2
    assert load_sbu(sbu).equals(after)


def test_sbu_joins_only_what_is_known_at_admission(sbu):
    table = pd.read_csv(sbu / SBU_CLINICAL_FILE, dtype=str, keep_default_na=False)
    table = table.assign(htn_v=["Yes", "No"], creatinine="1.1")
    table.to_csv(sbu / SBU_CLINICAL_FILE, index=False)
    assert "htn_v" in load_sbu(sbu) and "creatinine" not in load_sbu(sbu)
    assert "htn_v" not in load_sbu(sbu, predictors=["age.splits"])
    with pytest.raises(NotKnownAtAdmission, match="intensive care comes after admission"):
        load_sbu(sbu, predictors=["htn_v", "is_icu"])
    with pytest.raises(NotKnownAtAdmission, match="does not say when it was measured"):
        load_sbu(sbu, predictors=["creatinine"])


def test_sbu_reasons_for_every_film_that_is_left_out(tmp_path):
    root = tmp_path / "sbu"
    write_clinical(root, [{"length_of_stay": "3"}])  # admitted on the 10th
    films = {
        "first": {"StudyInstanceUID": "1.1", "SeriesNumber": 2, "StudyDate": "19000911"},
        "again": {"StudyInstanceUID": "1.1", "SeriesNumber": 4, "StudyDate": "19000911"},
        "companion": {
            "StudyInstanceUID": "1.1",
            "SeriesNumber": 1,
            "StudyDate": "19000911",
            "ReferencedImageSequence": reference(),
        },
        "before": {"StudyInstanceUID": "1.2", "StudyDate": "19000909"},
        "last day": {"StudyInstanceUID": "1.3", "StudyDate": "19000913"},
        "after": {"StudyInstanceUID": "1.4", "StudyDate": "19000914"},
        "PA": {"StudyInstanceUID": "1.3", "StudyDate": "19000913", "ViewPosition": "PA"},
    }
    for name, elements in films.items():
        write_dicom(root / f"{name}.dcm", **elements)
    cohort = load_sbu(root)
    late = cohort.loc[cohort["after_outcome"], "image_path"]
    assert [Path(path).stem for path in late] == ["after"]
    index = select_index_films(cohort)
    assert [Path(path).stem for path in index["image_path"]] == ["first"]
    flow = flow_of(index)
    assert flow["excluded: enhanced companion of another film"] == 1
    assert flow["excluded: higher series number of the same study"] == 1
    assert flow["excluded: before admission or onset"] == 1
    assert flow["excluded: after discharge or death"] == 1
    assert flow["excluded: not the patient's first film"] == 2


def test_sbu_dates_that_are_none_are_counted_and_not_shown(sbu):
    write_dicom(sbu / "A000001" / "odd.dcm", StudyDate="19001399")
    with pytest.warns(UserWarning, match="'study_date': 1 values .* missing\\.$"):
        cohort = load_sbu(sbu)
    assert cohort["day"].isna().sum() == 1


@pytest.mark.parametrize("zone", ["", "Z", "+02:00", " -0500"])
@pytest.mark.parametrize("time", [" 08:00:00", "T08:00", " 23:59:59.999"])
def test_sbu_counts_from_the_date_as_it_is_written(tmp_path, time, zone):
    root = write_clinical(tmp_path, [{"visit_start_datetime": f"1900-09-10{time}{zone}"}])
    write_dicom(root / "A000001" / "a.dcm", StudyDate="19000914")
    assert load_sbu(root)["day"].tolist() == [4]


@pytest.mark.parametrize(
    "odd", ["10/09/1900", "10.09.1900", "9/10/00", "today", "Sep", "08:00", "1900-13-01"]
)
def test_sbu_guesses_no_date(tmp_path, odd):
    root = write_clinical(tmp_path, [{"visit_start_datetime": odd}])
    write_dicom(root / "A000001" / "a.dcm", StudyDate="19000914")
    with pytest.warns(UserWarning, match="'visit_start_datetime': 1 values are none"):
        assert load_sbu(root)["day"].isna().all()


def test_sbu_days_that_nobody_stays_are_missing(tmp_path):
    root = write_clinical(tmp_path, [{"visit_start_datetime": "9999-12-31"}])
    write_dicom(root / "A000001" / "a.dcm", StudyDate="19000914")
    with pytest.warns(UserWarning, match="days since the visit"):
        assert load_sbu(root)["day"].isna().all()


def test_sbu_films_of_nobody_are_not_one_patient(tmp_path):
    root = write_clinical(tmp_path, [{}, {"to_patient_id": "", "last.status": "deceased"}])
    write_dicom(root / "a.dcm")
    for name in ("b", "c"):
        write_dicom(root / f"{name}.dcm", PatientID="")
    films = load_sbu(root)
    assert films["patient_id"].tolist() == ["A000001"]
    assert flow_of(films)["excluded: no patient number"] == 2


def test_index_films_are_the_first_without_companions(sbu):
    index = select_index_films(load_sbu(sbu))
    assert [Path(path).name for path in index["image_path"]] == ["a.dcm", "a.dcm"]
    flow = flow_of(index)
    assert flow["excluded: enhanced companion of another film"] == 1
    assert flow["excluded: before admission or onset"] == 1
    assert flow["in use"] == 2


def test_index_film_prefers_a_known_day(tmp_path):
    rows = [
        {"patientid": "1", "offset": ""},
        {"patientid": "1", "offset": "4"},
        {"patientid": "2", "offset": ""},
    ]
    index = select_index_films(load_ieee8023(write_ieee8023(tmp_path / "ieee8023", rows)))
    assert index["day"].tolist() == [4, pd.NA]


def test_hannover_counts_from_admission_and_knows_intensive_care(tmp_path):
    rows = [
        {"patient_id": "a", "admission_offset": "-4", "death_offset": "3.0", "crp_val": "inf"},
        {"patient_id": "a", "icu_admission_offset": "2.0"},
        {"patient_id": "b", "projection": "pa", "sex": "f", "crp_val": "12"},
        {"patient_id": "c", "projection": "lateral"},
        {"patient_id": "d", "modality": "CT"},
    ]
    with pytest.warns(UserWarning, match="LATERAL"):
        cohort = load_hannover(write_hannover(tmp_path / "hannover", rows))
    assert [str(day) for day in cohort["day"]] == ["4.0", "0.0", "0.0"]  # not -0.0
    assert cohort["died"].tolist() == [True, True, False]
    assert cohort["went_icu"].tolist() == [False, True, False]
    assert cohort["view"].tolist() == ["AP", "AP", "PA"]
    assert cohort["crp_val"].tolist() == [np.inf, pd.NA, 12]
    assert flow_of(cohort)["in use"] == 3


def test_hannover_marks_of_the_unknown_are_no_deaths(tmp_path):
    rows = [{"death_offset": " "}, {"death_offset": "?"}, {"death_offset": "3.0"}]
    cohort = load_hannover(write_hannover(tmp_path / "hannover", rows))
    assert cohort["died"].tolist() == [False, False, True]


def test_flow_that_does_not_reconcile_is_refused(tmp_path):
    cohort = load_ieee8023(write_ieee8023(tmp_path / "ieee8023", [{}, {}, {}]))
    assert flow_of(exclude(cohort, cohort["patient_id"] == "1", "test"))["in use"] == 2
    with pytest.raises(ValueError, match="does not reconcile"):
        participant_flow({"ieee8023": cohort[cohort["patient_id"] != "1"]})
    with pytest.raises(ValueError, match="does not carry its participant flow"):
        participant_flow({"ieee8023": pd.DataFrame({"patient_id": []})})


def test_annotations_come_as_rows_and_masks(tmp_path):
    root = write_ieee8023(tmp_path / "ieee8023", [{}, {}])
    folder = root / "annotations"
    (folder / "lungVAE-masks").mkdir(parents=True)
    (folder / "covid-severity-scores.csv").write_text(
        "## title,,\n## licence,,\nfilename,geographic_mean,opacity_mean\n0.png,6.0,4.0\n"
    )
    cv2.imwrite(str(folder / "lungVAE-masks" / "0_mask.png"), ramp())
    crop = np.zeros((10, 20, 4), np.uint8)
    crop[..., 3] = 255  # opaque black around …
    crop[:5, :, 1] = 200  # … the coloured object
    (tmp_path / "segmentations" / "masks").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "segmentations" / "masks" / "m.png"), crop)
    pd.DataFrame(
        {
            "Class": ["COVID-19 Consolidation", "COVID-19 Left Lung"],
            "Filename": ["0.png", "0.png"],
            "Mask": ["masks/m.png", ""],
            "Resolution": ["192x192", "192x192"],
            "Top": 100,
            "Left": 40,
            "Width": 20,
            "Height": 10,
        }
    ).to_csv(tmp_path / "segmentations" / "structure.csv", index=False)
    annotations = load_annotations(root)
    assert annotations.severity["geographic"].tolist() == [6.0]
    assert Path(annotations.severity["lung_mask_path"][0]).is_file()
    assert annotations.outlines["kind"].tolist() == ["Consolidation"]
    film = str(root / "images" / "0.png")
    mask = outline_mask(annotations.outlines, film, ["Consolidation"], (192, 192))
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (100, 104, 40, 59)
    halved = outline_mask(annotations.outlines, film, ["Consolidation"], (96, 96))
    assert halved.sum() == pytest.approx(mask.sum() / 4, rel=0.3)
    with pytest.raises(ValueError, match=r"No radiologist outlined 1\.png"):
        outline_mask(
            annotations.outlines, str(root / "images" / "1.png"), ["Consolidation"], (9, 9)
        )


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    for name in ("ieee8023", "sbu", "hannover"):
        (tmp_path / "data" / "phantom" / name).mkdir(parents=True)
    return tmp_path


def test_each_cohort_is_found_by_itself(project, monkeypatch):
    assert cohort_root("sbu") == project / "data" / "phantom" / "sbu"
    assert work_root() == project / "data" / "work" / "quick-phantom"
    (project / "data" / "real" / "hannover").mkdir(parents=True)
    (project / "mine" / "ieee8023").mkdir(parents=True)
    monkeypatch.setenv("CXR_DATA", "mine")
    monkeypatch.setenv("CXR_PROFILE", "full")
    assert cohort_root("ieee8023") == project / "mine" / "ieee8023"
    assert cohort_root("hannover") == project / "data" / "real" / "hannover"
    assert [is_phantom(name) for name in ("ieee8023", "sbu", "hannover")] == [False, True, False]
    assert work_root().name == "full-real-ieee8023-hannover"


def test_missing_work_names_the_notebook_that_makes_it(project):
    with pytest.raises(FileNotFoundError, match=r"made by notebooks/04_train_resnet18\.ipynb"):
        work_file("models/iteration1.safetensors", made_by="04_train_resnet18")
    (work_root() / "split.csv").touch()
    assert work_file("split.csv", made_by="01").is_file()


# --- tables that are not as published ---


def test_films_without_a_patient_number_are_nobodys(tmp_path):
    """As one person they would share an outcome."""
    rows = [{"patientid": "", "survival": "N"}, {"patientid": ""}, {"patientid": "7"}]
    cohort = load_ieee8023(write_ieee8023(tmp_path / "ieee8023", rows))
    assert cohort["patient_id"].tolist() == ["7"] and cohort["died"].isna().all()
    assert flow_of(cohort)["excluded: no patient number"] == 2
    rows = [{"patient_id": "", "death_offset": "3"}, {"patient_id": ""}, {"patient_id": "a"}]
    cohort = load_hannover(write_hannover(tmp_path / "hannover", rows))
    assert cohort["patient_id"].tolist() == ["a"] and cohort["died"].tolist() == [False]
    assert flow_of(cohort)["excluded: no patient number"] == 2


def test_a_day_of_death_that_is_no_number_is_no_survival(tmp_path):
    rows = [
        {"patient_id": "a", "death_offset": "12 days", "icu_admission_offset": "soon"},
        {"patient_id": "b", "death_offset": "12 days"},
        {"patient_id": "b", "death_offset": "12"},
        {"patient_id": "c", "death_offset": "inf"},
        {"patient_id": "d"},
    ]
    with pytest.warns(UserWarning, match="count as missing"):
        cohort = load_hannover(write_hannover(tmp_path / "hannover", rows))
    assert cohort["died"].tolist() == [pd.NA, True, True, pd.NA, False]
    assert cohort["label_source"].tolist() == ["unknown", *["observed"] * 2, "unknown", "observed"]
    assert cohort["went_icu"].tolist() == [pd.NA, False, False, False, False]


def test_ages_that_nobody_has_are_missing(tmp_path):
    rows = [{"age": age, "offset": day} for age, day in (("-5", "inf"), ("inf", "2"), ("70", ""))]
    with pytest.warns(UserWarning, match="none of the documented ones"):
        cohort = load_ieee8023(write_ieee8023(tmp_path / "ieee8023", rows))
    assert cohort["age"].tolist() == [pd.NA, pd.NA, 70]
    assert cohort["day"].tolist() == [pd.NA, 2, pd.NA]


def test_a_table_none_of_whose_pictures_is_there_is_refused(tmp_path):
    root = write_ieee8023(tmp_path / "ieee8023", [{}, {}])
    shutil.rmtree(root / "images")
    with pytest.raises(
        FileNotFoundError, match=r"none of the 2 pictures that it lists is in images"
    ):
        load_ieee8023(root)


def test_rows_longer_than_the_header_move_no_column(tmp_path):
    root = write_ieee8023(tmp_path / "ieee8023", [{}, {}])
    header, *rows = (root / "metadata.csv").read_text().splitlines()
    (root / "metadata.csv").write_text("\n".join([header, *(f"{row},more" for row in rows)]))
    with pytest.raises(ValueError, match=r"metadata\.csv has rows longer than its header"):
        load_ieee8023(root)


def test_phantoms_are_phantoms_wherever_they_lie(project, monkeypatch):
    names = ("ieee8023", "sbu", "hannover")
    for folder, made in {
        "mine": {"seed": 7, "scale": 0.5},
        "usual": {"seed": 0, "scale": 1},
    }.items():
        for name in names:
            (project / folder / name).mkdir(parents=True)
            (project / folder / name / "table.csv").write_text(name)
        hashes = {f"{name}/table.csv": hashlib.sha256(name.encode()).hexdigest() for name in names}
        manifest = project / folder / "phantoms.json"
        manifest.write_text(json.dumps({**made, "tables": hashes}))
        monkeypatch.setenv("CXR_DATA", folder)
        assert all(is_phantom(name) for name in names)
        suffix = "-seed7-scale0.5" if folder == "mine" else ""
        assert work_root().name == f"quick-phantom{suffix}"  # nobody's split is another's
        # Real films in the place of drawn ones must never be taken for them.
        (project / folder / "sbu" / "table.csv").write_text("real")
        assert [is_phantom(name) for name in names] == [True, False, True]
        manifest.write_text("{")
        assert not any(is_phantom(name) for name in names)


def test_sbu_reads_headers_as_films_are_read(tmp_path):
    """Without a preamble, with a loud ending, or compressed as a whole, but not without end."""
    root = tmp_path / "sbu"
    folder = root / "A000001"
    write_clinical(root, [{}])
    whole = write_dicom(folder / "whole.DCM").read_bytes()
    (folder / "headless.dcm").write_bytes(whole[132:])
    (folder / "letter.dcm").write_bytes(b"no film at all" * 99)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(bytes(2**28)) + packer.flush()
    packed = make_film(np.zeros((4, 4), "u2"), syntax=DeflatedExplicitVRLittleEndian)
    head = packed[: packed.index(b"1.2.840.10008.1.2.1.99") + 22]
    (folder / "bomb.dcm").write_bytes(head + bomb)
    films = load_sbu(root)
    names = [Path(path).name for path in films["image_path"]]
    assert sorted(names) == ["headless.dcm", "whole.DCM"]
    assert flow_of(films)["excluded: unreadable DICOM header"] == 2


def test_a_manifest_of_another_conversion_is_refused(sbu):
    (sbu / "manifest.csv").write_text("image_path,png_path,reason\n")
    with pytest.raises(ValueError, match=r"lacks the columns .*patient.* another conversion"):
        load_sbu(sbu)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) - 20],
        lambda text: text + ",,,,,,,,,,,,,,,,,,,,,,,,,,\n",
        lambda text: text.replace("converted", "half done"),
        lambda text: text + '"never closed',
    ],
)
def test_a_damaged_manifest_gets_a_sentence(sbu, spoil):
    row = "a.png,A000001,1.2,1,AP,DX,1,True,False,converted,"
    text = f"{','.join(MANIFEST_COLUMNS)}\n{row}\n"
    (sbu / "manifest.csv").write_text(spoil(text))
    with pytest.raises(ValueError, match=r"^sbu: manifest\.csv .*is damaged, or of another"):
        load_sbu(sbu, key=b"k" * 32)


def test_numbers_of_a_manifest_that_are_none_are_missing(sbu):
    row = "a.png,A000001,1.2,soon,AP,DX,1.5,perhaps,False,converted,"
    (sbu / "manifest.csv").write_text(f"{','.join(MANIFEST_COLUMNS)}\n{row}\n")
    with pytest.warns(UserWarning, match="none of the documented"):
        films = read_films(sbu)
    assert films[["days", "series_number", "study_description"]].isna().all(axis=None)


def test_numbers_without_end_are_missing(tmp_path):
    odd = [{"temperature": value} for value in ("inf", "-1e999", "37")]
    with pytest.warns(UserWarning, match="'temperature': 2 values"):
        films = load_ieee8023(write_ieee8023(tmp_path / "ieee8023", odd))
    assert films["temperature"].dropna().tolist() == [37]


def test_names_of_pictures_are_names_and_no_paths(tmp_path):
    root = write_ieee8023(tmp_path / "ieee8023", [{}, {}])
    table = pd.read_csv(root / "metadata.csv", dtype=str, keep_default_na=False)
    odd = ["./1.png", "../metadata.csv", str(root / "images" / "1.png"), "x" * 300]
    rows = [table.iloc[[1]].assign(filename=name, patientid=name[:9]) for name in odd]
    pd.concat([table, *rows]).to_csv(root / "metadata.csv", index=False)
    films = load_ieee8023(root)
    assert len(films) == 2 and flow_of(films)["excluded: picture file absent"] == len(odd)


def test_a_film_that_is_listed_as_something_else_before_stays(tmp_path):
    rows = [{"modality": "CT"}, {"filename": "0.png"}, {"filename": "0.png"}]
    films = load_ieee8023(write_ieee8023(tmp_path / "ieee8023", rows))
    assert len(films) == 1 and flow_of(films)["excluded: same file listed twice"] == 1


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("covid-severity-scores.csv", "", "is no UTF-8 CSV table"),
        ("covid-severity-scores.csv", "filename\n0.png\n", "lacks the columns geographic_mean"),
        (
            "structure.csv",
            "Class,Filename,Resolution,Left,Top,Width,Height,Mask\nx,0.png,445X416,1,1,2,,m.png\n",
            "1 rows have no size",
        ),
    ],
)
def test_annotations_that_are_none_are_refused(tmp_path, file, text, message):
    root = write_ieee8023(tmp_path / "ieee8023", [{}])
    good = {
        "covid-severity-scores.csv": "filename,geographic_mean,opacity_mean\n0.png,3,?\n,1,1\n",
        "structure.csv": "Class,Filename,Resolution,Left,Top,Width,Height,Mask\n",
    }
    folders = dict(zip(good, (root / "annotations", tmp_path / "segmentations"), strict=True))
    for name, folder in folders.items():
        folder.mkdir()
        (folder / name).write_text(good[name])
    annotations = load_annotations(root)
    assert annotations.severity["geographic"].tolist() == [3]
    assert annotations.severity["opacity"].isna().all() and annotations.outlines.empty
    (folders[file] / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        load_annotations(root)
