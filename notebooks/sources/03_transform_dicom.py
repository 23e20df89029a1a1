# %% [markdown]
# # 03 · Transform DICOM
#
# > **After this notebook you can** read what a DICOM film says about itself; turn it into a picture
# > without the classic mistakes; convert a whole archive; choose one film a patient; and tell which
# > columns of a clinical table give the outcome away.
# >
# > **You need** some Python and NumPy. No radiology, no DICOM.
# >
# > **Time** less than a minute on two cores. **Data** sbu, real or phantom: see the table.
# >
# > **Not for clinical use.**

# %%
import sys

sys.path.insert(0, "..")  # the notebooks live beside helpers/

from helpers.cohorts import data_in_use

data_in_use()

# %% [markdown]
# ## What is in a DICOM file
#
# Hospitals keep films as DICOM: pixels, and in front of them a header of numbered *elements* that
# say how the pixels are meant, and also whose they are. We open one film and list only elements
# that describe the picture. The list is fixed beforehand, and of each element only numbers of a
# sensible size and known words are shown, so that no name can slip in. Headers are read in silence
# (`quiet`): when pydicom finds a value odd, it quotes it in a warning, and odd values may be names.

# %%
from pathlib import Path

import pandas as pd
from pydicom import dcmread

from helpers.cohorts import cohort_root, load_sbu, select_index_films
from helpers.dicom import describe_header
from helpers.dicom_silence import quiet

pd.set_option("display.max_colwidth", None)
root = cohort_root("sbu")
fetched = (root / "manifest.csv").is_file()  # fetched films are pictures already
if fetched:
    root = Path("../data/phantom/sbu").resolve()
    print("Your films of SBU are pictures already, so this notebook opens phantoms in DICOM.")
films = load_sbu(root)
index = select_index_films(films)  # index film: the one of a patient that we predict from
with quiet():
    film = dcmread(index["image_path"][0])
    total = sum(1 for _ in film.iterall())
    pixels = film.pixel_array
header = describe_header(film)
header.set_index("attribute")

# %%
from IPython.display import Markdown

Markdown(
    f"The header has **{total}** elements; the table shows **{len(header)}** of them. "
    "Most of the others say who, when and where."
)

# %% [markdown]
# Read the table from below. The values to be shown are those within half a `WindowWidth` of
# `WindowCenter`. A stored value becomes such a value by `RescaleSlope` and `RescaleIntercept`. It
# has `BitsStored` bits. `PhotometricInterpretation` says whether small values are dark. So there
# are five steps to a picture, in an order that the standard fixes (DICOM PS3.4 N.2):
#
# decode → modality step → window → polarity → scale by the *known* range
#
# (One more is rarely needed: where the spacing in the header says that pixels are not square, the
# picture is scaled along one side.)
#
# All but the first have a classic mistake. We make each of them, on our film or on a twin of it, before we read it rightly.
# The reader of this series is `read_dicom`; the steps are in
# `helpers/dicom_grey.py`, a page and a half.

# %%
from copy import deepcopy
from io import BytesIO

import numpy as np

from helpers.dicom import read_dicom

largest = 2**film.BitsStored - 1


def stored_as(stored: np.ndarray, **elements) -> bytes:
    """Give our film other stored values and header elements; return the bytes of the file."""
    twin, file = deepcopy(film), BytesIO()
    twin.PixelData = stored.astype(np.uint16).tobytes()
    for name, value in elements.items():
        setattr(twin, name, value)
    with quiet():
        twin.save_as(file)
    return file.getvalue()


original = read_dicom(stored_as(pixels))

# %%
# Films are noisy, and a noisy picture takes a fifth of the space as a JPEG.
from matplotlib_inline.backend_inline import set_matplotlib_formats

set_matplotlib_formats("jpeg", pil_kwargs={"quality": 90})

# %% [markdown]
# ## Polarity
#
# Some files store how bright a point is to be shown, others how many X-rays arrived there. MONOCHROME1 means *small is bright*. A reader
# that ignores it gets a negative. Look at the lungs: they should be dark.

# %%
from helpers.figures import plot_films

