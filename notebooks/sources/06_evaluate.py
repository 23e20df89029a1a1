# %% [markdown]
# # 06 · Evaluate
#
# > **After this notebook you can** judge a risk model: discrimination with intervals by patient, calibration,
# > a threshold that the test did not choose, net benefit, subgroups, external tests, a second endpoint; set it
# > against rivals, one of which knows no outcome; say how many deaths a real test would need; and, on phantoms,
# > how close the model is to the best possible.
# >
# > **You need** notebooks 04 and 05 (the models).
# >
# > **Time** about a minute on two cores. **Data** all three cohorts, real or phantom: see the table.
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
# * **internal**: test patients of the source that the model was trained on: SBU for iteration 2; for iteration 1
#   ieee8023, a collection of case reports from many places;
# * **external**: patients of a source that the model never saw: SBU for iteration 1;
# * **external by patient, not wholly by hospital**: Hannover for iteration 2. Some of its patients are in ieee8023, too.
#   They are taken out, but where they taught iteration 1, the network knows films of this hospital.
#
# In all of them: index films, and patients who served no training, stopping, calibration or threshold. Outcomes are
# observed, never imputed; but at Hannover a blank is taken as survival (below). A fifth table asks iteration 2 about ieee8023 again: what has it forgotten?

# %%
import pandas as pd

from helpers.cohorts import load_cohort, select_index_films, work_file
from helpers.readable import load_readable, select_readable_index_films
from helpers.duplicates import load_duplicates
from helpers.splits import exclude_shared_patients, load_split
from helpers.table import exclude
from helpers.training import RiskModel, predict

models = {
    name: RiskModel.load(work_file(f"models/{name}.safetensors", made_by=made_by))
    for name, made_by in {"iteration1": "04_train_resnet18", "iteration2": "05_fine_tune"}.items()
}
split = work_file("split.csv", made_by="01_explore_the_cohorts")
old = load_split(split, load_readable("ieee8023"))
sbu = load_split(split, load_cohort("sbu"))
old_index, sbu_index = (
    exclude(films, films["label_source"] != "observed", "outcome not observed")
    for films in map(select_readable_index_films, (old, sbu))
)

# %%
duplicates = load_duplicates(work_file("duplicates.csv", made_by="01_explore_the_cohorts"))
everyone = load_readable("hannover")
external = select_index_films(exclude_shared_patients(everyone, duplicates, old))
never_taught = exclude_shared_patients(everyone, duplicates, old[old["part"] == "train"])
at_hannover, strangers, untaught = (
    films["patient_id"].nunique()
    for films in (everyone, exclude_shared_patients(everyone, duplicates, old), never_taught)
)
print(f"Hannover: {at_hannover} patients, of whom {strangers} are not in ieee8023.")
print(f"{len(external)} of these have an index film; {external['died'].sum()} of them died.")
print(f"Of those in ieee8023, {at_hannover - untaught} are training patients of iteration 1.")

# %%
test, old_test = (
    exclude(films, films["part"] != "test", "training or validation patient")
    for films in (sbu_index, old_index)
)
external = exclude(external, external["label_source"] != "observed", "outcome not observed")
tests = {
    "SBU, iteration 2 (internal)": ("iteration2", test),
    "SBU, iteration 1 (external)": ("iteration1", test),
    "Hannover, iteration 2 (external patients)": ("iteration2", external),
    "ieee8023, iteration 1 (internal)": ("iteration1", old_test),
    "ieee8023, iteration 2 (internal, after SBU)": ("iteration2", old_test),
}
predictions = {name: predict(models[model], films) for name, (model, films) in tests.items()}

# %% [markdown]
# Who is in them? From what was published down to the films that are judged, each row with what one reason takes away; a patient goes
# with the last film. The counts must add up, or the function refuses to answer.

# %%
from helpers.cohorts import participant_flow

flow = participant_flow({"SBU": test, "Hannover": external, "ieee8023": old_test})
left = (flow["radiographs"] > 0) | (flow["step"] == "in use")
flow[left].set_index(["cohort", "step"])

# %% [markdown]
# ## The report
#
# Each number comes with an interval over patients, not over films: the range of values for all such patients that goes with what
# these ones showed. The threshold is each model's own, chosen on validation patients. Every outcome given here must be
# observed: `report` raises an error at the first imputed one.

# %%
from helpers.evaluation import intervals_of, report

reports = pd.concat(
    report(predictions[name], models[model].threshold).assign(test=name, model=model)
    for name, (model, _) in tests.items()
)
reports["value"] = list(map(str, intervals_of(reports)))
wide = reports.pivot(index="metric", columns="test", values="value")
counts = reports.drop_duplicates("test").set_index("test")[["n", "events", "model"]]
counts["model"] = [f"{models[model].threshold:.2f}" for model in counts["model"]]
counts.columns = ["patients", "deaths", "threshold"]
rates = (counts["deaths"] / counts["patients"]).astype(float)
counts["Brier score of the death rate alone"] = (rates * (1 - rates)).map("{:.3f}".format)
pd.concat([counts.T, wide])[list(tests)].loc[[*counts, *reports["metric"].unique()]]

