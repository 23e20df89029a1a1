# %% [markdown]
# # 01 · Explore the cohorts
#
# > **After this notebook you can** read the one table that the whole series uses; say who is in it,
# > who is left out and what nobody wrote down; find the same film in two data sets; and split
# > patients so that a test is a test.
# >
# > **You need** some pandas. No radiology.
# >
# > **Time** about a minute on two cores. **Data** all three cohorts, real or phantom: see the
# > table.
# >
# > **Not for clinical use.**

# %%
import sys

sys.path.insert(0, "..")  # the notebooks live beside helpers/

from helpers.cohorts import data_in_use

data_in_use()

# %% [markdown]
# ## One table, a row a radiograph
#
# Three publishers, three formats: a spreadsheet with pictures (*ieee8023*), a tree of DICOM files
# with a clinical table (*sbu*, Stony Brook in New York), a spreadsheet with PNGs (*hannover*). The
# loaders turn each into the same table. Values that a publisher did not state become missing, with
# one exception: Hannover gives the day of a death, and no day is taken as survival, though it may
# also mean that nobody knows.

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from helpers.cohorts import load_cohort

cohorts = {name: load_cohort(name) for name in ("ieee8023", "sbu", "hannover")}
shared = ["site", "view", "day", "sex", "age", "died", "label_source"]
films = pd.concat(
    [table[["patient_id", "image_path", *shared]] for table in cohorts.values()], ignore_index=True
)
films = films.astype({"site": "category", "view": "category"})
films.groupby("site", observed=True)[shared].sample(2, random_state=0)

# %% [markdown]
# `day` counts from the first symptom or from admission, whichever the publisher gives. `died` means
# *in hospital*. `label_source` says whether somebody observed that (for Hannover "observed" includes
# the patients without a day of death), and it will matter all the way to notebook 06.
#
# ## Patients and films are not the same
#
# A patient has one outcome and any number of films. Whoever counts films, counts the sickest many
# times.


# %%
def outcomes(table):
    patients = table.drop_duplicates("patient_id")
    per_patient = table["patient_id"].value_counts()
    return {
        "films": len(table),
        "patients": len(patients),
        "most films of one patient": per_patient.max(),
        "died": int(patients["died"].sum()),  # an unknown outcome is in neither sum
        "survived": int((~patients["died"]).sum()),
        "outcome unknown": int(patients["died"].isna().sum()),
    }


counts = pd.DataFrame({name: outcomes(table) for name, table in cohorts.items()}).T
counts

# %%
known = counts["died"] + counts["survived"]
lines = [
    f"* **{name}**: {row['died']} of {known[name]} patients with a known outcome died "
    f"({row['died'] / known[name]:.0%}); the outcome of "
    f"{row['outcome unknown'] / row['patients']:.0%} of all patients is unknown."
    for name, row in counts.iterrows()
]
Markdown("\n".join(lines))

# %% [markdown]
# What limits everything is neither films nor patients, but deaths: where so few died, one patient more
# or less moves every figure that follows.
#
# ## Who these patients are
#
# A reader of a study first asks whether its patients are like their own. Each patient counts once,
# with the earliest film. Look for what differs between the columns: a model that moves from one to
# another meets other people, other beds and other habits of writing things down. (SBU publishes bands of age; the middle of a band
# stands for it, so there the quartiles are coarse.)


# %%
def describe(table):
    first = table.sort_values("day", kind="stable").drop_duplicates("patient_id")
    age, sex = first["age"].dropna().astype(float), first["sex"].dropna()
    quartiles = "{:.1f} ({:.1f}–{:.1f})".format(*age.quantile([0.5, 0.25, 0.75]))
    return {
        "age, median (quartiles)": quartiles if len(age) else "—",
        "age not recorded": f"{first['age'].isna().mean():.0%}",
        "men, of the recorded": f"{(sex == 'M').mean():.0%}" if len(sex) else "—",
        "sex not recorded": f"{first['sex'].isna().mean():.0%}",
        "first film taken standing (PA)": f"{(first['view'] == 'PA').mean():.0%}",
    }


