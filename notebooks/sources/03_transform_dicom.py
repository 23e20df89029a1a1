# %% [markdown]
# # 03 · Transform DICOM
#
# > **After this notebook you can** read what a DICOM film says about itself; turn it into a picture
# > without the five classic mistakes; convert a whole archive; choose one film a patient; and tell
# > which columns of a clinical table give the outcome away.
# >
# > **You need** some Python and NumPy. No radiology, no DICOM.
# >
# > **Time** about a minute on two cores. **Data** sbu, real or phantom: see the table.
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
# Hospitals keep films as DICOM: pixels, and in front of them a header of numbered *elements* that say how the
# pixels are meant, and also whose they are. We open one film and list only elements that describe the picture;
# the list is fixed beforehand, so that no name can slip in.

# %%
from pydicom import dcmread

from helpers.cohorts import load_cohort, select_index_films
from helpers.dicom import describe_header

films = load_cohort("sbu")
index = select_index_films(films)
film = dcmread(index["image_path"][0])
header = describe_header(film)
header

# %%
from IPython.display import Markdown

total = sum(1 for _ in film.iterall())
Markdown(f"The header has **{total}** elements; the table shows **{len(header)}** of them. Most of the others say "
         "who, when and where.")  # fmt: skip

# %% [markdown]
# Read the table from below: values between `WindowCenter` ± half of `WindowWidth` are to be shown, after
# `RescaleSlope` and `RescaleIntercept`; each is a number of `BitsStored` bits; `PhotometricInterpretation` says
# whether small numbers are dark. Five steps lead from there to a picture, in an order that the standard fixes
# (DICOM PS3.4 N.2):
#
# decode → modality step → window → polarity → scale by the *known* range
#
# Each has its classic mistake. For each we store our film in another way that means the same, and read it wrong
# first. `read_dicom` is the series' own reader; its 140 lines are in `helpers/dicom_grey.py`.

# %%
from copy import deepcopy
from io import BytesIO

import numpy as np

from helpers.dicom import read_dicom

pixels = film.pixel_array
largest = 2**film.BitsStored - 1


def stored_as(stored: np.ndarray, **elements) -> bytes:
    """Give our film other stored values and header elements; return it as a file's bytes."""
    twin = deepcopy(film)
    twin.PixelData = stored.astype(np.uint16).tobytes()
    for name, value in elements.items():
        setattr(twin, name, value)
    file = BytesIO()
    twin.save_as(file)
    return file.getvalue()


original = read_dicom(stored_as(pixels))

# %% [markdown]
# ## Polarity
#
# Some machines count light, others count X-rays. MONOCHROME1 means *small is bright*. A reader that ignores it
# gets a negative. Look at the lungs: they should be dark.

# %%
from helpers.figures import plot_films

negative = stored_as(largest - pixels, PhotometricInterpretation="MONOCHROME1",
                     WindowCenter=largest - film.WindowCenter)  # fmt: skip
plot_films(
    [dcmread(BytesIO(negative)).pixel_array / largest, read_dicom(negative)],
    ["mistake: stored values as they are", "polarity from the header"],
    columns=2,
);

# %% [markdown]
# *Figure: the same film twice. Left, read without regard to its polarity, the lungs are white and the bones
# black. Right, read with it, the lungs are dark and the bones white.*
#
# The pair is easy to tell apart, for us. A folder of thousands, where one machine in ten writes MONOCHROME1, is not
# looked at by anyone, and a network learns the machine instead of the disease. Is the film on the right the original?

# %%
difference = np.abs(read_dicom(negative) - original).max()
Markdown(f"Largest difference in grey to the film as it was stored: **{255 * difference:.1f}** of 255.")

# %% [markdown]
# The header can say it twice, as `PresentationLUTShape = INVERSE` beside MONOCHROME1. That is still *one* inversion.

# %%
twice = stored_as(largest - pixels, PhotometricInterpretation="MONOCHROME1",
                  PresentationLUTShape="INVERSE", WindowCenter=largest - film.WindowCenter)  # fmt: skip
np.array_equal(read_dicom(twice), read_dicom(negative))

# %% [markdown]
# ## The modality step
#
# Stored values need not be the values that the window is about. Slope and intercept lead from one to the other.
# Here the film is stored in half steps, with a slope of two to undo it. Look for a film that is all but black.

# %%
from pydicom.pixels import apply_voi_lut