monochrome1 = {
    "PhotometricInterpretation": "MONOCHROME1",
    "WindowCenter": largest - film.WindowCenter + 1,  # a window reaches half a value further up
}
negative = stored_as(largest - pixels, **monochrome1)
_ = plot_films(
    [(largest - pixels) / largest, read_dicom(negative)],
    ["mistake: as stored", "polarity from header"],
    columns=2,
)

# %% [markdown]
# *Figure: the same film twice. Left, read without regard to its polarity, the lungs are white and
# the bones black. Right, read with it, the lungs are dark and the bones white.*
#
# The two are easy to tell apart, for us. But nobody looks at a folder of thousands, and where some
# machines write MONOCHROME1, a network learns the machine instead of the disease. Is the film on
# the right the same as the original?

# %%
difference = 255 * np.abs(read_dicom(negative) - original).max()
Markdown(f"Largest difference to the film as it was stored: **{difference:.1f}** of 255 greys.")

# %% [markdown]
# The header can say it twice: `PresentationLUTShape` INVERSE beside MONOCHROME1. That is still
# *one* inversion.

# %%
said_twice = stored_as(largest - pixels, **monochrome1, PresentationLUTShape="INVERSE")
np.array_equal(read_dicom(said_twice), read_dicom(negative))

# %% [markdown]
# ## The modality step
#
# Stored values need not be the values that the window is about: slope and intercept lead from one
# to the other. Here the film is stored in steps of two, with a slope to undo it. Look at how much
# of the contrast is left without that slope.

