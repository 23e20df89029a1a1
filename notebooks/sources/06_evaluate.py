# %% [markdown]
# # 06 · Evaluate
#
# > **After this notebook you can** judge a risk model: discrimination with intervals by patient, calibration,
# > a threshold that the test did not choose, net benefit, subgroups, an external test; set it against rivals,
# > one of which knows no outcome; and, on phantoms, say how close it is to the best possible.
# >
# > **You need** notebooks 04 and 05 (the models).
# >
# > **Time** about two minutes on two cores. **Data** all three cohorts, real or phantom: see the table.
# >
# > **Not for clinical use.**

# %%
import sys

sys.path.insert(0, "..")  # the notebooks live beside helpers/

from helpers.cohorts import data_in_use

data_in_use()

# %% [markdown]
# ## Four tests, named as what they are
#
# * **internal**: test patients of the hospital that the model was trained at: SBU for iteration 2, ieee8023 for
#   iteration 1;
# * **external**: patients of a hospital that the model never saw: SBU for iteration 1, and Hannover for
#   iteration 2, after every patient who is also in ieee8023 was taken out.
#
# In all of them: index films, observed outcomes, patients that no model was trained or stopped on.

# %%
import pandas as pd

from helpers.cohorts import load_cohort, select_index_films, work_file
from helpers.splits import exclude_shared_patients, load_split
from helpers.training import RiskModel, predict

models = {
    name: RiskModel.load(work_file(f"models/{name}.safetensors", made_by=made_by))
    for name, made_by in {"iteration1": "04_train_resnet18", "iteration2": "05_fine_tune"}.items()
}
split = work_file("split.csv", made_by="01_explore_the_cohorts")
old, sbu = (load_split(split, load_cohort(name)) for name in ("ieee8023", "sbu"))
old_index, sbu_index = (
    films[films["label_source"] == "observed"] for films in map(select_index_films, (old, sbu))
)

# %%
duplicates = pd.read_csv(work_file("duplicates.csv", made_by="01_explore_the_cohorts"))
everyone = load_cohort("hannover")
external = select_index_films(exclude_shared_patients(everyone, duplicates, old))
print(
    f"Hannover: {everyone['patient_id'].nunique()} patients, of whom {len(external)} are not in "
    f"ieee8023; {external['died'].sum()} of these died."
)

# %%
test = sbu_index[sbu_index["part"] == "test"]
tests = {
    "SBU, iteration 2 (internal)": ("iteration2", test),
    "SBU, iteration 1 (external)": ("iteration1", test),
    "Hannover, iteration 2 (external)": ("iteration2", external),
    "ieee8023, iteration 1 (internal)": ("iteration1", old_index[old_index["part"] == "test"]),
}
predictions = {name: predict(models[model], films) for name, (model, films) in tests.items()}

# %% [markdown]
# ## The report
#
# Each number comes with the interval that one gets by drawing other patients from the same hospital (bootstrap
# over patients, not over films). The threshold is each model's own, chosen on validation patients.

# %%
from helpers.evaluation import Interval, report

reports = pd.concat(
    {name: report(table, models[tests[name][0]].threshold) for name, table in predictions.items()},
    names=["test"],
).reset_index("test")
reports["value"] = [str(Interval(row.estimate, row.low, row.high)) for row in reports.itertuples()]
wide = reports.pivot(index="metric", columns="test", values="value")
counts = reports.drop_duplicates("test").set_index("test")[["n", "events"]].T
counts.index = ["patients", "deaths"]
pd.concat([counts, wide])[list(tests)].loc[["patients", "deaths", *reports["metric"].unique()]]

# %% [markdown]
# Read the widths first. Where few patients died, the interval of the AUROC spans from a useless to an excellent
# model, and *no interval* says that resampled patients often held no death at all. *Observed / expected* near 1
# and a calibration intercept near 0 say that the risks are right on average; a slope below 1 that they are too
# extreme.
#
# Now compare the last two rows of each column. The last is the accuracy of a model that says "survives" to
# everybody and looks at nothing. A threshold that is meant to catch most deaths has to call many survivors at
# risk, so its accuracy can be *lower* than doing nothing while it is more useful. Accuracy cannot see that.