half = stored_as(pixels // 2, RescaleSlope=2, RescaleIntercept=0)
raw = dcmread(BytesIO(half))
skipped = apply_voi_lut(raw.pixel_array, raw) / (2 * largest)  # pydicom's scale includes the slope
plot_films(
    [skipped, read_dicom(half)],
    ["mistake: window on stored values", "modality step first"],
    columns=2,
);

# %% [markdown]
# *Figure: the same film twice. Left, with the window put on stored values, most of it is too dark. Right, with
# slope and intercept applied before the window, it has its full contrast.*

# %% [markdown]
# ## The window, and dividing by the maximum
#
# The window names the values worth showing. Much public code ignores it and divides by the film's own largest value.
# It seems to work, until a lead letter or a collar lies on the film. Look at the lungs, not at the letter.

# %%
with_letter = pixels.copy()
with_letter[10:40, -40:-10] = largest  # something made of metal
without, with_metal = (stored // 2 for stored in (pixels, with_letter))
with_metal[with_letter == largest] = largest
plot_films(
    [without / without.max(), with_metal / with_metal.max(),
     read_dicom(stored_as(without, WindowCenter=film.WindowCenter / 2, WindowWidth=film.WindowWidth / 2)),
     read_dicom(stored_as(with_metal, WindowCenter=film.WindowCenter / 2, WindowWidth=film.WindowWidth / 2))],
    ["mistake: divided by\nits maximum", "the same,\nmetal on the film",
     "its window", "its window,\nmetal on the film"],
);  # fmt: skip

# %% [markdown]
# *Figure: four versions of a film. Divided by its own maximum it is bright without a piece of metal in the upper right
# corner and dark with one. Shown by its window it looks the same with and without.*
#
# The rule behind it: **scale by what is known before looking at the film**, never by its own extremes. A
# film without a window is scaled by the range that its bits can hold, dull but honest. `read_dicom` can be asked for another
# of several windows (`index=`), and takes a lookup table instead of the window where there is one. How much did the metal change the grey of the lungs?

# %%
lung = np.s_[pixels.shape[0] // 3 : pixels.shape[0] // 2, pixels.shape[1] // 5 : pixels.shape[1] // 3]
by_maximum = (without / without.max())[lung].mean() - (with_metal / with_metal.max())[lung].mean()
Markdown(f"Divided by the maximum, a patch of lung fell by **{255 * by_maximum:.0f}** grey levels of 255.")

# %% [markdown]
# ## Bit depth
#
# Films have more than eight bits, PNGs for networks mostly eight. The short way there keeps only the low eight bits of each number, and
# numbers go round like a clock. Look for contour lines like those of a map.

# %%
plot_films([pixels.astype(np.uint8), original], ["mistake: astype(uint8)", "window, then eight bits"], columns=2);

# %% [markdown]
# *Figure: the same film twice. Left, with only the low bits of each value, grey runs from black to white again and again, so
# that the film looks like a map with contour lines. Right, shown by its window and then rounded, it looks like a film.*
#
# Less visible is the right thing in the wrong order: eight bits first, then the window. Count the greys that are left in
# a narrow window on the lungs.

# %%
center, width = np.median(pixels[lung]), largest / 8
narrow = {"WindowCenter": float(center), "WindowWidth": float(width)}
right = np.rint(255 * read_dicom(stored_as(pixels, **narrow)))
eight_bits_first = np.rint(pixels / largest * 255) / 255 * largest
wrong = np.rint(255 * read_dicom(stored_as(np.rint(eight_bits_first), **narrow)))
Markdown(f"Different greys: **{len(np.unique(right))}** with the window first, **{len(np.unique(wrong))}** with eight "
         "bits first.")  # fmt: skip

# %% [markdown]
# ## Companions
#
# Most chest studies at Stony Brook hold two series: the film, and an *enhanced companion*, computed from it for
# a better look at tubes and lines. Look at the texture of the lungs: it is the same exposure, sharpened.

# %%
companion = films[films["companion"]].iloc[0]
pair = films[films["study"] == companion["study"]].sort_values("companion")
plot_films([read_dicom(path) for path in pair["image_path"]], ["film", "enhanced companion"], columns=2);

# %% [markdown]
# *Figure: two pictures of one exposure. The second has stronger edges and more noise in the lungs.*
#
# Taken for two films, they count a patient's exposure twice, and who gets a companion is up to the hospital's workflow. The mistake
# is to go by the series number alone. The companion *references* the picture it was made from (`ReferencedImageSequence`); that is the rule.

# %%
studies = films.groupby("study")
by_number = films.loc[studies["series_number"].idxmin()]
Markdown(
    f"**{films['companion'].sum()}** of {len(films)} chest pictures are companions. Taking the lowest series number of each study "
    f"would still choose **{by_number['companion'].sum()}** of them."
)

# %% [markdown]
# ## De-identification
#
# Names must not travel with pictures. Suppose a film came with a patient's name and number. The mistake: a file
# named by the patient's number, and a header that goes into the notebook.

# %%
named = stored_as(pixels, PatientName="EXAMPLE^PATRICIA", PatientID="X000000")
mistake = dcmread(BytesIO(named))
f"{mistake.PatientID}.png", mistake.PatientName

# %% [markdown]
# `convert` goes the other way round: it reads only the elements that it needs, names the picture by a hash of the file,
# and writes no metadata. To see whether anything got through, we search the picture, its name and the table.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

from helpers.dicom import convert

with TemporaryDirectory() as folder:
    source = Path(folder, "film.dcm")
    source.write_bytes(named)
    row = convert([source], folder).iloc[0]
    picture = Path(row["png_path"])
    everything = picture.read_bytes() + picture.name.encode() + row.drop("image_path").to_json().encode()

picture.name, b"PATRICIA" in everything, b"X000000" in everything

# %% [markdown]
# A header cannot tell what is written *in* the picture. Its element `BurnedInAnnotation` is what somebody believed.
# Here is what it says about our film, and the upper part of that film.

# %%
strip = original[: original.shape[0] // 8]
answer = film.get("BurnedInAnnotation", "nothing")
plot_films([strip], [f"BurnedInAnnotation says {answer}"], columns=1).set_size_inches(7, 1.6);

# %% [markdown]
# *Figure: the uppermost eighth of the film, where letters such as the kind of machine, the view or a side marker are burned in.*
#
# Letters like these name no patient, but they tell the machine, and so the ward, and so the severity: a shortcut for a network
# (notebook 07). Letters that do name a patient look no different to the header. Only eyes find them.

# %% [markdown]
# ## From archive to pictures
#
# Now the whole collection. Not every picture in it is a chest film, and not every chest film is the one we want: **one
# film a patient, the earliest frontal one that is no companion**, so that a prediction is made when it would be
# needed, and no patient counts more than another.

# %%
from helpers.cohorts import participant_flow

participant_flow({"sbu": index})

# %% [markdown]
# Every film that was left out is counted with its reason. Converting is one call. It takes any executor: here two
# processes, at a hospital a cluster. Killed and started again, it goes on where it was.

# %%
from concurrent.futures import ProcessPoolExecutor

from tqdm.auto import tqdm

from helpers.cohorts import work_root

with ProcessPoolExecutor(2) as executor:
    converted = convert(tqdm(index["image_path"]), work_root() / "png", executor=executor)
converted.groupby(["photometric", "bits_stored", "contrast"], dropna=False).size().to_frame("films")

# %% [markdown]
# A file that cannot be converted is a row with a reason, never a black picture and never the end of the run. To see
# it, we add two broken files.

# %%
with TemporaryDirectory() as folder:
    cut, text = Path(folder, "cut.dcm"), Path(folder, "notes.dcm")
    cut.write_bytes(named[:-5000])
    text.write_text("no film at all, but with the right ending of its name\n" * 5)
    broken = convert([cut, text], folder)

broken.assign(file=broken["image_path"].map(lambda path: Path(path).name))[["file", "reason"]]

# %% [markdown]
# Look at some of the pictures that came out: lungs dark, not stretched, nothing clipped to white or black.

# %%
import cv2

sample = converted.dropna(subset="png_path").head(8)
plot_films([cv2.imread(path, cv2.IMREAD_GRAYSCALE) for path in sample["png_path"]], [""] * len(sample));

# %% [markdown]
# *Figure: eight converted films, each in its own aspect. The lungs are dark in all of them, the bones bright, and the contrast
# is alike.*

# %% [markdown]
# ## The clinical table, and its leaks
#
# The loader has joined the clinical table by patient. It is tempting to use all of its columns. But many
# were written down *after* the outcome, or because of it. To see how much each gives away, we use it alone, as if it were a model's
# risk, and compute its AUROC: the chance that a patient who died has the higher value. One half is a coin.

# %%
values = {
    "age band (known at admission)": index["age"],
    "sex, where it is given (known at admission)": (index["sex"] == "M").astype(float),
    "sex is blank": index["sex"].isna().astype(float),
    "number of the patient's films": index["patient_id"].map(films["patient_id"].value_counts()),
    "intensive care at any time": index["is_icu"].astype(float),
    "ventilated at any time": (index["was_ventilated"] == "Yes").astype(float),
    "length of stay": index["length_of_stay"].astype(float),
    "acute kidney injury during stay": (
        index["Acute.Kidney.Injury..during.hospitalization."] == "Yes"
    ).astype(float),
    "dialysis": (index["kidney_replacement_therapy"] == "Yes").astype(float),
}
scores = index[["site", "patient_id", "died", "label_source"]].copy()
for name, column in values.items():
    scores[name] = column.astype(float).rank(pct=True)

# %%
import pandas as pd

from helpers.evaluation import auroc, bootstrap_interval
from helpers.figures import plot_intervals

intervals = bootstrap_interval(
    lambda table: {name: auroc(table["died"], table[name]) for name in values}, scores
)
leaks = pd.DataFrame(
    [(name, each.estimate, each.low, each.high) for name, each in intervals.items()],
    columns=["name", "estimate", "low", "high"],
)
plot_intervals(leaks, reference=0.5, xlabel="AUROC for death in hospital, with 95 % interval");

# %% [markdown]
# *Figure: how well single columns of the clinical table, without any film, tell deaths from survivals, as AUROC with 95 % intervals. Age and
# sex are known at admission; the columns below them are not. The line marks one half, a coin.*
#
# Look first at the two on top, which are honest: age tells a good deal. Then at the others. A patient who is dying is moved to
# intensive care and filmed every day, so the **number of films** tells the outcome; it is known only at the end. Length of stay lies below
# one half if the dead leave sooner: a value under one half is a leak as well.
#
# **Blank sex** is the strangest. Alone it scores little, because it is rare. But see who has it blank.

# %%
blank = index["sex"].isna().map({True: "sex is blank", False: "sex is given"}).rename("")
pd.crosstab(blank, index["died"].map({True: "died", False: "survived"}).rename(""))

# %%
share = bootstrap_interval(
    lambda table: table.loc[table["sex"].isna(), "died"].mean() if table["sex"].isna().any() else np.nan,
    index[["site", "patient_id", "died", "label_source", "sex"]],
)
Markdown(f"Of patients with a blank sex, a share of **{share}** died.")

# %% [markdown]
# The publisher blanked sex where age and outcome together might have identified somebody. A "missing" indicator, the
# standard advice for incomplete columns, would be a death certificate here. So would dropping incomplete rows: it removes
# deaths. The cure is an **allow-list**: columns that are known when the film is taken, and nothing else, and no indicator
# of what is missing.

# %%
KNOWN_AT_ADMISSION = ["site", "patient_id", "image_path", "view", "age_band", "sex"]
predictors = index[KNOWN_AT_ADMISSION]
list(predictors.drop(columns=["patient_id", "image_path"]))

# %% [markdown]
# ## Closing
#
# **What we found.** A DICOM film is stored numbers with instructions for showing them. Followed in order, they give the
# same picture however the film was stored; ignored, they give negatives, black films, contour maps, and greys that hang on a
# lead letter. Companions reference their films. A header's word about burned-in text is only a word. And a clinical table
# can tell the outcome by a blank.
#
# **What would change our mind.** About the reader: a film on which it and another implementation differ by more than
# rounding. On every combination of the steps that `tests/test_dicom.py` makes, it follows the standard's formulas. About the leaks: a
# timestamp that shows a column was written before the film.
#
# **Exercises.**
# 1. Ask `read_dicom` for the film as stored with two windows, `WindowCenter=[1000, 2500]`, `WindowWidth=[500, 3000]`, and
#    show both. Which would you choose for lungs?
# 2. Give the film `VOILUTFunction="SIGMOID"` and compare. Where does the grey change most?
# 3. Which other columns of the clinical table are written after the film? Add three to the figure.
# 4. A network could see from the film that a patient is ventilated: the tube shows. Is that a leak? Say when the film was
#    taken, and what the model is for.
#
# **Where next.** [04 · Train ResNet18](04_train_resnet18.ipynb)