# %%
steps_of_two = stored_as(pixels // 2, RescaleSlope=2, RescaleIntercept=0)
lower, upper = film.WindowCenter - film.WindowWidth / 2, film.WindowCenter + film.WindowWidth / 2
without_slope = (pixels // 2 - lower) / (upper - lower)
_ = plot_films(
    [without_slope.clip(0, 1), read_dicom(steps_of_two)],
    ["mistake: no slope", "slope, then window"],
    columns=2,
)

# %% [markdown]
# *Figure: the same film twice. Left, with the window put on stored values, even its brightest
# parts are grey. Right, with slope and intercept applied before the window, it has its full
# contrast.*

# %% [markdown]
# ## The window, and dividing by the maximum
#
# The window names the values worth showing. Much public code ignores it and divides by the film's
# own largest value. That works until something of metal lies on the film. We take a film that uses
# only half of its range, as many do. Look at the lungs, not at the metal.

# %%
faint = pixels // 2
side = pixels.shape[0] // 9
metal = faint.copy()
metal[side : 2 * side, -2 * side : -side] = largest
window = {"WindowCenter": film.WindowCenter / 2, "WindowWidth": film.WindowWidth / 2}
_ = plot_films(
    [
        *(faint / faint.max(), metal / metal.max()),
        *(read_dicom(stored_as(faint, **window)), read_dicom(stored_as(metal, **window))),
    ],
    [
        "mistake: divided\nby its maximum",
        "the same,\nwith metal",
        "its window",
        "the same,\nwith metal",
    ],
)

# %% [markdown]
# *Figure: the same film four times. Divided by its own maximum it is well lit without a piece of
# metal in its upper corner, and dark with one. Shown by its window, the lungs are the same with
# and without.*

# %%
rows, columns = pixels.shape
lung = np.s_[rows // 3 : rows // 2, columns // 5 : columns // 3]
fall = 255 * ((faint / faint.max())[lung].mean() - (metal / metal.max())[lung].mean())
Markdown(f"Divided by its maximum, a patch of lung darkened by **{fall:.0f}** of 255 greys.")

# %% [markdown]
# The rule behind it: **scale by what is known before looking at the film**, never by its own
# extremes. A film without any window is scaled by the range that its bits can hold: dull, but the
# same for all. `read_dicom` can be asked for another of several windows (`index=`) and uses a
# lookup table instead of the window where the file has one.

# %% [markdown]
# ## Bit depth
#
# Films have more than eight bits, pictures for networks mostly eight. The short way there,
# `astype(uint8)`, keeps the low bits of each number, which then go round like the hand of a clock.
# Look for anything you recognise.

# %%
_ = plot_films(
    [pixels.astype(np.uint8), original],
    ["mistake: astype(uint8)", "window, then eight bits"],
    columns=2,
)

# %% [markdown]
# *Figure: the same film twice. Left, with only the low bits of each value, it falls apart into
# snow (a film with less noise, into bands). Right, shown by its window and then rounded to eight bits, it looks like a film.*
#
# That one cannot be overlooked. The same steps in the wrong order can: eight bits first, then the
# window. How many different greys are left in a narrow window on the lungs?

# %%
narrow = {"WindowCenter": float(np.median(pixels[lung])), "WindowWidth": largest / 8}
eight_bits = np.rint(pixels / largest * 255) / 255 * largest
window_first, bits_first = (
    len(np.unique(np.rint(255 * read_dicom(stored_as(np.rint(stored), **narrow)))))
    for stored in (pixels, eight_bits)
)
Markdown(f"**{window_first}** greys with the window first, **{bits_first}** with eight bits first.")

# %% [markdown]
# ## Companions
#
# Most chest studies at Stony Brook hold two series: the film, and an *enhanced companion*,
# computed from it for a better look at tubes and lines. Look at the texture of the lungs: the same
# exposure, sharpened.

# %%
both = films.groupby("study")["companion"].nunique() == 2
pair = films[films["study"].isin(both[both].index[:1])].sort_values("companion")
pictures = [read_dicom(path) for path in pair.drop_duplicates("companion")["image_path"]]
if pictures:
    _ = plot_films(pictures, ["film", "enhanced companion"], columns=2)

# %% [markdown]
# *Figure: two pictures of one exposure. The second has harder edges and more grain in the lungs.*
#
# Taken for two films, they count one exposure twice. The mistake is to go by the series number,
# which is mostly but not always lower for the film. The rule: in this collection a companion
# *references* the film that it was made from (`ReferencedImageSequence`). By the standard that element
# names any related picture, and the one that a picture was made from belongs in `SourceImageSequence`;
# so look before you use this rule elsewhere.

# %%
lowest_number = films.loc[films.groupby("study")["series_number"].idxmin()]
wrongly = lowest_number["companion"].sum()
Markdown(
    f"**{films['companion'].sum()}** of {len(films)} chest pictures are companions. The lowest "
    f"series number of each study would still choose **{wrongly}** of them."
)

# %% [markdown]
# ## De-identification
#
# Names must not travel with pictures. Suppose our film came with the name and number of a patient,
# made up here. The mistake: a file named by the patient's number, a header shown in a notebook.

# %%
named = stored_as(pixels, PatientName="EXAMPLE^PATRICIA", PatientID="X638204")
with quiet():
    mistake = dcmread(BytesIO(named))
f"{mistake.PatientID}.png", str(mistake.PatientName)

# %% [markdown]
# A hash instead of the number is no cure. Numbers of six digits are a million, and a computer
# hashes them all in a second. Look how long the number above stays hidden behind one.

# %%
from hashlib import sha256
from time import perf_counter

secret = sha256(mistake.PatientID.encode()).hexdigest()
start = perf_counter()
guesses = (f"X{number:06d}" for number in range(1_000_000))
found = next(guess for guess in guesses if sha256(guess.encode()).hexdigest() == secret)
found == mistake.PatientID, f"{perf_counter() - start:.2f} seconds"

# %% [markdown]
# `deidentify` goes the other way round. Names are hashes with a *key*, which lives in the user's
# settings, never in the repository (`helpers/keys.py`); here it is a throw-away one. The *manifest*, a
# table with a row a film, has a fixed list of columns, each a number, a keyed hash or a word from a list, never text of the
# header. Dates become days since the patient's first film. And three kinds of film are held back
# for a human: those that say that their text tells who and when, screen shots, and derived images
# (plain films of some makers say DERIVED and PRIMARY: `derived_primary=True` lets these pass). We make
# one of each kind from our film.

# %%
import secrets
from tempfile import TemporaryDirectory

from helpers.deidentify import deidentify

kinds = {
    "plain": {},
    "two days later": {"StudyDate": "19000912", "StudyInstanceUID": "1.2.3"},
    "burned in": {"BurnedInAnnotation": "YES"},
    "screen shot": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
    "derived": {"ImageType": ["DERIVED", "SECONDARY"]},
}
whose = {"PatientName": "EXAMPLE^PATRICIA", "PatientID": "X638204", "StudyDate": "19000910"}
key = secrets.token_bytes(32)
with TemporaryDirectory() as folder:
    for name, elements in kinds.items():
        Path(folder, f"{name}.dcm").write_bytes(stored_as(pixels, **whose | elements))
    paths = [Path(folder, f"{name}.dcm") for name in kinds]
    manifest = deidentify(paths, Path(folder, "out"), key=key)
    made = [path.read_bytes() for path in Path(folder, "out").iterdir()]

shown = ["day", "modality", "view", "chest", "status", "reason"]
manifest[shown].set_index(pd.Index(kinds, name="film"))

# %% [markdown]
# Did a name or a number get through? We search the pictures, their names and the manifest.

# %%
made.append(manifest.to_csv().encode())
[any(secret in data for data in made) for secret in (b"PATRICIA", b"X638204", b"19000910")]

# %% [markdown]
# That is one film. `tests/test_deidentify.py` plants markers in every text element that the
# standard knows, over five hundred films, and searches every byte that comes out, this kind of
# notebook included.

# %% [markdown]
# But no header can tell what is written *in* a picture. `BurnedInAnnotation` says whether the letters
# suffice to tell who the patient is and when the film was taken, as somebody or a machine believed. This
# is what it says about our film, and this is the upper edge of that film.

# %%
edge = original[: rows // 8]
answer = film.get("BurnedInAnnotation", "nothing")
plot_films([edge], [f"BurnedInAnnotation: {answer}"], columns=1).set_size_inches(7, 1.6)

# %% [markdown]
# *Figure: the uppermost eighth of the film, where machines and staff leave letters, such as the view
# or the stamp of a portable machine.*
#
# Such letters name no patient, so NO would be right for them. They tell the machine, and so the ward, and so how ill somebody is:
# a shortcut for a network (notebook 07). Where letters do name a patient, only eyes can be sure to
# find them: the standard asks for the flag in DX files and not in CR, nothing keeps it right, and a
# plain film with a name on it is neither screen shot nor derived image. **No header can tell that a
# film is clean.** So that a human can look at thousands, a *review
# sheet* sets films side by side, borders at full contrast and middles dimmed, with a table to fill
# in (`helpers.review.write_review`). Look along the edges for letters.

# %%
import matplotlib.pyplot as plt

from helpers.dicom import convert
from helpers.review import review_sheet

with TemporaryDirectory() as folder:
    pictures = convert(index["image_path"].head(2), folder)["png_path"].dropna()
    sheet = review_sheet(list(pictures), columns=2)

_, ax = plt.subplots(figsize=(9, 4.6))
ax.imshow(sheet, cmap="gray")
_ = ax.axis("off")

# %% [markdown]
# *Figure: a review sheet of two films, side by side. Their borders are bright and grainy, their middles
# dark with a number on them.*

# %% [markdown]
# ## From archive to pictures
#
# Now the whole collection. Not every picture in it is a chest film, and not every chest film the
# one we want: **one film a patient: the earliest frontal one of the stay (not before admission, not
# after discharge or death) that is no companion**. So a prediction is made when it would be needed,
# and no patient counts more than another. Every picture left out is counted, with the reason; a zero is a rule that found nothing left to remove.

# %%
from helpers.cohorts import participant_flow

participant_flow({"sbu": index}).set_index("step")[["radiographs", "patients"]]

# %% [markdown]
# The archive of the real collection has a catalogue that can be read offline: a row a series, with
# study and series description, series number, date and size, but neither view nor references. The
# same rules on it say what would have to be fetched. Views are taken from descriptions that say so.
# Companions cannot be told, so here the series number must do, the mistake of above; the headers put
# it right later. So the gigabytes are an estimate. Which rule saves most?

# %%
from helpers.idc import load_index, read_index

real = read_index()
chosen = select_index_films(load_index(real))
real_flow = participant_flow({"sbu": chosen}).set_index("step").drop(columns="cohort")
real_flow[real_flow["radiographs"] > 0].round(1)

# %%
saved = real_flow["gigabytes"].iloc[1:-1]
Markdown(
    f"Of **{len(real):,}** radiographs of **{real['patient_id'].nunique():,}** patients "
    f"({real['megabytes'].sum() / 1e3:.0f} GB), **{len(chosen):,}** are index films "
    f"(**{chosen['megabytes'].sum() / 1e3:.1f} GB**). The rule that saves most is *{saved.idxmax().removeprefix('excluded: ')}* "
    f"({saved.max():.0f} GB)."
)

# %% [markdown]
# Two things the catalogue cannot know are checked when a film is there: whether its header makes it a
# companion, and whether it lies between admission and outcome, for which the clinical table is
# needed. `python -m helpers.downloads sbu` does both. It streams: some hundred megabytes are
# fetched, checked, converted without identifiers and deleted, then the next; where a header belies
# the catalogue, the patient's next film is fetched. Killed and started again, it goes on.
#
# ### Do the dates go together?
#
# "At or after admission" compares a date in a header (`StudyDate`) with one in the clinical table
# (`visit_start_datetime`). The publisher has shifted both, to the years around 1900, so that no
# real date is left. The comparison holds only if a patient's two dates were shifted by the same
# number of days, and nothing in the files says so. Large differences show: then few patients have a
# film between admission and discharge. Small ones do not: most patients still have one, and yet
# another film is the first, or none is. Compare both columns, had the two been shifted apart.

# %%
from helpers.cohorts import is_phantom
from helpers.sbu import written_later

later = written_later(root)
stay = films["patient_id"].map(later["length_of_stay"]).astype(float)
patients = films["patient_id"].unique()
rng = np.random.default_rng(0)


def first_in_stay(most: int) -> tuple[float, pd.Series]:
    """Share of patients with a film in their stay, and the first; dates up to `most` days apart."""
    shifts = pd.Series(rng.integers(-most, most + 1, len(patients)), patients)
    day = films["day"].astype(float) + films["patient_id"].map(shifts)
    stays = films.assign(day=day)[(day >= 0) & (day <= stay)].sort_values("day", kind="stable")
    first = stays.drop_duplicates("patient_id").set_index("patient_id")["image_path"]
    return len(first) / len(patients), first.reindex(patients)


_, as_they_are = first_in_stay(0)
rows = {}
for most in (0, 1, 3, 14, 90):
    share, first = first_in_stay(most)
    same = first.eq(as_they_are).fillna(False).mean()  # no film is not the same film
    rows[most] = {"patients with a film in their stay": share, "with the same first film": same}
pd.DataFrame(rows).T.rename_axis("days apart, up to").map("{:.0%}".format)

# %%
Markdown(
    "(These dates are the generator's, which shifts both alike: so the table shows which shifts "
    "the check would notice, not what the publisher did.)"
    if fetched or is_phantom("sbu")
    else "The first row is what the publisher's dates give."
)

# %% [markdown]
# The download asks this of the real table and the real catalogue first (`helpers.idc.agrees`). If fewer
# than half of the patients have a film in their stay, as no small shift brings about, it warns, and counts days from each patient's
# first study instead of admission. No film can then be told to lie before admission or after
# discharge: "the earliest" is all that is left of the rule.
#
# ### Files that are there
#
# Converting them is one call. It takes any *executor*, an object that runs work side by side: here two
# processes, in a hospital a cluster.
# Killed and started again, it goes on where it was. For that it keeps a table of the files that it
# has read, whose names may name patients: that folder stays where the films are. Pictures to hand
# on are made by `deidentify`.

# %%
from tqdm.auto import tqdm

from helpers.cohorts import work_root
from helpers.executors import ProcessPool

with ProcessPool(2) as executor:
    converted = convert(tqdm(index["image_path"]), work_root() / "png", executor=executor)
whole = converted["png_path"].notna()
Markdown(
    f"**{whole.sum()}** of {len(converted)} films became pictures; {(~whole).sum()} were refused."
)

# %% [markdown]
# %%
shown_by = ["photometric", "bits_stored", "contrast"]
kinds_of_films = converted[whole].groupby(shown_by, dropna=False).size()
alike = (
    "All their headers say alike how the film is to be shown: {}, {} bits, contrast by {}. So none of the mistakes above "
    "would show in this archive, which is why we made them."
)
several = len(kinds_of_films) > 1
kinds_of_films.to_frame("films") if several else Markdown(alike.format(*kinds_of_films.index[0]))

# %% [markdown]
# A file that cannot be converted is a row with a reason; it is no black picture, and it does not
# end the run. To see that, we make two broken files.

# %%
with TemporaryDirectory() as folder:
    broken = {
        "cut off.dcm": named[:-5000],
        "notes.dcm": b"no film, but the ending of its name\n" * 5,
    }
    for name, data in broken.items():
        Path(folder, name).write_bytes(data)
    refused = convert([Path(folder, name) for name in broken], folder)

list(zip(broken, refused["reason"], strict=True))

# %% [markdown]
# Look at some of the pictures that came out: air dark, nothing stretched, nothing lost in white
# or black.

# %%
from helpers.radiographs import read_radiograph

sample = converted["png_path"].dropna().head(8)
_ = plot_films([read_radiograph(path) for path in sample], [""] * len(sample))

# %% [markdown]
# *Figure: eight converted films, each in its own proportions. Air is to be dark and bone bright;
# opaque lung is grey or white, as it should be.*

# %% [markdown]
# ## The clinical table, and its leaks
#
# The loader has joined the clinical table by patient. It is tempting to use all its columns. But
# many were written down *after* the outcome, or because of it. To see how much each gives away, we
# take it alone for a model's risk and compute its AUROC: the chance that, of a patient who died and
# one who survived, the one who died has the higher value, a tie counting one half. One half is a
# coin. Words become numbers without a look at the outcome: 0 where
# they say no, 1 otherwise.

# %%
from helpers.clinical import KNOWN_LATER, predictors

NO = ("", "No", "not documented", "Emergency Room Visit", "Outpatient Visit")


def as_number(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column) or column.dtype == "boolean":
        return column.astype("Float64").fillna(0)  # blank: no day, no treatment
    return (~column.fillna("").isin(NO)).astype("Float64")


known_later = [name for name in KNOWN_LATER if name in later and name != "last.status"]
of_patient = later.loc[index["patient_id"]].reset_index(drop=True)

# %%
exposures = films.loc[~films["companion"], "patient_id"].value_counts()  # a companion is no film
known = {
    "age band": index["age"],
    "male sex, blanks drawn": predictors(index, ["gender_concept_name"])["male"],
}
found_out = {
    "sex is blank": index["sex"].isna(),
    "number of films": index["patient_id"].map(exposures),
}
values = known | found_out | {name: as_number(of_patient[name]) for name in known_later}
scores = index[["site", "patient_id", "died", "label_source"]].copy()
for name, column in values.items():
    scores[name] = column.astype("Float64").rank(pct=True)

# %%
from helpers.evaluation import auroc_interval
from helpers.figures import plot_intervals

intervals = {name: auroc_interval(scores[scores[name].notna()], risk=name) for name in values}

# %% [markdown]
# Age and sex, the first two, are known when the patient arrives: what they tell is honest. (Some have no sex in the table; for these
# it is drawn. The section on blanks says why.) Look how the columns below them compare, none of which is known by then.

# %%
leaks = pd.DataFrame(
    [(name, each.estimate, each.low, each.high) for name, each in intervals.items()],
    columns=["name", "estimate", "low", "high"],
)
_ = plot_intervals(leaks, reference=0.5, xlabel="AUROC for death in hospital, with 95 % interval")

# %% [markdown]
# *Figure: how well single columns tell deaths from survivals without any film, as AUROC with 95 %
# intervals; a line marks one half, a coin. The further to the right, the better a column tells. That
# alone makes no leak: age may tell more than many of them. A leak is what was written later.*
#
# The same as a table, with the reason why each cannot be known when the film is taken:

# %%
why = KNOWN_LATER | {
    "sex is blank": "the publisher blanked it where it told, with age and outcome, who somebody is",
    "number of films": "it is complete only when the patient has left or died",
}
pd.DataFrame(
    {
        "AUROC (95 % interval)": [str(intervals[name]) for name in [*found_out, *known_later]],
        "not known at admission, because": [why[name] for name in [*found_out, *known_later]],
    },
    index=[*found_out, *known_later],
)

# %%
Markdown(
    f"Age alone: **{intervals['age band']}**. "
    f"Number of films alone: **{intervals['number of films']}**."
)

# %% [markdown]
# Patients who are getting worse are filmed more often, so a mere *count* of files may say much about
# the outcome; it is complete only at the end. A column far below one half would be a leak as well,
# turned round.
#
# **Blank sex** is the strangest. Alone it scores low, because it is rare. But look who has it blank. (A report would hide a cell of so
# few patients, as notebook 06 does. The publisher's table is open to all, and the point is what a blank gives away.)

# %%
blank = index["sex"].isna().map({True: "sex is blank", False: "sex is given"}).rename("")
pd.crosstab(blank, index["died"].map({True: "died", False: "survived"}).rename(""))

# %%
from statsmodels.stats.proportion import proportion_confint

of_blank = index.loc[index["sex"].isna(), "died"]
low, high = proportion_confint(of_blank.sum(), len(of_blank), method="wilson")
Markdown(
    f"Of patients with blank sex, **{of_blank.mean():.0%}** died (95 % interval {low:.0%} to "
    f"{high:.0%}); of all patients {index['died'].mean():.0%}."
)

# %% [markdown]
# The publisher left sex blank where it might have told, together with age and outcome, who
# somebody is. An indicator "is missing", the usual advice for incomplete columns, would be a death
# certificate here. To drop incomplete rows would drop deaths. The cure is an **allow-list**: what
# is known when the film is taken, nothing else, and no indicator of what is missing.

# %%
from helpers.clinical import NotKnownAtAdmission

asked = ["age.splits", "gender_concept_name"]
honest = predictors(index, asked)
honest["male"].map({1.0: "male", 0.0: "female"}).value_counts().rename("patients").to_frame()

# %%
Markdown(
    f"That is **{len(honest)}** patients of {len(index)}, of whom {index['sex'].isna().sum()} have blank sex."
)

# %% [markdown]
# So no row was dropped, and sex has two values, not three: a blank became one or the other by chance,
# in the shares of those known. Whoever asks for a column that is not on the list is refused, and
# told why.

# %%
for name in ("is_icu", "length_of_stay", "kidney_replacement_therapy"):
    try:
        predictors(index, [name])
    except NotKnownAtAdmission as refusal:
        print(str(refusal).split(". The list")[0])

# %% [markdown]
# `load_sbu` joins only what is on the list, so that a leak has to be asked for by another name:
# `written_later`, as above.

# %% [markdown]
# ## Closing
#
# **What we found.** A DICOM film is numbers with instructions for showing them. Followed in order,
# these give the same picture however the film was stored. Ignored, they give negatives, dark
# films, snow, and greys that hang on a piece of metal. Companions reference their films. What a
# header says about burned-in text is a belief. And a clinical table can tell the outcome by a
# blank.
#
# **What would change our mind.** About the reader: a film that another implementation shows
# differently by more than rounding; `tests/test_dicom.py` compares every combination of the steps
# with the standard's formulas. About the leaks: a time stamp that puts a column before the film.
#
# **Exercises.**
# 1. Store the film with two windows, `WindowCenter=[float(np.median(pixels[lung])), film.WindowCenter]` and
#    `WindowWidth=[largest / 2, film.WindowWidth]`, and show it with `index=0` and `index=1`. Which would you choose for lungs?
# 2. Store it with `VOILUTFunction="SIGMOID"` and compare. Where does the grey change most?
# 3. Laboratory values are refused too: the table does not say when they were measured. Add three to
#    the figure: below the line `values = …` write `values |= {name: of_patient[name] for name in (…)}`, and run that cell, the
#    intervals and the figure again. (Their names in `later` begin with a number, such as `2532-0_Lactate …`.) Blanks stay
#    blank: a patient without the value is then left out. Of which would you want the time stamp first, and what does an AUROC
#    far below one half mean?
# 4. The film itself can show a breathing tube. Is that a leak? Say when the film was taken, and
#    what the model is for.
#
# **Where next.** [04 · Train ResNet18](04_train_resnet18.ipynb)