pd.DataFrame({name: describe(table) for name, table in cohorts.items()})

# %% [markdown]
# ## Who is left out, and why
#
# Before any model there is a choice of films. Each exclusion is counted with its reason, and the
# counts must add up: the function below refuses to answer if they do not.

# %%
from helpers.cohorts import participant_flow

flow = participant_flow(cohorts)
left = (flow["radiographs"] > 0) | (flow["step"] == "in use")
flow[left].rename(columns={"radiographs": "pictures"}).reset_index(drop=True)

# %% [markdown]
# Now the same for ieee8023 as a picture. Look for the largest hatched piece: what is it that this
# collection has besides frontal films of COVID-19?

# %%
from helpers.figures import plot_participant_flow

ax = plot_participant_flow(flow[flow["cohort"] == "ieee8023"])

# %% [markdown]
# *Figure: bars from the published rows of ieee8023, CT pictures among them, down to the films in use; each hatched piece is
# what one exclusion removes, labelled with the pictures and the patients that leave with it.*

# %%
steps = flow[(flow["cohort"] == "ieee8023") & flow["step"].str.startswith("excluded")]
largest = steps.loc[steps["radiographs"].idxmax()]
Markdown(
    f"The largest exclusion is *{largest['step'].removeprefix('excluded: ')}*, with "
    f"{largest['radiographs']} rows. In all, {counts.loc['ieee8023', 'films']} of "
    f"{flow[flow['cohort'] == 'ieee8023']['radiographs'].iloc[0]} published rows are in use."
)

# %% [markdown]
# ## Some films
#
# Look at how different the *pictures* are before you look at any lung: crops, letters, borders,
# contrast. A network sees those first, too.

# %%
import cv2
from matplotlib_inline.backend_inline import set_matplotlib_formats

from helpers.figures import plot_films
from helpers.radiographs import read_radiograph
from helpers.readable import choose_readable

set_matplotlib_formats("jpeg", pil_kwargs={"quality": 88})  # films take a third of the space
shuffled = films.sample(frac=1, random_state=3)
examples = choose_readable(
    shuffled, lambda table: table.groupby(["site", "view"], observed=True).head(1)
).sort_values(["site", "view"])
titles = [f"{site}, {view}" for site, view in zip(examples["site"], examples["view"], strict=True)]


def half(path):
    """The film at half its size, which is enough for a small figure."""
    return cv2.resize(read_radiograph(path), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


figure = plot_films([half(path) for path in examples["image_path"]], titles)

# %% [markdown]
# *Figure: one film of each site and view, as published. PA: the patient stands and the beam comes
# from behind; AP: it comes from the front, mostly in bed, and makes the heart look larger; AP supine: lying on the back.*
#
# ## What nobody wrote down
#
# Look for the columns one would most like to have, and how far to the right their bars reach.

# %%
from helpers.figures import plot_missingness

clinical = cohorts["ieee8023"].drop(columns=["patient_id", "site", "image_path", "label_source"])
ax = plot_missingness(clinical)

# %% [markdown]
# *Figure: share of missing values in each column of ieee8023, the most complete column on top. (`in_icu` and
# `intubation_present` are about the time of the film, `went_icu` and `intubated` about any time of the illness, `extubated` about
# those who were intubated.)*

# %%
missing = clinical.isna().mean()
Markdown(
    f"Of the films of ieee8023, {missing['died']:.0%} lack the outcome, and "
    f"{(missing > 0.5).sum()} of {len(missing)} columns are more than half empty. "
    "Notebook 02 asks what one may do about that."
)

# %% [markdown]
# ## Site and view are no bystanders
#
# Who is X-rayed lying in bed is iller than who walks to the X-ray room. Compare each hatched part
# with the plain part beside it, not with the whole bar: of the dotted patients nobody knows.

# %%
import matplotlib.pyplot as plt

from helpers.figures import plot_outcome_by

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 2.6), layout="constrained")
by_day = films.sort_values("day", na_position="last", kind="stable")
for column, ax in (("site", left), ("view", right)):
    plot_outcome_by(by_day, column, ax)

