# %% [markdown]
# # 00 · Start here
#
# > **After this notebook you can** say what this series predicts, for whom and when; tell which data
# > your run uses; and find your way through the other eight notebooks.
# >
# > **You need** some Python. No radiology.
# >
# > **Time** less than a minute on two cores. **Data** whatever the table below says.
# >
# > **Not for clinical use.** Everything here is teaching material.

# %%
import sys

sys.path.insert(0, "..")  # the notebooks live beside helpers/

from helpers.cohorts import data_in_use

data_in_use()

# %% [markdown]
# Each cohort is either **real** (a public data set, fetched by you) or a **phantom**: drawn radiographs
# with a known truth, in the same files and columns. Phantoms are the default. They are what lets us
# check every lesson, because for them we know who died, why, and where the disease is.

# %% [markdown]
# ## What is predicted
#
# | question | answer |
# |---|---|
# | What? | Death in hospital |
# | For whom? | Patients with COVID-19 of 2020 in three public data sets: inpatients of two hospitals (*sbu*, *hannover*) and published cases (*ieee8023*) |
# | When? | At the first frontal chest radiograph at or after admission (*ieee8023*: admission or first symptom, as published; an undated film where a patient has no other) |
# | From what? | The picture alone |
# | Until when? | The end of the hospital stay |
#
# ## What it must not be used for
#
# Any decision about a patient. Reviews of COVID-19 models found none of the image models that they
# checked fit for use ([Roberts 2021](https://doi.org/10.1038/s42256-021-00307-0),
# [Wynants 2020](https://doi.org/10.1136/bmj.m1328)). Ours has the same weaknesses, and the series shows them
# one by one: few deaths, missing outcomes, films chosen by who published them, hospitals that differ in both
# their cameras and their death rates.

# %% [markdown]
# ## One film, and what is known about it
#
# A chest radiograph is a shadow. Air lets X-rays pass and is dark; bone, heart and fluid are bright. In
# COVID-19 pneumonia, parts of the lungs fill with fluid and cells and turn from dark to hazy or white,
# mostly on both sides and in the lower, outer parts. Look for such haze in the films below.

# %%
from helpers.cohorts import is_phantom, load_cohort, select_index_films
from helpers.figures import plot_films
from helpers.radiographs import Radiographs, exclude_unreadable

name = next((name for name in ("sbu", "ieee8023") if is_phantom(name)), None)
films = exclude_unreadable(select_index_films(load_cohort(name or "sbu")).head(20), 128).head(8)
films[["site", "view", "sex", "age"]].reset_index(drop=True)

# %%
titles = films["died"].map({True: "died", False: "survived"}).fillna("outcome unknown")
_ = plot_films(Radiographs(films, 128).images, list(titles))
# %% [markdown]
# *Figure: the first frontal chest films of eight patients, those of the table above (an age with a half is the middle of a
# published band), each in a black square and titled with the patient's outcome. Lungs are dark, the heart lies between them. On drawn films bright haze in
# the lungs is disease; on real ones it can also be a failing heart, fluid, or a poor breath.*
#
# Could you tell from the picture who died? Sometimes: more haze means a worse outlook. Often not: age matters, too,
# and drawn films hardly show it (from real ones a network can guess it to some years, [Karargyris 2019](https://arxiv.org/abs/1903.06542)). How much a picture *can* tell is a
# number, and on phantoms we know it.

# %% [markdown]
# ## The best anyone could do
#
# The phantom generator draws each patient's death from a known risk. So it can say how well the best
# reader of disease would do: someone who knows the generator by heart, is told the hospital and the patient's sex, and sees the
# disease, the devices, the view and the heart without error, but nothing else. The measure is the AUROC: the chance that a patient
# who died gets a higher risk than one who survived. A coin gets one half. In brackets stands a 95 % interval: how far the figure may
# be off because patients are few.

# %%
from IPython.display import Markdown

from helpers.cohorts import cohort_root
from helpers.evaluation import auroc_interval

if is_phantom("sbu"):
    from phantoms import truth

    index = select_index_films(load_cohort("sbu"))
    known = index.merge(truth(cohort_root("sbu").parent, "sbu"), on=["image_path", "patient_id"])
    best = auroc_interval(known, risk="true_image_risk")
    message = (
        "Phantom SBU: the best AUROC from the disease, devices, view and heart on the film is "
        f"**{best}** ({len(known)} patients). A network will hardly beat that figure, except by luck or by the faint "
        "traces of age on the film, which this reader does not use. Notebook 06 shows how close ours comes, and asks this "
        "limit again of its test patients alone: fewer, so the figure may differ, and its interval is wider."
    )
else:
    message = "The SBU cohort is real, so the best possible AUROC is unknown."
Markdown(message)

# %% [markdown]
# ## The way through
#
# | | notebook | the question it answers |
# |---|---|---|
# | 01 | Explore the cohorts | Who is in these data, and what "predicts" death without looking at a lung? |
# | 02 | Impute the labels | May a random forest fill in missing outcomes? |
# | 03 | Transform DICOM | How does a hospital's film become a picture, without going wrong on the way? |
# | 04 | Train ResNet18 | What does a network learn from a few hundred films? |
# | 05 | Fine-tune | What does it gain, and forget, at the next hospital? |
# | 06 | Evaluate | How good is it, how sure are we, and good for what? |
# | 07 | Explain | Does it look at the disease? |
# | 08 | Explore predictions | What does it say about *this* film? |
#
# Each notebook opens with a card like the one above, and closes with what was found, what would change our
# mind, exercises, and where to go next. They run in order: some make files that later ones read, and a
# notebook that misses one says which notebook makes it.

# %% [markdown]
# ## Running it
#
# `make notebooks` runs all nine; `make lab` opens JupyterLab; `make app` opens notebook 08 as a web page. Two
# settings from outside matter for a run: `CXR_DATA`, a folder with real cohorts, and `CXR_PROFILE`, `quick` (the
# default) or `full`. README says how to do it without make.

# %%
from helpers.cohorts import profile

profile()

# %% [markdown]
# ## Closing
#
# **What we found.** We know what is predicted and which data are in use, and, on phantoms, about how far a model of the
# film can get.
#
# **What would change our mind.** About the limit: an error in the causal model that draws the phantoms. It is
# written down in `phantoms/causes.py` and shown in notebook 01; check it.
#
# **Exercises.**
# 1. Take the *next* eight films (`.iloc[8:16]` in the place of `.head(8)`), plot them with `[""] * 8` in the place of
#    `list(titles)`, guess their outcomes, then print `titles`. How many are right? How many would you get by saying "survived"
#    every time?
# 2. Open `helpers/publishers.py` and `helpers/sbu.py`, and find where "died" comes from in each of the three data sets.
#
# **Where next.** [01 · Explore the cohorts](01_explore_the_cohorts.ipynb)