# %% [markdown]
# Read the widths first. Where few patients died, the interval of the AUROC spans from a useless to an excellent
# model. (The AUROC is about *discrimination*: how well the risks rank. So are *sensitivity*, the share of those who died whom the
# threshold catches, and *specificity*, the share of survivors whom it leaves alone.) *Observed / expected* near 1 and a calibration intercept near 0 say that the risks are right on average; a slope
# below 1 that they are too extreme, above 1 that they differ too little. *AUPRC* is the mean precision over all
# recalls, of which chance gives the death rate. *Brier score* is the mean squared distance of risk and outcome: smaller is better, but it
# hangs on how many died, so compare it with that of a model that gives everybody the death rate of these very patients, a column
# at a time (by eye: that difference has no interval here). *Net benefit* is explained below. From sensitivity down to accuracy all hangs on the
# threshold, which each model has from its own hospital: compare these rows down a column, not across.
#
# Now compare the last two rows of each column. The last is the accuracy of a model that looks at nothing and gives everybody the
# commoner outcome. A threshold that is meant to catch most deaths has to call many survivors at
# risk, so its accuracy can be *lower* than doing nothing while it is more useful. Accuracy cannot see that.

# %% [markdown]
# ## Do these intervals keep their word?
#
# An interval of 95 % should hold the truth 95 times in a hundred. Nobody can check that at a hospital, but here
# the causal model behind the phantoms draws as many cohorts as we like, with the risk of every patient known. A
# model is imitated by blurring that risk, once a patient and once a film. Then each cohort is judged twice: by
# patient, as above, and with every film counted as if it were another patient.

# %%
import numpy as np
from scipy.special import expit, logit

from statsmodels.stats.proportion import proportion_confint

from helpers.evaluation import Interval, auroc, auroc_interval, pool_by_patient
from phantoms.people import draw_people

PATIENTS, COHORTS = len(test), 100


def blurred_films(patients, seed):
    """Films of patients of the causal model, with a risk that a model might have given."""
    generator = np.random.default_rng(seed)
    people = draw_people("sbu", patients, generator, fixed_deaths=False)
    people["seen"] = logit(people["true_risk"]) + generator.normal(0, 2.5, patients)
    films = people.loc[people.index.repeat(people["n_films"])].reset_index(names="patient_id")
    risk = expit(films["seen"] + generator.normal(0, 1, len(films)))
    return films[["patient_id"]].assign(
        site="sbu", died=films["true_died"], label_source="observed", risk=risk
    )


