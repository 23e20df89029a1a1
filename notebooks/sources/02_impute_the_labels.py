# %% [markdown]
# # 02 · Impute the labels
#
# > **After this notebook you can** fill in missing outcomes with a random forest, tell an honest
# > filling from a flattering one, and carry the uncertainty of a guessed label along instead of
# > forgetting it.
# >
# > **You need** notebook 01 (its split), some scikit-learn, and a rough idea of a random forest.
# >
# > **Time** about a minute on two cores. **Data** ieee8023, real or phantom: see the table.
# >
# > **Not for clinical use.**

# %%
import sys

sys.path.insert(0, "..")  # the notebooks live beside helpers/

from helpers.cohorts import data_in_use

data_in_use()

# %% [markdown]
# ## Most outcomes are missing
#
# In ieee8023 a film comes from a case report, and few reports say how the patient fared. Films
# without an outcome cannot train a classifier. The tempting way out is to *predict* the outcome
# from the clinical columns and train on the prediction. May one do that? Let us count first; the
# parts come from notebook 01.

# %%
import pandas as pd
from IPython.display import Markdown, display

from helpers.cohorts import load_cohort, work_file
from helpers.splits import load_split

films = load_split(
    work_file("split.csv", made_by="01_explore_the_cohorts"), load_cohort("ieee8023")
)
patients = films.drop_duplicates("patient_id").set_index("patient_id")
outcome = patients["died"].map({True: "died", False: "survived"}).fillna("unknown")
pd.crosstab(outcome.rename("patients"), patients["part"], margins=True)

# %% [markdown]
# ## Are the unknown patients like the known ones?
#
# Filling in assumes that, among patients who look alike in the recorded columns, those with an
# unknown outcome fared like those with a known one (*missing at random*). It does **not** assume
# that the groups are alike, and below we look at whether they are.

# %%
from helpers.imputation import patient_features

features = patient_features(films)
train = patients["part"] == "train"
who = outcome.where(outcome == "unknown", "known").to_numpy()
features.loc["ieee8023", ["age", "male", "supine", "went_icu", "intubated", "n_films"]].groupby(
    pd.Series(who, index=pd.Index(patients.index)).rename("outcome")
).agg(["mean", "count"]).T.unstack().round(2)

# %% [markdown]
# Rows are the random forest's inputs; for each group, the mean of the recorded values and the
# number of patients in whom it was recorded. `went_icu` may well be known *because* the course was
# dramatic, and then the outcome is known, too. Whether that is all that matters is something that
# these data cannot tell. Phantoms can:

# %%
from helpers.cohorts import cohort_root, is_phantom

true_died = None
if is_phantom("ieee8023"):
    from phantoms import truth

    table = truth(cohort_root("ieee8023").parent, "ieee8023").drop_duplicates("patient_id")
    true_died = table.set_index("patient_id")["true_died"].reindex(patients.index).astype(bool)
    rates = true_died.groupby(who).mean()
    message = (
        f"Phantom truth: **{rates['known']:.0%}** of the patients with a known outcome died and "
        f"**{rates['unknown']:.0%}** of those with an unknown one."
    )
else:
    message = "These patients are real: how those with an unknown outcome fared, nobody knows."
Markdown(message)

# %% [markdown]
# ## The mistake first: impute, then split
#
# Here is the flattering way. Fit a forest to *all* patients with a known outcome, fill in everybody
# else, and now that the data look complete, split, train and test as usual. Beside it, the honest
# way: split first, learn from observed training patients, test on observed test patients. We do
# both on ten random splits.

# %%
import numpy as np
from sklearn.ensemble import RandomForestClassifier

from helpers.evaluation import auroc
from helpers.imputation import impute_survival
from helpers.splits import split_patients


def test_auroc(labels, parts, answers=None):
    answers = labels if answers is None else answers
    learn, ask = (labels.notna() & (parts == part) for part in ("train", "test"))
    forest = RandomForestClassifier(100, min_samples_leaf=5, random_state=0)
    forest.fit(inputs[learn], labels[learn].astype(bool))
    return auroc(answers[ask].astype(bool), forest.predict_proba(inputs[ask])[:, 1])