# %% [markdown]
# *Figure: patients who died (hatched), survived, or whose outcome is unknown (dotted), by site
# (left) and by view of the earliest film (right), with their numbers where there is room. Who is in two collections counts twice.*
#
# The right panel mixes two things: only ieee8023 tells *supine* from other AP, and SBU hardly took PA, so views differ by site as well
# as by who lies in bed. Hence the guess within ieee8023 below.
#
# How much does that give away? We let a logistic regression guess who died from *metadata alone*:
# it learns on half of the patients and is asked about the other half. The measure is the AUROC: the
# chance that a patient who died is ranked above one who survived. Half is a coin; the interval says
# how far from this estimate the true figure may lie, with so few patients.

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from helpers.evaluation import auroc_interval


def guess_from(table, columns):
    observed = table[table["label_source"] == "observed"]
    patients = observed.drop_duplicates(["site", "patient_id"])  # sorted by day: the earliest film
    values = patients[columns].astype(object).fillna("missing").astype(str)
    died = patients["died"].astype(bool)
    learn, asked = train_test_split(patients.index, test_size=0.5, stratify=died, random_state=0)
    guesser = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    risk = guesser.fit(values.loc[learn], died[learn]).predict_proba(values.loc[asked])[:, 1]
    judged = patients.loc[asked].assign(risk=risk)
    return auroc_interval(judged)


sbu = by_day[by_day["site"] == "sbu"]
n_films = sbu.groupby("patient_id", observed=True)["view"].transform("size")
sbu = sbu.assign(sex_missing=sbu["sex"].isna(), n_films=pd.cut(n_films, [0, 1, 2, 4, 8, 999]))
shown = {  # what a single film shows, though not by its lungs
    "site (all three together)": guess_from(by_day, ["site"]),
    "view (all three together)": guess_from(by_day, ["view"]),
    "site and view (all three together)": guess_from(by_day, ["site", "view"]),
    "view (ieee8023)": guess_from(by_day[by_day["site"] == "ieee8023"], ["view"]),
}
hidden = {  # what no film shows, and no model may be told
    "whether sex is missing (sbu)": guess_from(sbu, ["sex_missing"]),
    "number of films (sbu)": guess_from(sbu, ["n_films"]),
}
guesses = shown | hidden

# %%
from helpers.figures import plot_intervals

bars = pd.DataFrame(
    [
        {"name": name, "estimate": g.estimate, "low": g.low, "high": g.high}
        for name, g in guesses.items()
    ]
)
ax = plot_intervals(bars, reference=0.5, xlabel="AUROC of metadata alone, with 95 % interval")

# %% [markdown]
# *Figure: AUROC of guesses that never look at a film, each with its 95 % interval; the grey line at
# one half is a coin.*


# %%
def clear(some):
    return "; ".join(f"{name}: {g}" for name, g in some.items() if g.low > 0.5) or "none"


Markdown(
    "Interval above one half, without a single look at a lung:\n"
    f"* of what a film shows: **{clear(shown)}**\n"
    f"* of what no film shows: **{clear(hidden)}**"
)

# %% [markdown]
# An estimate below one half is no knowledge either: what held in one half of the patients did not in the other. So many guesses were looked at that one only just above one half (an end of 0.50 is rounded) may be luck.
# As far as the first kind tells anything, a network that is shown films of all sites can use it: it need only recognise the hospital, the
# view or the bed. Nothing about a lung is needed, and no
# test at the same hospitals will notice. So notebook 06 sets the network against such guesses. The second kind is worse than
# a shortcut: the *number* of films is known only when the stay is over, and a *missing* sex says how
# the data were anonymised. Neither may ever be an input.