# %%
def keeps_its_word(by_patient):
    """Share of the cohorts whose interval holds the AUROC of a large population."""
    unit = pool_by_patient if by_patient else (lambda t: t.assign(patient_id=range(len(t))))
    population = unit(blurred_films(20_000, seed=0))
    truth = auroc(population["died"], population["risk"])
    films = blurred_films(PATIENTS * COHORTS, seed=1)
    cohorts = [unit(part) for _, part in films.groupby(films["patient_id"] // PATIENTS)]
    held = sum(auroc_interval(cohort).holds(truth) for cohort in cohorts)
    return Interval(held / COHORTS, *proportion_confint(held, COHORTS, method="wilson"))


word = {"by patient": keeps_its_word(True), "by film": keeps_its_word(False)}
pd.Series({unit: str(share) for unit, share in word.items()}).to_frame(
    f"of {COHORTS} intervals, share that holds the truth (95 % interval)"
)

# %% [markdown]
# Films of one patient are no independent evidence: intervals that take them for it are too narrow, and miss more
# often than they say. `python -m benchmarks.coverage` does the same for every number of the report but the
# accuracies, with many more cohorts, and the kinds of intervals were chosen by it: [its page](../docs/coverage.md) finds each within
# two points of the 95 % that it promises, in a test of about this size too (those about calibration for a model that *is* calibrated;
# for one that is not, nobody looked). What becomes of them where nine or three patients die on average, and of rank correlations, is on
# [another page](../docs/coverage-few.md). The first also finds the usual bootstrap wanting where few die: the
# middle 95 % of what resampled patients give is too narrow. Where no formula is at hand, as for the bands of the next figures, the
# series resamples as well, but takes in more than the middle 95 %, the fewer died the more
# ([Hesterberg 2015](https://doi.org/10.1080/00031305.2015.1089789)). Not simulated: the share of the best possible AUROC, below.

# %% [markdown]
# ## Discrimination
#
# Look for how far the curves are from the diagonal (left) and from the death rate (right), and how wide the
# bands are.

# %%
import matplotlib.pyplot as plt

from helpers.figures import plot_precision_recall, plot_roc

patients = {name: pool_by_patient(predictions[name]) for name in list(tests)[:2]}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
plot_roc(patients, ax=left)
_ = plot_precision_recall(patients, ax=right)
# %% [markdown]
# *Figure: ROC curves (left) and precision-recall curves (right) of both iterations on SBU's test patients, with
# the line of a model that knows nothing. Bands are pointwise, 95 %, from resampled patients.*
#
# That the bands overlap says nothing about which is better, since the patients are the same. The paired difference does:

# %%
from IPython.display import Markdown

from helpers.evaluation import auroc_difference, logits

second_over_first = auroc_difference(
    patients["SBU, iteration 2 (internal)"].assign(
        first=patients["SBU, iteration 1 (external)"]["risk"]
    ),
    *("risk", "first"),
)
Markdown(f"AUROC, iteration 2 less iteration 1 on these patients: **{second_over_first:+.2f}**.")

# %% [markdown]
# ## Calibration
#
# Of the patients to whom the model gives a risk of 20 in 100, do 20 in 100 die? With so few deaths the waves of a smooth
# curve are noise: ask whether its band holds the diagonal, and how wide it is, above all at high risks, where there are few patients.
# (The band is pointwise: somewhere it may miss the diagonal by chance. That it holds it is no proof of calibration.)

# %%
from helpers.figures import plot_calibration, plot_confusion, plot_risk_by_outcome

one, threshold = patients["SBU, iteration 2 (internal)"], models["iteration2"].threshold
figure, axes = plt.subplots(1, 3, figsize=(15, 4.5), layout="constrained")
plot_calibration(one, ax=axes[0])
plot_risk_by_outcome(one, ax=axes[1], threshold=threshold)
_ = plot_confusion(one, threshold, ax=axes[2])
# %% [markdown]
# *Figure: smoothed observed death rate against predicted risk, from the 2nd to the 98th percentile of the risks, with its pointwise 95 % band
# and the diagonal; ticks are patients, who died (top) or survived (bottom) (left). Distribution of the predicted risk among those
# who died and those who survived, with the threshold (middle). How many of each the threshold calls right and wrong (right).*
#
# There is no Hosmer–Lemeshow test here: it depends on how patients are grouped, and says yes or no where the
# question is how much.

# %% [markdown]
# ## A threshold, and what it is worth
#
# The threshold comes from validation patients: the highest risk at which they reach a sensitivity of eight in
# ten. **Net benefit** asks what acting on the model is worth, against treating everybody and treating nobody:
# true positives less false positives, these weighted by the odds of the threshold
# ([Vickers 2006](https://doi.org/10.1177/0272989X06295361)). Who acts from a risk of one in ten on accepts nine needless
# treatments for one that is needed, so each of the nine counts one ninth. Our threshold was picked for its sensitivity, so the
# report's net benefit holds only for somebody who would accept just these odds; the figure asks others, too. "Treat" stands for any
# decision that a risk could lead to. None is proposed here: the curve shows how the measure works.

# %%
from helpers.evaluation import net_benefit
from helpers.figures import plot_net_benefit

thresholds = np.arange(0.02, 0.41, 0.01)
_ = plot_net_benefit(net_benefit(one["died"], one["risk"], thresholds), patients=one)
# %% [markdown]
# *Figure: net benefit of the model, of treating all and of treating none, over thresholds from 2 to 40 in a
# hundred, with a pointwise 95 % band for the model alone. Where its line is above both others, acting on the model would have been worth
# more than either simple strategy among these patients.*
#
# At how many of these thresholds is the model ahead of the better of the two simple strategies? (All share one set of patients, so this
# is one finding and not as many as there are thresholds.)

# %%
from helpers.evaluation import net_benefit_intervals


def ahead(threshold):
    """Least gain in net benefit over treating none and treating all, and its least lower end."""
    gains = net_benefit_intervals(one["died"], one["risk"], threshold).values()
    return min(gain.estimate for gain in gains), min(gain.low for gain in gains)


gain_at = {threshold: ahead(threshold) for threshold in thresholds}
above = [estimate > 0 for estimate, _ in gain_at.values()]
clearly = [f"{threshold:.2f}" for threshold, (_, low) in gain_at.items() if low > 0]
Markdown(
    f"At the lowest threshold the model leaves {(one['risk'] < thresholds[0]).mean():.0%} of the patients untreated, at the highest "
    f"{(one['risk'] < thresholds[-1]).mean():.0%}; {one['died'].mean():.0%} died. The estimate is ahead at {np.mean(above):.0%} of the {len(thresholds)} thresholds; both gains have intervals above zero at "
    f"{len(clearly)} of them" + (f" ({', '.join(clearly)})." if clearly else ".")
)

# %% [markdown]
# ## Against simple rivals
#
# A network has to beat what costs nothing. Each rival is fitted on the training patients, without their films, and
# asked about the same test patients.

# %%
from helpers.baselines import BASELINES, baseline_risks, compare_baselines, patient_metadata

known = patient_metadata(sbu_index, sbu)
train, asked_about = (known[known["part"] == part] for part in ("train", "test"))
rivals = compare_baselines(one.merge(baseline_risks(train, asked_about)))
gains = intervals_of(rivals, ("gain", "gain_low", "gain_high"))
pd.DataFrame(
    {
        "what it is": [BASELINES[name].why for name in rivals["rival"]],
        "AUROC": list(map(str, intervals_of(rivals))),
        "film less rival": [format(gain, "+.2f") for gain in gains],
    },
    index=rivals["rival"],
)

# %% [markdown]
# The last column is paired: both are asked about the same patients, so that luck with the patients cancels. Where
# its interval holds zero, these patients do not tell the network from a glance at the file. The number of films is
# there as a warning: it is known only when all is over (notebook 03), and no model of the first film can use it.
# SBU blanks the sex where it would tell who somebody is, which goes with age and death (notebook 03): so a blank counts as the commoner
# sex. And where all films were taken in one view, as at
# SBU, *view* can tell nobody apart: notebook 01 asks it where views differ. (A rival that says the same of all has an AUROC of exactly
# one half, and its row is the network's own AUROC less that, with the symmetric interval that differences have.)
#
# All this asks whether the film could *replace* what is known anyway. Whether it *adds* to it is another question, and for any use the
# more important one: a film that ranks no better than age may still know something that age does not. (At SBU the age is known by its
# band only. How old a patient is within the band, which any hospital knows, is not in this comparison, and the film may supply just
# that.) So a logistic regression, with scikit-learn's usual penalty, of age and
# of the network's risk, fitted on *validation* patients (who taught the network nothing, but stopped its training and gave it calibration and threshold), is set against age alone, on
# the same test patients.

# %%
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def age_and_film(patients):
    return np.column_stack([patients["age"].astype(float), logits(patients["risk"])])


fitted_on = pool_by_patient(
    predict(models["iteration2"], sbu_index[sbu_index["part"] == "validation"])
)
combined = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression())
_ = combined.fit(age_and_film(fitted_on), fitted_on["died"].to_numpy(bool))

# %%
with_age = one.assign(
    both=combined.predict_proba(age_and_film(one))[:, 1],
    age=one["age"].astype(float).fillna(fitted_on["age"].astype(float).median()),
)
adds_to_age = auroc_difference(with_age, "both", "age")
Markdown(
    f"Age as published, alone: {auroc_interval(with_age, risk='age')}; age and film: {auroc_interval(with_age, risk='both')}; the film adds "
    f"**{adds_to_age:+.2f}** to the AUROC, on {int(one['died'].sum())} deaths. The two weights come from "
    f"{int(fitted_on['died'].sum())} deaths among the validation patients, so how much of each to use is itself uncertain, and that is "
    "not in the interval."
)

# %% [markdown]
# ## Against a network that knows no outcome
#
# The strictest rival has learned nothing about death at all. The phantom start (notebook 04) reads the opaque share of
# the lungs, which it was taught on phantoms. More opaque, more ill: that share alone is a score. It was not trained on any
# film of these cohorts, so every patient with an observed outcome can be asked, and intensive care as well. (But it was looked at how
# well it reads *real* films and outcomes of ieee8023 and Hannover while it was developed, [real-data.md](../docs/real-data.md): where
# these are real, its rows are flattered.) At SBU intensive care
# is written down after admission (notebook 03): it may be asked about, never predicted from. (Where a cohort is a phantom, the
# generator that drew it also taught the start. So this rival may be stronger here than at a hospital.)

# %%
from helpers.cohorts import cohort_root, is_phantom
from helpers.evaluation import as_endpoint
from helpers.sbu import written_later
from phantoms import truth

later = written_later(cohort_root("sbu"))
sbu_later = sbu.assign(is_icu=sbu["patient_id"].map(later["is_icu"]))
in_care = exclude_shared_patients(as_endpoint(everyone, "went_icu"), duplicates, old)
whom = {
    "SBU: death": sbu_index,
    "SBU: intensive care": select_readable_index_films(as_endpoint(sbu_later, "is_icu")),
    "ieee8023: death": old_index,
    "ieee8023: intensive care": select_index_films(as_endpoint(old, "went_icu")),
    "Hannover: death": external,
    "Hannover: intensive care": select_index_films(in_care),
}
whom = {name: films[films["label_source"] == "observed"] for name, films in whom.items()}

# %%
from helpers.training import predict_severity

every_film = pd.concat(whom.values()).drop_duplicates("image_path")  # each is read once
share = predict_severity(every_film).set_index("image_path")["opaque_share"]
asked = {  # the opaque share in the place of a risk
    name: pool_by_patient(films.assign(risk=films["image_path"].map(share)))
    for name, films in whom.items()
}


# %%
def rank(patients):
    """Patients, events and discrimination of a score."""
    area = auroc_interval(patients)
    return {"patients": len(patients), "events": int(patients["died"].sum()), "AUROC": str(area)}


pd.DataFrame({name: rank(patients) for name, patients in asked.items()}).T

# %% [markdown]
# Intensive care may be foreseen from a film, or merely *recognised* on it, by the tubes and lines of somebody who is there
# already. Where it is known who was there when the film was taken:


# %%
def at_the_film(name):
    """Whether a patient was in intensive care, or intubated, at the very film; NA where unknown."""
    films, site = whom[name], name.split(":")[0].lower()
    if not is_phantom(site):
        return films["in_icu"] if "in_icu" in films else films["died"].mask(films["died"].notna())
    states = truth(cohort_root(site).parent, site).set_index("image_path")["state"]
    return films["image_path"].map(states) != "ward"


there = {}
for name in (name for name in whom if name.endswith("intensive care")):
    now = at_the_film(name)[whom[name]["died"].astype(bool)].dropna().astype(bool)
    there[name.split(":")[0]] = f"{now.sum()} of {len(now)}" if len(now) else "unknown"
pd.Series(there, name="of those with intensive care, there already at the film").to_frame()

# %% [markdown]
# Where these are nearly all, the AUROC of intensive care is about a state that the film shows, and no forecast.

# %% [markdown]
# Now side by side, on patients on whom neither was trained: does training on outcomes add anything to
# reading opacity? The last column is paired.

# %%
pairs = {
    "SBU, iteration 2": ("SBU, iteration 2 (internal)", "SBU: death"),
    "SBU, iteration 1": ("SBU, iteration 1 (external)", "SBU: death"),
    "Hannover, iteration 2": ("Hannover, iteration 2 (external patients)", "Hannover: death"),
    "ieee8023, iteration 1": ("ieee8023, iteration 1 (internal)", "ieee8023: death"),
}


# %%
def beside(predicted, opaque):
    """Risk and opaque share of the same patients."""
    read = asked[opaque][["patient_id", "risk"]].rename(columns={"risk": "share"})
    return pool_by_patient(predicted).merge(read, on="patient_id")


together = {name: beside(predictions[test], opaque) for name, (test, opaque) in pairs.items()}
beyond = {name: auroc_difference(both, "risk", "share") for name, both in together.items()}
pd.DataFrame(
    {
        name: {
            "deaths": int(both["died"].sum()),
            "the model": str(auroc_interval(both)),
            "opaque share": str(auroc_interval(both, risk="share")),
            "model less share": format(beyond[name], "+.2f"),
        }
        for name, both in together.items()
    }
).T

# %% [markdown]
# Where the interval of the difference holds zero, nobody can say that the labels taught the network more than how opaque the
# lungs are, nor that they did not: its upper end says how large a gain these patients would still allow.

# %% [markdown]
# ## Subgroups
#
# One number for all may hide a group that is served badly. Here are the sexes, age bands and views of SBU's test
# patients, and then, *in all tests*, the sites, sexes and views of all whom iteration 2 was tested on. Those sexes and views mix sites:
# a view is nearly a hospital, so where two views differ, it may be the hospitals that do, and their AUROC also ranks patients of one
# hospital against those of another. Groups with fewer than ten deaths or survivors are
# hidden, deaths and all: an interval as wide as the scale informs nobody, and so small a number within a group is, at a real
# hospital, about persons. (That keeps no secret: who has the total can subtract. A registry would hide a second group as well. Totals of a
# site are in the tables above, as any publication would have them.) Hiding by deaths that happened also selects: a group in which few
# were expected to die is shown only if more did, so that its *observed / expected* leans upwards. A grouping that puts
# everybody into one group is left out: that group is the report. Nor are the rest as many findings as rows: they are the same patients,
# sorted in several ways.

# %%
from helpers.subgroups import FEWEST_EVENTS, judge_subgroups, told_events, told_patients

tested = [predictions[name] for name, (model, _) in tests.items() if model == "iteration2"]
all_tests = pool_by_patient(pd.concat(tested))
mixed = judge_subgroups(all_tests, groupings=("site", "view", "sex"))
mixed["grouping"] += ", all tests"
groups = judge_subgroups(one, groupings=("sex", "age band", "view"))
groups = pd.concat([groups[groups["n"] < len(one)], mixed], ignore_index=True)
told = groups.assign(value=list(map(str, intervals_of(groups))), events=told_events(groups))
told[groups["estimate"].notna()].pivot(
    index=["grouping", "group", "n", "events"], columns="metric", values="value"
)


# %%
def leans(expected):
    """What to say of a group that would be hidden, had as few died in it as were expected to."""
    few = expected < FEWEST_EVENTS
    return f" ({expected:.1f} expected: shown only since more died)" if few else ""


ratios = groups[groups["metric"] == "observed / expected deaths"]
hidden = ratios[ratios["estimate"].isna()]
wrong_on_average = [
    f"- {row.grouping} *{row.group}*: **{'more' if row.low > 1 else 'fewer'}** died than predicted, observed / expected "
    f"{Interval(row.estimate, row.low, row.high)}{leans(row.events / row.estimate)}."
    for row in ratios.itertuples()
    if row.low > 1 or row.high < 1
]
told_hidden = [
    f"{row.grouping} {row.group} ({n} patients)"
    for row, n in zip(hidden.itertuples(), told_patients(hidden), strict=True)
]
Markdown(
    f"Of {len(ratios) - len(hidden)} groups that can be judged, the risks are wrong on average in "
    f"{len(wrong_on_average)}{':' if wrong_on_average else '.'}\n\n"
    + "\n".join(wrong_on_average)
    + f"\n\nHidden: {'; '.join(told_hidden) or 'none'}."
)

# %% [markdown]
# A group is not served worse because its AUROC is lower: that would take an interval of the *difference*, which these few
# deaths do not give. For observed / expected the question is whether the interval holds 1. Where several groups are asked, one
# may miss it by chance, narrowly; where it is missed by far, look for a reason first. (The network is not told how old a patient
# is, and age goes with death: so expect risks that are too low for the old.) That a group is hidden does not say that it is served
# well: this table cannot say. Of a hidden site the report above has the whole: look there.

# %% [markdown]
# ## External: Hannover
#
# A third hospital, whose publisher equalised the films' contrast. It publishes the days until death, and a blank
# is taken as survival, though it may also mean that nobody knows. Few patients died, so intensive care is asked
# as a second endpoint, here and at the other hospitals: a model of the lungs' state should know something about it,
# though it was taught death. (Recognised or foreseen: see the table of who was there already.)


# %%
def with_endpoint(predicted, cohort, event):
    """The same patients and risks; another event in the place of death."""
    events = (
        as_endpoint(cohort, event).groupby(["site", "patient_id"], observed=True)["died"].first()
    )
    return predicted.drop(columns="died").join(events, on=["site", "patient_id"], how="inner")


care = {
    "Hannover, iteration 2 (external patients)": (everyone, "went_icu"),
    "SBU, iteration 2 (internal)": (sbu_later, "is_icu"),
    "SBU, iteration 1 (external)": (sbu_later, "is_icu"),
    "ieee8023, iteration 1 (internal)": (old, "went_icu"),
}
second = {name: with_endpoint(predictions[name], *where) for name, where in care.items()}
cared_for = {
    name: beside(table, f"{name.split(',')[0]}: intensive care") for name, table in second.items()
}
beyond_in_care = {name: auroc_difference(both, "risk", "share") for name, both in cared_for.items()}
less_share = {
    name: {"model less share": format(gain, "+.2f")} for name, gain in beyond_in_care.items()
}
pd.concat(
    {
        "death": pd.DataFrame({name: rank(pool_by_patient(predictions[name])) for name in care}).T,
        "intensive care": pd.DataFrame(
            {name: rank(both) | less_share[name] for name, both in cared_for.items()}
        ).T,
    },
    axis=1,
)

# %% [markdown]
# An interval is the wider the fewer have the *rarer* outcome, which may be those *without* intensive care; it hangs on the AUROC itself, too, and on
# how the risks lie. The last column asks here, too, whether the network
# ranks better than the opaque share alone, paired. The network was taught another outcome, and the share none.

# %% [markdown]
# ## What was forgotten
#
# Both iterations on ieee8023's test patients, whose outcomes were observed: the gain of the second over the first,
# paired. Only an interval wholly below zero would show that something was forgotten; its lower end says how much may be.

# %%
before, after = (
    pool_by_patient(predictions[name])
    for name in ("ieee8023, iteration 1 (internal)", "ieee8023, iteration 2 (internal, after SBU)")
)
both = after.assign(**{"risk before": before["risk"]})
forgetting = auroc_difference(both, "risk", "risk before")
print(f"Gain on ieee8023 by training at SBU: {forgetting:+.2f}, {int(both['died'].sum())} deaths")

# %% [markdown]
# ## How many deaths a real test would need
#
# The intervals above are wide. How many *test* patients would make them narrow enough to decide anything? From the
# standard errors that such a study would have ([Riley 2021](https://doi.org/10.1002/sim.9025)): for an AUROC near
# the published one for films of this collection ([Walston 2022](https://pmc.ncbi.nlm.nih.gov/articles/PMC9733620/)) and
# the death rate of this cohort; for the slope, for risks that are as high and vary as much as this model's.

# %%
from helpers.sample_size import (
    sample_size_for_auroc,
    sample_size_for_observed_expected,
    sample_size_for_slope,
)

PUBLISHED = 0.77  # AUROC of the film alone, Walston 2022
rate = float(sbu_index["died"].mean())
needed = {
    "AUROC ± 0.05": sample_size_for_auroc(PUBLISHED, rate),
    "calibration slope ± 0.2": sample_size_for_slope(one["risk"].to_numpy()),
    "observed / expected, interval 0.4 wide": sample_size_for_observed_expected(rate, width=0.4),
}
plan = pd.DataFrame({aim: vars(size) for aim, size in needed.items()}).T
plan.assign(
    **{"deaths in our test": one["died"].sum(), "in the whole cohort": sbu_index["died"].sum()}
)

# %% [markdown]
# Compare the last three columns: what is needed, what we tested on, and what there would be if nobody were trained on. (Net benefit, by
# which the closing would decide, needs a calculation at each threshold; it is not made here.) Training
# needs a calculation of its own ([Riley 2020](https://doi.org/10.1136/bmj.m441)), by the number of weights that are free to move; for a
# network nobody knows how to count them, and it is not made here.

# %% [markdown]
# ## How close to the best possible?
#
# On phantoms it is known what the film has to say: the risk that a reader would give who sees its opacities, devices, view and heart
# without error, knows the causal model, and is told the hospital and the patient's sex. The share of the achievable discrimination is (AUROC − ½) / (best − ½): none for a coin,
# all for that reader. (Faint traces of age, in aorta, bones and posture, are on the film as well, and that reader does not use them.
# A network might; the row that is told the age to the year bounds what they can give, but for chance.)

# %%
from helpers.evaluation import best_possible_share, bootstrap_interval

if is_phantom("sbu"):
    with_truth = one.merge(
        test[["patient_id", "image_path"]].merge(
            truth(cohort_root("sbu").parent, "sbu")[
                ["image_path", "true_image_risk", "true_film_age_risk"]
            ]
        )
    )

    def share_of_best(t):
        best = auroc(t["died"], t["true_image_risk"])
        return best_possible_share(auroc(t["died"], t["risk"]), best)

    risk_of = {
        "best reader's AUROC: film, hospital and sex": "true_image_risk",
        "the same and the age": "true_film_age_risk",
        "this network's AUROC": "risk",
    }
    found = {name: auroc_interval(with_truth, risk=column) for name, column in risk_of.items()}
    found["share of the best reader's"] = bootstrap_interval(share_of_best, with_truth)
    what_age_adds = auroc_difference(with_truth, "true_film_age_risk", "true_image_risk")
    found["what the age adds (paired)"] = format(what_age_adds, "+.2f")
    known_truth = pd.Series({name: str(value) for name, value in found.items()})
else:
    known_truth = pd.Series({"best possible": "unknown: the SBU films are real"})
known_truth.to_frame("estimate (95 % interval)")

# %% [markdown]
# Where the interval of the share holds one, these patients do not show that anything is missing. A share above one may be chance, or
# traces of age that this reader does not use. The last row is what the exact age would add; how much of it a network could read off
# these films is not measured here.

# %% [markdown]
# ## Does predicted risk follow what experts saw?
#
# Three experts scored the extent of disease on some films of ieee8023. If the network looks at disease, its
# risk should rise with their score. The rank correlation (Spearman), on films of patients it was not trained on;
# and beside it the opaque share that the phantom start reads, on the same films and on all that were scored. (Where ieee8023 is a
# phantom, no expert looked: the scores are the generator's opacity with a reader's noise, and the same generator taught the opaque
# share. That the share follows *these* closely says nothing about experts. Where it is real, these films were looked at while the
# start was developed.)

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
readers = "the simulated readers" if is_phantom("ieee8023") else "the experts"
shown = {"films": films, f"rank correlation with {readers}": list(map(str, followed.values()))}
pd.DataFrame(shown, index=severity.index)

# %% [markdown]
# A model of death need not agree with a score of extent, but one that ranks films without regard to it looks at
# something else. Where an interval holds zero, it is not shown that the network follows these scores at all. The last row has other
# films, so it cannot be set against the others; these share theirs, and can:


# %%
def followed_less(t):
    """How much better the opaque share follows the scores than each iteration does."""
    rank_with = lambda column: t[column].corr(t["geographic"].astype(float), method="spearman")
    return {name: rank_with("opaque share") - rank_with(name) for name in models}


same_films = scored[["site", "patient_id", "geographic"]].assign(
    **{name: scores[name]["risk"] for name in (*models, "opaque share")}
)
by_experts = [
    f"- opaque share less {name.replace('iteration', 'iteration ')}, rank correlation with {readers}: {gain:+.2f}"
    + (
        ", the share follows them **more closely**"
        if gain.low > 0
        else ", the network follows them **more closely**"
        if gain.high < 0
        else ", not shown to differ"
    )
    for name, gain in bootstrap_interval(followed_less, same_films).items()
]
Markdown("\n".join(by_experts))

# %% [markdown]
# ## What is kept
#
# Tables for the statistician, and the model card and the reporting guidelines (TRIPOD+AI, CLAIM, PROBAST+AI), filled
# in with the figures of this run.

# %%
from helpers.cohorts import work_root
from helpers.model_card import model_card
from helpers.paths import PROJECT
from helpers.reporting import Run, facts, guideline, reporting_document

run = Run(
    cohorts={"ieee8023": old, "sbu": sbu, "hannover": everyone},
    phantom={name: is_phantom(name) for name in ("ieee8023", "sbu", "hannover")},
    cards={name: model.card for name, model in models.items()},
    reports=reports, rivals=rivals, subgroups=groups, judged="iteration2", needed=needed,
    forgetting=forgetting,
)  # fmt: skip
documents = {f"model-card-{name}.md": model_card(run, name) for name in models}
documents["reporting.md"] = reporting_document(run)

# %%
from helpers.files import write_whole

shown = groups.assign(n=told_patients(groups))
tables = {"reports": reports.drop(columns="value"), "rivals": rivals, "subgroups": shown}
tables |= {"severity": severity.rename_axis("model").reset_index(), "flow": flow}
documents |= {f"{name}.csv": table.to_csv(index=False) for name, table in tables.items()}
for name, text in documents.items():
    write_whole(work_root() / name, text.encode())

# %%
asked_of_us = pd.concat(
    {
        name: guideline(table, facts(run))
        for name, table in {"TRIPOD+AI": "tripod-ai", "CLAIM": "claim"}.items()
    },
    names=["guideline", None],
).reset_index("guideline")
pd.crosstab(asked_of_us["guideline"], asked_of_us["status"].rename("items"))

# %% [markdown]
# What was not done, or in part only, and why:

# %%
pd.set_option("display.max_colwidth", None)
undone = asked_of_us[asked_of_us["status"].isin(["not done", "partly"])]
undone.set_index(["guideline", "item"])[["topic", "status", "what"]]

# %% [markdown]
# All items are in `reporting.md`, and here is the card that travels with the model. (A click opens it.) Both are written anew by each
# run, into:

# %%
print(work_root().relative_to(PROJECT))
card = (
    documents["model-card-iteration2.md"].replace("\n#", "\n###").replace("# Model", "### Model", 1)
)
Markdown(f"<details><summary>Model card of iteration 2</summary>\n\n{card}\n\n</details>")

# %% [markdown]
# ## How biased are we?
#
# PROBAST+AI asks about participants, predictors, outcome and analysis, and one domain at high risk makes the whole
# study one. We judge ourselves. (It also asks about applicability, and about development apart from evaluation. Neither is judged
# here: nobody should apply this model.)

# %%
guideline("probast", facts(run)).set_index("domain")[["risk_of_bias", "why"]]

# %% [markdown]
# Nothing that is done with the numbers takes away what is wrong with the sample. That is why no figure of this
# notebook may be quoted as the performance of a product.

# %% [markdown]
# ## In short

# %%
internal = reports[reports["test"] == "SBU, iteration 2 (internal)"].set_index("metric")
abroad = reports[reports["test"] == "Hannover, iteration 2 (external patients)"].set_index("metric")
ranks, at_home, slope, right = (
    Interval(*table.loc[metric, ["estimate", "low", "high"]].astype(float))
    for table, metric in (
        (internal, "AUROC"),
        (internal, "observed / expected deaths"),
        (internal, "calibration slope"),
        (abroad, "observed / expected deaths"),
    )
)
few = int(abroad["events"].iloc[0])
over = dict(zip(rivals["rival"], gains, strict=True))["age and sex"]
opacity = beyond["SBU, iteration 2"]


def says(gain, yes, no, unclear):
    return yes if gain.low > 0 else no if gain.high < 0 else unclear


# %%
Markdown(
    f"- At SBU, iteration 2 ranks with an AUROC of {ranks}, on {int(internal['events'].iloc[0])} deaths. Observed / expected deaths "
    f"are {at_home}, the calibration slope is {slope}.\n"
    f"- Its net benefit is shown to be above that of both simple strategies at {len(clearly)} of {len(thresholds)} thresholds.\n"
    f"- Against age and sex: {says(over, 'it is ahead', 'it is behind', '**not shown** to be ahead')}, {over:+.2f}.\n"
    f"- Added to age as published: "
    f"{says(adds_to_age, 'it adds to it', 'it spoils it', '**not shown** to add to it')}, {adds_to_age:+.2f}.\n"
    f"- Against how opaque the lungs are: "
    f"{says(opacity, 'it ranks better', 'it ranks **worse**', '**not shown** to differ')}, {opacity:+.2f}.\n"
    + "".join(
        f"- The same in recognising intensive care, {name.split(',')[0]}: "
        f"{says(beyond_in_care[name], 'the model is ahead', 'the model is **behind**', 'not shown to differ')}, "
        f"{beyond_in_care[name]:+.2f}.\n"
        for name in ("SBU, iteration 2 (internal)", "Hannover, iteration 2 (external patients)")
    )
    + f"- At Hannover, with {few} recorded deaths, observed / expected deaths are {right}: "
    + (
        "fewer deaths are *recorded* than the risks expect. Either the risks are **too high**, or blanks hide deaths."
        if right.high < 1
        else "risks **too low**."
        if right.low > 1
        else "we cannot tell whether the risks are right on average."
    )
    + "".join(f"\n{line}" for line in [*wrong_on_average, *by_experts])
)

# %% [markdown]
# ## Closing
#
# **What we found.** Each claim about this model has an interval and a named kind of test, and each claim about ranking a rival; what
# they came to is listed above. How wide intervals are hangs above all on how few patients died.
#
# **What would change our mind.** About the model's worth: an external test in which the lower ends of both gains in net benefit stay
# above zero over thresholds that were fixed beforehand. About its failure: one in which an upper end stays below zero.
#
# **Exercises.**
# 1. Let `blurred_films` blur each film much more than each patient. What happens to the two shares, and why?
# 2. Double the threshold, then halve it. What do sensitivity, specificity, accuracy and net benefit do?
# 3. How many deaths would a test need for an interval of the AUROC of ± 0.02? Guess first: the width falls with
#    the square root.
#
# **Where next.** [07 · Explain](07_explain.ipynb)