inputs = features.loc["ieee8023"].fillna(-1.0)
filled = impute_survival(films.assign(part="train"), method="forest_balanced").set_index(
    "patient_id"
)["died"]
observed = patients["died"].reindex(inputs.index)

# %%
from tqdm.auto import tqdm

rows = []
for seed in tqdm(range(10), desc="splits"):
    again = split_patients(films.drop(columns="part"), seed=seed).drop_duplicates("patient_id")
    parts = again.set_index("patient_id")["part"].reindex(inputs.index)
    row = {
        "impute, then split": test_auroc(filled, parts),
        "split first": test_auroc(observed, parts),
    }
    if true_died is not None:
        row["impute, then split: asked about the truth"] = test_auroc(
            filled, parts, true_died.reindex(inputs.index)
        )
    rows.append(row)
# %%
wins = pd.DataFrame(rows)
wins.agg(["mean", "min", "max"]).T.round(2).rename_axis("AUROC on test patients, ten splits")

# %%
gap = wins["impute, then split"].mean() - wins["split first"].mean()
asked = wins.get("impute, then split: asked about the truth")
Markdown(
    f"On average, the AUROC of the flattering way differs by **{gap:+.2f}**. That is worth nothing: "
    "most of its test labels are the forest's own guesses, and another forest agrees with those. "
    "It was examined on its own answers."
    + ("" if asked is None else f" Asked how those patients fared, it gets {asked.mean():.2f}.")
)

# %% [markdown]
# So two rules, and the helpers enforce both. The imputer sees **training patients only**, and fills
# in training patients only. And **an imputed label never judges**:

# %%
from helpers.evaluation import require_observed
from helpers.imputation import label_films

hard = impute_survival(films, method="forest")
try:
    require_observed(label_films(films, hard))
except ValueError as error:
    print("Refused:", error)

# %% [markdown]
# ## Four ways to fill in
#
# | method | what an unknown patient gets |
# |---|---|
# | `forest` | *died* if the forest's risk is one half or more, else *survived* |
# | `forest_balanced` | the same with `class_weight="balanced"`: death and survival weigh alike |
# | `calibrated` | no label but a risk, corrected by cross-fitting so that it means what it says |
# | `draws` | twenty labels, drawn with the risks of twenty forests, each of resampled patients |
#
# and, for comparison, `complete_case`: nothing. Which of them gets the *number of deaths* right?

# %%
methods = ["forest", "forest_balanced", "calibrated", "draws"]
labels = {method: impute_survival(films, method=method, seed=0) for method in tqdm(methods)}
imputed = {method: table[table["label_source"] == "imputed"] for method, table in labels.items()}


def death_rate(method):
    table = imputed[method]
    if method == "draws":
        spread = table.filter(like="draw_").astype(float).mean()
        return {
            "rate": spread.mean(),
            "low": spread.quantile(0.025),
            "high": spread.quantile(0.975),
        }
    rate = table["risk" if method == "calibrated" else "died"].astype(float).mean()
    return {"rate": rate, "low": np.nan, "high": np.nan}


# %%
rates = pd.DataFrame([{"name": method, **death_rate(method)} for method in methods])
rates.attrs["reference"] = {"known training patients": patients.loc[train, "died"].mean()}
if true_died is not None:
    unknown = train & patients["died"].isna()
    rates.attrs["reference"]["true rate of the unknown"] = true_died[unknown].mean()

# %% [markdown]
# Look for bars that are shorter than the lines, and for bars that are longer.

# %%
from helpers.figures import plot_imputed_rates

ax = plot_imputed_rates(rates)

# %% [markdown]
# *Figure: share of the unknown training patients whom each method labels as died (for `calibrated`,
# the mean risk; for `draws`, the mean of twenty draws with the range of nineteen in twenty of them
# as a black line). Vertical lines: the death rate of the known patients and, on phantoms, the true
# one of the unknown.*