# %% [markdown]
# ## Where phantoms come from
#
# Of real patients nobody knows why one died. Phantoms come from a written-down causal model, so for
# them we can look behind the curtain (on real data alone, the cells of this section that show phantoms stay empty). Find the
# arrows from *severity* to *death* and to what the film shows (to opacity and density directly, to devices and view by way of
# intensive care and intubation): that is what a network should learn.
# Then find those that leave *site*: by these, a film can tell of death without telling of disease.

# %%
from helpers.cohorts import is_phantom
from helpers.figures import plot_causal_diagram

some_phantom = any(is_phantom(name) for name in cohorts)
if some_phantom:
    from phantoms.causes import causal_arrows, causal_table

    ax = plot_causal_diagram(causal_arrows(), highlight=("severity", "site"))

# %% [markdown]
# *Figure: on phantoms, the causal model as a diagram, causes left of their effects; thick lines leave *severity* (orange, solid) and
# *site* (green, dashed); *recording* is what gets written down or left out. On real data alone there is no diagram, because nobody
# knows it.*
#
# The same arrows in numbers, a row each. *Log odds per decade*, for one: by how much ten more years of the cause raise the logarithm
# of the odds of the effect; *sd* is a standard deviation of severity; *by rule* is what the generator's code says and no single number
# can. Look for the rows whose effect is *death*: which of these causes can a film show?

# %%
if some_phantom:
    display(
        causal_table()
        .fillna({"coefficient": "by rule"})
        .style.hide()
        .format(precision=3)
        .set_uuid("causes")
    )

# %% [markdown]
# And these are the films that the model draws. A phantom is a drawing, not a changed photograph: no
# pixel of any patient's film is in it, and it is easily told from one ([docs/phantoms.md](../docs/phantoms.md)
# measures how easily, and how much more clearly disease stands out on it). For each of them
#
# - a **chest** is built: soft tissue, ribs with their front and back arcs, shoulder blades, collar
#   bones, spine, heart, great vessels, branching lung vessels, windpipe, diaphragm and stomach; each
#   patient has a build of their own and keeps it from film to film;
# - the **pattern of disease** is laid into it: haze that lets vessels through (*ground-glass*),
#   denser white that swallows them (*consolidation*), fine lines, sometimes fluid; on both sides,
#   low and outside, as COVID-19 likes it;
# - **devices** follow their true courses: a tube in the windpipe, a line in a great vein, a tube to
#   the stomach, electrodes on the skin;
# - an **exposure** is made and published: beam, scatter, noise, the hospital's processing, its
#   crops, letters and borders.
#
# Look for what the rows have in common, and for what gives each publisher away before you have
# looked at a lung.

# %%
phantom_films = films[films["site"].map(is_phantom).astype(bool)]
if some_phantom:
    drawn = choose_readable(
        phantom_films.sample(frac=1, random_state=1),
        lambda table: table.groupby("site", observed=True).head(4),
    ).sort_values("site")
    titles = [f"{site}, {view}" for site, view in zip(drawn["site"], drawn["view"], strict=True)]
    figure = plot_films([half(path) for path in drawn["image_path"]], titles)

# %% [markdown]
# *Figure: four phantom films of each cohort that is a phantom, a row a cohort. Real films are not shown
# here. (Some letters on ieee8023 phantoms fall by lot, and may contradict the view.)*
#
# Whoever draws a film knows what is where on it. Below, where a cohort is drawn, is one film with a middling
# amount of disease: look for how much of the outlined opacity you would have outlined yourself.

# %%
from phantoms import truth
from phantoms.truth import load_masks

from helpers.cohorts import cohort_root
from helpers.figures import plot_masks

if some_phantom:
    name = next(name for name in cohorts if is_phantom(name))
    known = truth(cohort_root(name).parent, name)
    middling = (known["opaque_share"] - 0.35).abs().idxmin()
    one = known.loc[middling]
    _ = plot_masks(read_radiograph(one["image_path"]), *load_masks(one["mask_path"]))

# %% [markdown]
# *Figure: one phantom film as it is published (left), and the same film with the visible lungs (blue,
# dashed) and the opaque part of them (orange, solid) outlined (right).*