# %% [markdown]
# ## Discrimination
#
# Look for how far the curves are from the diagonal (left) and from the death rate (right), and how wide the
# bands are.

# %%
import matplotlib.pyplot as plt

from helpers.evaluation import pool_by_patient
from helpers.figures import plot_precision_recall, plot_roc

patients = {name: pool_by_patient(predictions[name]) for name in list(tests)[:2]}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
plot_roc(patients, ax=left)
_ = plot_precision_recall(patients, ax=right)
# %% [markdown]
# *Figure: ROC curves (left) and precision-recall curves (right) of both iterations on SBU's test patients, with
# the line of a model that knows nothing.*

# %% [markdown]
# ## Calibration
#
# Of the patients who are told "twenty in a hundred", do twenty in a hundred die? Look for the distance from the
# diagonal, and for how few patients there are at high risks.

# %%
from helpers.figures import plot_calibration, plot_risk_by_outcome

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
plot_calibration(patients["SBU, iteration 2 (internal)"], ax=left)
_ = plot_risk_by_outcome(patients["SBU, iteration 2 (internal)"], ax=right)
# %% [markdown]
# *Figure: smoothed observed death rate against predicted risk with the diagonal (left); distribution of the
# predicted risk among those who died and those who survived (right).*
#
# There is no Hosmer–Lemeshow test here: it depends on how patients are grouped, and says yes or no where the
# question is how much.

# %% [markdown]
# ## A threshold, and what it is worth
#
# The threshold comes from validation patients: the highest risk at which they reach a sensitivity of eight in
# ten. **Net benefit** asks what acting on the model is worth, against treating everybody and treating nobody:
# true positives less false positives, these weighted by the odds of the threshold, which say how many
# needless treatments one is ready to accept for one that helps
# ([Vickers 2006](https://doi.org/10.1177/0272989X06295361)).

# %%
import numpy as np

from helpers.evaluation import net_benefit
from helpers.figures import plot_net_benefit

one = patients["SBU, iteration 2 (internal)"]
curve = net_benefit(one["died"], one["risk"], np.arange(0.02, 0.41, 0.01))
_ = plot_net_benefit(curve)
# %% [markdown]
# *Figure: net benefit of the model, of treating all and of treating none, over thresholds from 2 to 40 in a
# hundred. The model is of use where its line is above both others.*

# %% [markdown]
# ## Against simple rivals
#
# A network has to beat what costs nothing: the age band, age and sex, the view. Each rival is a logistic model
# fitted on the training patients and asked about the same test patients. (The number of films
# is not among them: it is known only afterwards. Notebook 03 shows that leak.)

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from helpers.evaluation import auroc, bootstrap_interval

train = sbu_index[sbu_index["part"] == "train"]
rivals = {"age band": ["age"], "age band and sex": ["age", "sex"], "view": ["view"]}
for name, columns in rivals.items():
    encode = OneHotEncoder(handle_unknown="ignore", drop=None)
    rival = make_pipeline(encode, LogisticRegression())
    # A missing sex is its own leak here (notebook 03), so it counts as the commoner one.
    known = [frame[columns].astype(object).fillna("M").astype(str) for frame in (train, test)]
    rival.fit(known[0], train["died"].astype(bool))
    one = one.merge(
        test[["patient_id"]].assign(**{f"risk {name}": rival.predict_proba(known[1])[:, 1]})
    )


# %%
def against(name):
    column = f"risk {name}"
    gain = lambda t: auroc(t["died"], t["risk"]) - auroc(t["died"], t[column])
    return {
        "AUROC": str(bootstrap_interval(lambda t: auroc(t["died"], t[column]), one)),
        "film less rival": format(bootstrap_interval(gain, one), "+.2f"),
    }


pd.DataFrame({name: against(name) for name in rivals}).T

# %% [markdown]
# The last column is paired: both are asked about the same resampled patients. Where its interval holds zero,
# these patients do not tell the network from a glance at the file.

# %% [markdown]
# ## Against a network that knows no outcome
#
# The strictest rival has learned nothing about death at all. The phantom start (notebook 04) reads the opaque share of
# the lungs, which it was taught on phantoms. More opaque, more ill: that share alone is a score. It was not trained on any
# film of these hospitals, so every patient with an observed outcome can be asked, and intensive care as well.