# %%
dead = {method: int(imputed[method]["died"].sum()) for method in ("forest", "forest_balanced")}
total = len(imputed["forest"])
known_rate = rates.attrs["reference"]["known training patients"]
Markdown(
    f"Of {total} patients with an unknown outcome, the plain forest declares "
    f"**{dead['forest']}** dead and the balanced one **{dead['forest_balanced']}** "
    f"({dead['forest_balanced'] / total:.0%}), where {known_rate:.0%} of the known ones died."
    + ("" if true_died is None else f" In truth, {int(true_died[unknown].sum())} died.")
)

# %% [markdown]
# Neither number is a fault of the forest. A hard label says *which is more likely*, and for a rare
# outcome that is nearly always "survived". Balanced weights pretend that death is as common as
# survival, so that everybody whose risk is above the ordinary is declared dead, and that can be a
# great many. Either way, the number of deaths follows from where a line is drawn, not from how many
# people died, and a network trained on such labels learns that number. Risks and draws have no line
# to cross. They lean on the known patients instead: where those were iller than the recorded
# columns can say, deaths are overstated.
#
# ## Scored against the truth
#
# On phantoms we can mark the labels like an exam. *Right* is the share of correct hard labels (for
# draws, the mean over the draws). *AUROC* asks whether those who died got the higher risk; all
# methods know about the same. *Observed / expected* asks whether the number of deaths is right: 1
# is perfect; below 1, deaths were invented; above 1, they were missed.

# %%
from helpers.evaluation import bootstrap_interval, calibration


def score(method):
    table = imputed[method].astype({"risk": float})
    table["truth"] = true_died.reindex(table["patient_id"]).to_numpy()
    guesses = table.filter(like="draw_") if method == "draws" else table[["died"]]
    right = guesses.astype("boolean").eq(table["truth"], axis=0).mean(axis=None)
    expected = "died" if method.startswith("forest") else "risk"
    assessed = table[["site", "patient_id", "truth", "risk"]].assign(
        label=table[expected].astype(float)
    )
    rank = bootstrap_interval(lambda t: auroc(t["truth"], t["risk"]), assessed, repeats=500)
    ratio = calibration(assessed["truth"], assessed["label"]).observed_expected
    return {
        "right": "no labels" if method == "calibrated" else f"{right:.0%}",
        "AUROC of the risk": str(rank),
        "observed / expected deaths": f"{ratio:.2f}",
    }


if true_died is None:
    display(
        Markdown(
            "The patients of this run are real, so there is nothing to mark the labels against."
        )
    )
else:
    display(pd.DataFrame({method: score(method) for method in methods}).T)

# %% [markdown]
# Mind the first column. Where few die, the labels that are right most often are those that never
# say *died*, so being right is no praise. (Accuracy does this to every rare outcome; notebook 06
# comes back to it.)
#
# ## What a guessed label hides
#
# Ask a simple question: what share of all training patients died? Each way of filling in gives an
# answer *with an interval*. Hard labels count guesses as facts, so the interval shrinks with every
# guess. Draws do not: each of the twenty completed tables gives an answer, and **Rubin's rules**
# add the spread *between* the answers to the uncertainty *within* each.

# %%
from statsmodels.stats.proportion import proportion_confint

from helpers.evaluation import Interval, pool_draws


def by_counting(died):
    deaths, n = int(died.sum()), len(died)
    return Interval(deaths / n, *proportion_confint(deaths, n, method="wilson"))


def share(died):
    rate = died.astype(float).mean()
    return rate, rate * (1 - rate) / len(died)


# %%
in_training = {method: table[table["part"] == "train"] for method, table in labels.items()}
draws = in_training["draws"].filter(like="draw_")
pooled = pool_draws(*zip(*(share(draws[column]) for column in draws), strict=True))
answers = {
    "complete cases": by_counting(patients.loc[train, "died"].dropna()),
    "forest": by_counting(in_training["forest"]["died"]),
    "forest_balanced": by_counting(in_training["forest_balanced"]["died"]),
    "draws (Rubin)": pooled.interval,
}