# %%
if some_phantom:
    facts = ["view", "day", "opaque_share", "density", "devices", "true_died", "true_risk"]
    told = one[[*facts, "true_image_risk"]].rename("the truth about this film")
    display(
        told.map(lambda value: f"{value:.3g}" if isinstance(value, float) else value).to_frame()
    )

# %% [markdown]
# *Opaque share* is that of the visible lungs, *density* runs from ground-glass to consolidation.
# `true_risk` is the chance of death given all of its causes, `true_image_risk` given the disease, the
# devices, the view and the heart that the film shows, the hospital and the patient's sex: nobody who knows only these does better in the
# long run. (Faint traces of age are on the film, too, and are not counted.) No model is taught the truth about *these* films; it is
# kept for asking afterwards how right we were. But the starting weights of notebook 04 learned opacity, density, devices and view
# from other phantoms of the same generator.

# %% [markdown]
# ## The same film twice
#
# Data sets are built from each other. If a film is trained on in one cohort and tested on in
# another, the test is worth nothing, and no patient number will tell. So we compare pictures: a
# *perceptual hash* proposes pairs that look alike, then the two films are laid over each other and
# their fine detail (ribs, vessels, wires) is correlated.

# %%
from helpers.splits import find_duplicates

duplicates = find_duplicates(
    [*cohorts["ieee8023"]["image_path"], *cohorts["hannover"]["image_path"]]
)
owner = films.set_index("image_path")[["site", "patient_id"]].astype(str)
ends = [owner.loc[duplicates[side]].reset_index(drop=True) for side in ("path_a", "path_b")]
across = ends[0]["site"] != ends[1]["site"]
pd.DataFrame(
    {
        "pairs": {
            "across the two cohorts": across.sum(),
            "within a cohort, under two patient numbers": (
                ~across & (ends[0]["patient_id"] != ends[1]["patient_id"])
            ).sum(),
            "within a patient": (~across & (ends[0]["patient_id"] == ends[1]["patient_id"])).sum(),
        }
    }
)

# %% [markdown]
# Look for what differs between the copies, and for what does not.

# %%
pairs = duplicates[across.to_numpy()]


def aspect(path):
    rows, columns = read_radiograph(path).shape
    return rows / columns


cropped = (pairs["path_a"].map(aspect) / pairs["path_b"].map(aspect)).map(np.log).abs()
pairs = pairs.loc[cropped.nlargest(2).index]
paths = pairs[["path_a", "path_b"]].to_numpy().ravel()
copies = [
    f"{site}, correlation {value:.3f}"
    for value in pairs["correlation"]
    for site in ("ieee8023", "hannover")
]
if len(paths):
    figure = plot_films([half(path) for path in paths], copies)

# %% [markdown]
# *Figure: pairs of files from ieee8023 and Hannover that show the same exposure, with the
# correlation of their fine detail: those two pairs of which one file is cropped most. (Size and file format differ as well, which cannot
# be seen here.) Bones and vessels do not differ.*
#
# Is the search any good? Here we can check, since many shared films kept their file name. Equal names stand for the truth: *recall*
# is the share of equal names that was found; *precision* the share of found pairs that have equal
# names. A copy that was renamed is not among those to be found, and counts as false if it is found. (On phantoms every shared
# film kept its name.)

# %%
from pathlib import Path

stems = [
    {Path(path).stem: path for path in cohorts[name]["image_path"]}
    for name in ("ieee8023", "hannover")
]
named = {(stems[0][stem], stems[1][stem]) for stem in stems[0].keys() & stems[1].keys()}
found = set(
    duplicates.loc[across.to_numpy(), ["path_a", "path_b"]].itertuples(index=False, name=None)
)
rates = [f"{len(named & found)} of {len(some)}" for some in (named, found)]
Markdown(f"Recall: **{rates[0]}**. Precision: **{rates[1]}**.")