# %%
from helpers.training import predict_severity


def endpoints(films, column="died"):
    """Patients with the opaque share of their films, and whether the event came to them."""
    known = films[films[column].notna()]
    known = known.assign(died=known[column].astype(bool), label_source="observed")
    known = predict_severity(known)
    return pool_by_patient(known.assign(risk=known["opaque_share"]))


# %%
to_icu = everyone.groupby("patient_id")["went_icu"].any()
asked = {
    "SBU: death": endpoints(sbu_index),
    "ieee8023: death": endpoints(old_index),
    "ieee8023: intensive care": endpoints(select_index_films(old), "went_icu"),
    "Hannover: death": endpoints(external),
    "Hannover: intensive care": endpoints(
        external.assign(icu=external["patient_id"].map(to_icu)), "icu"
    ),
}


# %%
def rank(patients):
    """Patients, events and discrimination of a score."""
    area = bootstrap_interval(lambda t: auroc(t["died"], t["risk"]), patients)
    return {"patients": len(patients), "events": int(patients["died"].sum()), "AUROC": str(area)}


pd.DataFrame({name: rank(patients) for name, patients in asked.items()}).T

# %% [markdown]
# Now side by side, on the patients whom neither of the two has seen: does training on outcomes add anything to
# reading opacity? The last column is paired.

# %%
pairs = {
    "SBU, iteration 2": ("SBU, iteration 2 (internal)", "SBU: death"),
    "SBU, iteration 1": ("SBU, iteration 1 (external)", "SBU: death"),
    "Hannover, iteration 2": ("Hannover, iteration 2 (external)", "Hannover: death"),
    "ieee8023, iteration 1": ("ieee8023, iteration 1 (internal)", "ieee8023: death"),
}


# %%
def beside(test_name, opaque):
    share = asked[opaque][["patient_id", "risk"]].rename(columns={"risk": "share"})
    both = pool_by_patient(predictions[test_name]).merge(share, on="patient_id")
    areas = lambda t: {name: auroc(t["died"], t[name]) for name in ("risk", "share")}
    found = bootstrap_interval(
        lambda t: (a := areas(t)) | {"difference": a["risk"] - a["share"]}, both
    )
    return {"deaths": int(both["died"].sum())} | {
        "the model": str(found["risk"]),
        "opaque share": str(found["share"]),
        "model less share": format(found["difference"], "+.2f"),
    }


pd.DataFrame({name: beside(*names) for name, names in pairs.items()}).T

# %% [markdown]
# Where the interval of the difference holds zero, nobody can say that the labels taught the network more than
# how opaque the lungs are. That would be no shame: opacity is most of what a film knows about death.

# %% [markdown]
# ## Subgroups
#
# One number for all may hide a group that is served badly. Groups with fewer than ten deaths or survivors are
# not judged: an interval as wide as the scale informs nobody.


# %%
def by_group(column):
    for value, group in one.groupby(column, observed=True):
        deaths = int(group["died"].sum())
        enough = min(deaths, len(group) - deaths) >= 10
        rank = (
            bootstrap_interval(lambda t: auroc(t["died"], t["risk"]), group)
            if enough
            else "too few"
        )
        yield {
            "group": f"{column}: {value}",
            "patients": len(group),
            "deaths": deaths,
            "AUROC": str(rank),
        }


pd.DataFrame(row for column in ("sex", "age", "view") for row in by_group(column)).set_index(
    "group"
)

# %% [markdown]
# ## External: Hannover
#
# A third hospital, whose publisher equalised the films' contrast. It publishes the days until death, and a blank
# is taken as survival, though it may also mean that nobody knows. Few patients died, so intensive care is asked
# as a second endpoint: a model of the lungs' state should know something about it.

# %%
hannover = pool_by_patient(predictions["Hannover, iteration 2 (external)"])
hannover = hannover.merge(
    everyone.groupby("patient_id")["went_icu"].any().rename("icu").reset_index(), on="patient_id"
)
pd.DataFrame(
    {
        "death": {
            "events": int(hannover["died"].sum()),
            "AUROC": str(bootstrap_interval(lambda t: auroc(t["died"], t["risk"]), hannover)),
        },
        "intensive care": {
            "events": int(hannover["icu"].sum()),
            "AUROC": str(bootstrap_interval(lambda t: auroc(t["icu"], t["risk"]), hannover)),
        },
    }
).T.assign(patients=len(hannover))