# %% [markdown]
# Look at the widths, and, where there is a grey line (the truth), at which intervals hold it.

# %%
from helpers.figures import plot_intervals

bars = pd.DataFrame(
    [
        {"name": name, "estimate": a.estimate, "low": a.low, "high": a.high}
        for name, a in answers.items()
    ]
)
target = None if true_died is None else true_died[train].mean()
ax = plot_intervals(
    bars, reference=target, xlabel="share of training patients who died, with 95 % interval"
)

# %% [markdown]
# *Figure: the estimated death rate of the training patients by four ways of treating unknown
# outcomes, each with its 95 % interval; the grey line is the true rate, on phantoms.*

# %%
told = ""
if target is not None:
    missed = [name for name, a in answers.items() if not a.low <= target <= a.high]
    told = f" The truth is {target:.2f}; missed by: {', '.join(missed) or 'none'}."
Markdown(
    f"Complete cases say {answers['complete cases']}, the plain forest {answers['forest']}, the "
    f"balanced one {answers['forest_balanced']}, the draws {answers['draws (Rubin)']}. With draws, "
    f"{pooled.missing_information:.0%} of the variance comes from not knowing the labels; hard "
    f"labels call that zero.{told}"
)

# %% [markdown]
# One run on one cohort proves nothing about coverage; `tests/test_evaluation.py` repeats such
# things many times.
#
# And note what draws *cannot* do. A label guessed from age and intensive care tells the network
# nothing about a patient that age and intensive care do not ([von Hippel
# 2007](https://doi.org/10.1111/j.1467-9531.2007.00180.x)). Complete cases plus honesty are hard to
# beat.
#
# ## What if they are missing *because* they died?
#
# Then no method that looks at recorded columns can know. What one can do is ask how wrong it might
# be: multiply the odds of death of every unknown patient by a factor *delta* and look at how far
# the answer moves.

# %%
risk = in_training["draws"]["risk"].astype(float)
guessed = in_training["draws"]["label_source"].eq("imputed")


def rate_with(delta):
    odds = delta * risk[guessed] / (1 - risk[guessed])
    return risk.where(~guessed, odds / (1 + odds)).mean()


pd.DataFrame(
    {
        "death rate of the training patients": {
            f"odds × {delta}": rate_with(delta) for delta in (0.5, 1, 2, 4)
        }
    }
).round(3)

# %% [markdown]
# If a conclusion survives this table, it does not hang on the assumption. If it does not, say so.
#
# ## What goes on to notebook 04
#
# The training patients' labels: the observed ones, and for the others the *first of the twenty
# draws*, which keeps deaths among them where the plain forest sees none. Whether their number is
# right, the figures above say. All draws and the risk are stored beside it. Validation and test patients keep what was observed and nothing else.

# %%
from helpers.cohorts import work_root
from helpers.imputation import save_labels

chosen = labels["draws"].assign(died=labels["draws"]["draw_0"])
pd.crosstab(
    chosen["label_source"], [chosen["part"], chosen["died"].astype("string").fillna("no label")]
)

# %%
save_labels(chosen, work_root() / "labels.csv").name

# %% [markdown]
# ## Closing
#
# **What we found.** Imputing before the split examines a model on its own answers. With hard labels
# the number of deaths follows from where a line is drawn; risks and draws need no line, but lean on
# the known patients. And a guessed label is never a fact.
#
# **What would change our mind.** About using draws at all: a comparison on observed test patients
# in which training on complete cases does as well. About the assumption: anyone who can look up how
# the unknown patients fared.
#
# **Exercises.**
# 1. Replace `HARD_LABEL_FROM` by the known death rate. How many deaths does the plain forest give
#    now?
# 2. Use 5 draws, then 100. How much does the interval of the draws change?
# 3. Drop `went_icu` and `in_icu` from the columns. What happens to the AUROC of the risk?
#
# **Where next.** [03 · Transform DICOM](03_transform_dicom.ipynb)