# %% [markdown]
# These pairs go to `duplicates.csv`. From here on, patients who share a film stay on the same side
# of every split, and a Hannover patient who is also in ieee8023 is left out of the external test:
# with *all* films, since the others show the same person.

# %%
from helpers.cohorts import work_root

temporary = work_root() / "duplicates.csv.part"
duplicates.to_csv(temporary, index=False)
temporary.replace(work_root() / "duplicates.csv").name

# %% [markdown]
# ## The mistake first: splitting films
#
# Shuffle the *films* of SBU, put a fifth aside as a test, and count the test patients whose other
# films the model has trained on.

# %%
train, test = train_test_split(cohorts["sbu"], test_size=0.2, random_state=0)
leaked = test.drop_duplicates("patient_id")["patient_id"].isin(train["patient_id"])
Markdown(
    f"**{leaked.mean():.0%}** of {len(leaked)} test patients are in the training set, "
    "too. As far as they are, such a test can reward recognising people in the place of disease."
)

# %% [markdown]
# ## The cure: splitting patients
#
# Every patient goes to one part with all films: *train* learns, *validation* chooses, *test* judges
# once. Each part gets its share of deaths, survivors and unknowns of each site. Hannover is not
# split: it is kept whole as an external test.

# %%
from helpers.splits import check_disjoint, save_split, split_patients

split = split_patients(films[films["site"] != "hannover"], seed=0, duplicates=duplicates)
check_disjoint(split, duplicates)
patients = split.drop_duplicates(["site", "patient_id"]).astype({"site": str})
outcome = patients["died"].map({True: "died", False: "survived"}).fillna("unknown")
pd.crosstab([patients["site"], outcome.rename("outcome")], patients["part"], margins=True)

# %% [markdown]
# `check_disjoint` said nothing, which is its way of saying that no patient is in two parts, nor any
# copy that was found; SBU was not searched for copies. The split is stored with a hash, so that a later change by hand is noticed. Every
# later notebook that trains or judges reads it.

# %%
save_split(split, work_root() / "split.csv").name

# %%
fewest = pd.crosstab(patients["site"], [outcome, patients["part"]])["died"].min().min()
Markdown(
    f"The smallest number of deaths in any part of a cohort is **{fewest}**. Keep it in mind "
    "whenever a later notebook quotes a number for that part."
)

# %% [markdown]
# ## Licences
#
# Each real film of ieee8023 comes from a paper or a website and carries its own licence (those of drawn films are
# invented, like the rest of their table). SBU is CC BY
# 4.0 (DOI [10.7937/TCIA.BBAG-2923](https://doi.org/10.7937/TCIA.BBAG-2923)), Hannover CC BY 3.0
# (DOI [10.6084/m9.figshare.12275009](https://doi.org/10.6084/m9.figshare.12275009)).

# %%
cohorts["ieee8023"]["license"].replace("", pd.NA).fillna("not stated").value_counts().to_frame(
    "films"
)

# %% [markdown]
# "Not stated" does not mean free. On real data, do not pass such films on.
#
# ## Closing
#
# **What we found.** Few deaths, many unknown outcomes, films shared between data sets, and metadata
# that can give away part of the outcome (*Site and view are no bystanders* says which did). The split (`split.csv`) and the list of copies
# (`duplicates.csv`) guard the rest of the series against shared films. Nothing guards it against the
# metadata: later notebooks can only measure what they give away.
#
# **What would change our mind.** About the split: one patient in two parts. `check_disjoint` looks
# for numbers and pictures; a person with two numbers and no shared film would escape it. About site
# and view: intervals that hold one half, in a larger collection.
#
# **Exercises.**
# 1. Guess from age alone in SBU: `guess_from(sbu, ["age_band"])`. How does it compare with the number of films?
# 2. Lower `min_correlation` of `find_duplicates` to 0.9 and look at the pairs that are new. Copies,
#    or serial films of one patient?
# 3. Split with another `seed`. How much does the number of *films* in the test part change, and
#    why?
#
# **Where next.** [02 · Impute the labels](02_impute_the_labels.ipynb)