# %% [markdown]
# ## How close to the best possible?
#
# On phantoms the limit is known: the risk that the best possible reader would give from the film alone. The
# share of the achievable discrimination is (AUROC − ½) / (best − ½): none for a coin, all for the best reader.

# %%

from helpers.cohorts import cohort_root, is_phantom
from helpers.evaluation import best_possible_share

if is_phantom("sbu"):
    from phantoms import truth

    known = one.merge(
        test[["patient_id", "image_path"]].merge(
            truth(cohort_root("sbu").parent, "sbu")[
                ["image_path", "true_image_risk", "true_film_age_risk"]
            ]
        )
    )

    def shares(t):
        best = auroc(t["died"], t["true_image_risk"])
        ours = auroc(t["died"], t["risk"])
        return {
            "best possible AUROC, film alone": best,
            "best possible AUROC, film and age": auroc(t["died"], t["true_film_age_risk"]),
            "this network's AUROC": ours,
            "share of the best possible": best_possible_share(ours, best),
        }

    known_truth = pd.Series(
        {name: str(value) for name, value in bootstrap_interval(shares, known).items()}
    )
else:
    known_truth = pd.Series({"best possible": "unknown: the SBU films are real"})
known_truth.to_frame("estimate (95 % interval)")

# %% [markdown]
# What is missing to the whole is what a few hundred films could not teach this network, and the chance of few
# deaths; the interval says how much of it may be chance. The gap between the second row and the first is what no
# network will read from these films: age.

# %% [markdown]
# ## Does predicted risk follow what experts saw?
#
# Three experts scored the extent of disease on some films of ieee8023. If the network looks at disease, its
# risk should rise with their score. The rank correlation (Spearman), on films of patients it was not trained on;
# and beside it the opaque share that the phantom start reads, on the same films and on all that were scored:

# %%
from helpers.cohorts import load_annotations

unseen = old[old["part"] != "train"]
experts = load_annotations(cohort_root("ieee8023")).severity
scored, every = (part.merge(experts, on="image_path") for part in (unseen, old))
scores = {name: predict(model, scored) for name, model in models.items()}
for name, part in {"opaque share": scored, "opaque share, all films": every}.items():
    scores[name] = predict_severity(part).rename(columns={"opaque_share": "risk"})
followed = {
    name: bootstrap_interval(
        lambda t: t["risk"].corr(t["geographic"].astype(float), method="spearman"),
        table.drop(columns=["died", "label_source"]),
    )
    for name, table in scores.items()
}

# %%
films = [len(table) for table in scores.values()]
severity = pd.DataFrame(followed.values(), index=followed).assign(films=films)
severity[["films", "estimate", "low", "high"]].round(2)

# %% [markdown]
# A model of death need not agree with a score of extent, but one that ranks films without regard to it looks at
# something else. Whether the differences between the rows are more than chance, the few films cannot say.

# %% [markdown]
# ## What is kept
#
# The reports go to a table for the statistician, beside the models.

# %%
from helpers.cohorts import work_root

reports.drop(columns="value").to_csv(work_root() / "reports.csv", index=False)
severity.rename_axis("model").to_csv(work_root() / "severity.csv")

# %% [markdown]
# ## Closing
#
# **What we found.** Each claim about this model has an interval, a rival and a named kind of test. Most
# intervals are wide, because few patients died.
#
# **What would change our mind.** About the model's worth: a larger external test in which net benefit stays
# above both simple strategies. About its failure: the same.
#
# **Exercises.**
# 1. Resample films instead of patients (`cluster="image_path"`) on a table with several films a patient. Is the
#    interval narrower? Is it right?
# 2. Move the threshold to 0.1. What do sensitivity, specificity, accuracy and net benefit do?
# 3. How many deaths would a test need for an interval of ± 0.05? (The width falls with the square root.)
#
# **Where next.** [07 · Explain](07_explain.ipynb)
