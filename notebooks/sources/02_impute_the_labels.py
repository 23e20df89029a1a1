# %% [markdown]
# # 02 · Impute the labels
#
# > **After this notebook you can** fill in missing outcomes with a random forest, tell an honest
# > filling from a flattering one, and carry the uncertainty of a guessed label along instead of
# > forgetting it.
# >
# > **You need** notebook 01 (its split), some scikit-learn, and a rough idea of a random forest.
# > Notebook 04 explains where the network comes from whose eyes we borrow in the middle.
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

from helpers.cohorts import work_file
from helpers.readable import load_readable
from helpers.duplicates import load_duplicates
from helpers.splits import load_split

made_by = "01_explore_the_cohorts"
films = load_split(work_file("split.csv", made_by=made_by), load_readable("ieee8023"))
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
from helpers.imputers import patient_features

features = patient_features(films)
train = patients["part"] == "train"
who = outcome.where(outcome == "unknown", "known").to_numpy()
recorded = (
    features.loc["ieee8023", ["age", "male", "supine", "went_icu", "intubated", "n_films"]]
    .groupby(pd.Series(who, index=pd.Index(patients.index)).rename("outcome"))
    .agg(["mean", "count"])
)
recorded.T.unstack().round(2).astype({(group, "count"): int for group in recorded.index})

# %% [markdown]
# Rows are some of the random forest's inputs; for each group, the mean of the recorded values and
# the number of patients in whom it was recorded. Where the groups differ in what the forest sees, it
# can allow for that. Whether they also differ in what nobody wrote down, these data cannot tell. On
# phantoms we know at least how the unknown fared; whether the columns foresaw it comes below:

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
# both on twenty random splits. (The forest that fills in gives death and survival equal weight; why that matters comes below.)

# %%
import numpy as np
from sklearn.ensemble import RandomForestClassifier

from helpers.evaluation import auroc
from helpers.imputation import impute_survival
from helpers.splits import split_patients


def test_auroc(inputs, labels, parts, answers):
    learn, ask = (labels.notna() & (parts == part) for part in ("train", "test"))
    forest = RandomForestClassifier(50, min_samples_leaf=5, random_state=0)
    forest.fit(inputs[learn], labels[learn].astype(bool))
    return auroc(answers[ask].astype(bool), forest.predict_proba(inputs[ask])[:, 1])


inputs = features.loc["ieee8023"].fillna(-1.0)  # a number that nobody has says "unknown"
everybody = films.assign(part="train")  # the mistake: all teach the imputer, and all are filled in
filled = impute_survival(everybody, method="forest_balanced").set_index("patient_id")["died"]
observed = patients["died"].reindex(inputs.index)

# %%
from tqdm.auto import tqdm

rows = []
for seed in tqdm(range(20), desc="splits"):
    again = split_patients(films.drop(columns="part"), seed=seed).drop_duplicates("patient_id")
    parts = again.set_index("patient_id")["part"].reindex(inputs.index)
    row = {
        "impute, then split": test_auroc(inputs, filled, parts, filled),
        "split first": test_auroc(inputs, observed, parts, observed),
    }
    if true_died is not None:
        row["impute, then split: asked about the truth"] = test_auroc(
            inputs, filled, parts, true_died.reindex(inputs.index)
        )
    rows.append(row)

# %% [markdown]
# For each, the mean AUROC on test patients with a 95 % interval over the splits. (The patients are
# the same in every split, so this says that no lucky split is at work, not how others would fare.)

# %%
from statsmodels.stats.weightstats import DescrStatsW

from helpers.evaluation import Interval


def over_seeds(values):
    return Interval(values.mean(), *DescrStatsW(values).tconfint_mean())


wins = pd.DataFrame(rows)
wins.apply(lambda column: str(over_seeds(column))).to_frame("AUROC on test patients, twenty splits")

# %%
gain = wins["impute, then split"] - wins["split first"]
honest = wins.get("impute, then split: asked about the truth")
Markdown(
    f"The flattering way less the honest one: **{over_seeds(gain):+.2f}**; it is ahead in {(gain > 0).mean():.0%} "
    "of the splits. What it claims is worth nothing, however much it is: most of its test labels are the forest's own "
    "guesses, and another forest agrees with those. It was examined on its own answers."
    + (
        ""
        if honest is None
        else f" Asked how those same patients fared, it gets {over_seeds(honest)}, "
        f"{over_seeds(honest - wins['impute, then split']):+.2f} against what it claimed."
    )
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
# The other direction is refused as well: an imputer learns from observed labels only, so a table
# that has been filled in cannot be filled in again.
#
# ## Five ways to treat an unknown outcome
#
# | method | what an unknown patient gets |
# |---|---|
# | `complete_case` | nothing: he is left out |
# | `forest` | *died* if the forest's risk is one half or more, else *survived* |
# | `forest_balanced` | the same with `class_weight="balanced"`: death and survival weigh alike |
# | `calibrated` | no label but a risk (a *soft target*: a share of a death), tuned on known patients whom its forest had not seen, so that among the *known* it means what it says |
# | `draws` | twenty labels, drawn with the risks of twenty forests, each of resampled patients |
#
# The last is *proper multiple imputation*: the twenty labels differ because the outcome is
# uncertain given the risk, and because the risk is uncertain given so few patients, hence a new
# bootstrap sample for each forest. Which of them gets the *number of deaths* right?

# %%
methods = ["forest", "forest_balanced", "calibrated", "draws"]
labels = {method: impute_survival(films, method=method, seed=0) for method in tqdm(methods)}
imputed = {method: table[table["label_source"] == "imputed"] for method, table in labels.items()}

# %% [markdown]
# Each rate gets the interval that its method would give it: counted labels a binomial one, risks
# that of the coins they stand for, draws the spread of the draws. Complete cases impute nothing,
# but who reports them alone says by silence that the others fared likewise.

# %%
from helpers.imputed_rates import counted_rate, imputed_rate, training_rate

known_died = patients.loc[train, "died"].dropna()
rate_of = {"complete_case": counted_rate(known_died)}
rate_of |= {method: imputed_rate(labels[method]) for method in methods}
rates = pd.DataFrame([(n, r.estimate, r.low, r.high) for n, r in rate_of.items()])
rates.columns = ["name", "rate", "low", "high"]
rates.attrs["reference"] = {"known training patients": known_died.mean()}
if true_died is not None:
    unknown = train & patients["died"].isna()
    rates.attrs["reference"]["true rate of the unknown"] = true_died[unknown].mean()

# %% [markdown]
# On phantoms, look for bars that end left of the dotted line (deaths missed) or right of it (deaths invented), and
# for black lines that do not reach it. On real data there is no such line: look how far the methods are apart.

# %%
from helpers.figures import plot_imputed_rates

ax = plot_imputed_rates(rates)

# %% [markdown]
# *Figure: share of the unknown training patients who died, according to each method, with its 95 %
# interval as a black line. Vertical lines: the death rate of the known patients and, on phantoms,
# the true one of the unknown.*

# %%
dead = {method: int(imputed[method]["died"].sum()) for method in ("forest", "forest_balanced")}
total = len(imputed["forest"])
told = ""
if true_died is not None:
    truth_here = true_died[unknown].mean()
    missed = [name for name, r in rate_of.items() if not r.holds(truth_here)]
    told = (
        f" In truth, {int(true_died[unknown].sum())} died ({truth_here:.0%}); the intervals that "
        f"miss this: {', '.join(missed) or 'none'}."
    )
Markdown(
    f"Of {total} training patients with an unknown outcome, the plain forest declares "
    f"**{dead['forest']}** dead and the balanced one **{dead['forest_balanced']}**, "
    f"{rate_of['forest_balanced']:.0%}, where of the known ones {rate_of['complete_case']:.0%} "
    f"died. Calibrated risks expect {rate_of['calibrated']:.0%}, draws {rate_of['draws']:.0%} (in brackets, 95 % intervals).{told}"
)

# %% [markdown]
# Neither forest is to blame for its number of deaths. A hard label says *which is more likely*, and for a rare
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
# draws, the mean over the draws). *AUROC* asks whether those who died got the higher risk; mind how
# wide its intervals are before comparing methods. *Observed / expected* asks whether the number of deaths is right: 1
# is perfect; below 1, deaths were invented; above 1, they were missed.

# %%
from helpers.evaluation import auroc_interval


def score(method):
    table = imputed[method].astype({"risk": float})
    table["truth"] = true_died.reindex(table["patient_id"]).to_numpy()
    guesses = table.filter(like="draw_") if method == "draws" else table[["died"]]
    right = guesses.astype("boolean").eq(table["truth"], axis=0).mean(axis=None)
    label = "died" if method.startswith("forest") else "risk"
    dead, expected = table["truth"].sum(), table[label].astype(float).sum()
    rank = auroc_interval(table.assign(died=table["truth"], label_source="observed"))
    return {
        "right": "no labels" if method == "calibrated" else f"{right:.0%}",
        "AUROC of the risk": str(rank),
        "observed / expected deaths": f"{dead / expected:.2f}" if expected else "none expected",
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
# Ask a simple question: what is the death rate of patients like the training patients? Each way of
# filling in gives an answer *with an interval*. Hard labels count guesses as facts, so the interval shrinks with every
# guess. Draws do not: each of the twenty completed tables gives an answer, and **Rubin's rules**
# add the spread *between* the answers to the uncertainty *within* each.


# %%
answers = {"complete_case": counted_rate(known_died)}
answers |= {name: training_rate(labels[name]) for name in ("forest", "forest_balanced", "draws")}

# %% [markdown]
# Look at the widths, and, where there is a grey line (how many of these patients died in truth), at
# which intervals hold it.

# %%
from helpers.figures import plot_intervals


def as_bars(intervals):
    rows = [(name, i.estimate, i.low, i.high) for name, i in intervals.items()]
    return pd.DataFrame(rows, columns=["name", "estimate", "low", "high"])


target = None if true_died is None else true_died[train].mean()
in_percent = as_bars(answers).set_index("name") * 100
ax = plot_intervals(
    in_percent.reset_index(),
    reference=None if target is None else target * 100,
    xlabel="death rate of patients like these (%), with 95 % interval",
)

# %% [markdown]
# *Figure: the estimated death rate of patients like those of the training part, by four ways of
# treating unknown outcomes, each with its 95 % interval; the grey line, on phantoms, is the true share
# of these very patients. (`calibrated` gives risks and no labels to count.)*

# %%
told = ""
if target is not None:
    missed = [name for name, a in answers.items() if not a.holds(target)]
    told = (
        f" In truth {target:.0%} of these patients died; missed by: {', '.join(missed) or 'none'}. (These are "
        "a sample of patients like them: an interval may miss their share narrowly and hold the rate that it is meant for.)"
    )
drawn, everybody = answers["draws"], int(train.sum())
as_facts = counted_rate(pd.Series(np.arange(everybody) < round(drawn.estimate * everybody)))
wider = (drawn.high - drawn.low) / (as_facts.high - as_facts.low)
Markdown(
    f"Complete cases say {answers['complete_case']:.0%}, the plain forest {answers['forest']:.0%}, the "
    f"balanced one {answers['forest_balanced']:.0%}, the draws {drawn:.0%}. The "
    f"interval of the draws is {wider:.1f} times as wide as if all {everybody} outcomes were facts and "
    f"the rate the same.{told}"
)

# %% [markdown]
# One cohort proves nothing about how often an interval is right. `python -m benchmarks.labels --cohorts
# 40` draws many, and [docs/labels.md](../docs/labels.md) shows what came of it.
#
# ## Does it help a model that looks at films?
#
# That is the real question, and a number of deaths does not answer it. Training a network takes
# minutes for each way of filling in, so a light model stands for it: the phantom start of notebook
# 04, frozen, looks at each patient's first film; what it sees is squeezed into ten numbers; and a
# logistic regression learns from them, with a soft target as a share of a death. The comparison is
# **cross-fitted**: in each of five folds, labels are imputed from the other four and a model is
# trained there, so nobody is predicted by a model that knew anything about him, and everybody who has a film at or after admission
# is predicted once. Patients who share a film are in one fold.

# %%
from helpers.cohorts import select_index_films
from helpers.label_effects import crossfit, film_features

index_films = select_index_films(films)
seen = film_features(index_films)
copies = load_duplicates(work_file("duplicates.csv", made_by=made_by))
predictions = {
    method: crossfit(films, index_films, seen, duplicates=copies, method=method)
    for method in tqdm(["complete_case", *methods], desc="models")
}

# %% [markdown]
# Each method is judged twice: on **observed** outcomes, which is all that real data allow, and on
# phantoms against the truth for everybody. `draws` gives twenty models, each with its AUROC; Rubin's
# rules pool their *logits*, log(p / (1 − p)), which are nearer to normal than AUROCs are. *Mean of draws* is the one model
# that one would put to use: the mean of the twenty risks. *Against complete cases* is the
# paired difference: positive means that the guessed labels helped. *Observed / expected* is 1 where
# the model expects as many deaths as there are.

# %%
from helpers.calibration import calibration_intervals
from helpers.pooling import pooled_auroc, pooled_difference


def as_observed(table):
    return table[table["label_source"] == "observed"]


def as_it_was(table):
    truth = true_died.loc[table["patient_id"]].to_numpy()
    return table.assign(died=truth, label_source="observed")


judges = {"observed outcomes": as_observed}
if true_died is not None:
    judges["phantom truth"] = as_it_was
twenty = predictions["draws"].filter(like="risk_")
predictions["mean of draws"] = (
    predictions["draws"].drop(columns=twenty.columns).assign(risk_0=twenty.mean(axis=1))
)


# %%
def effect(method, judge, baseline="complete_case"):
    other = predictions[baseline]["risk_0"]
    table = judges[judge](predictions[method].assign(other=other))
    expected = calibration_intervals(table["died"], table.filter(like="risk_").mean(axis=1))
    return {
        "AUROC": pooled_auroc(table),
        "against complete cases": pooled_difference(table, "other"),
        "observed / expected deaths": expected["observed / expected deaths"],
    }


effects = {(judge, method): effect(method, judge) for judge in judges for method in predictions}


def in_words(effects):
    table = pd.DataFrame(effects).T
    differences = {"against complete cases": table["against complete cases"].map("{:+.2f}".format)}
    return table.assign(**differences).map(str)


in_words(effects).rename_axis(["judged on", "trained on"])

# %% [markdown]
# Look at how wide the intervals are before looking at who is ahead.

# %%
judge = list(judges)[-1]
ax = plot_intervals(
    as_bars({method: effects[judge, method]["AUROC"] for method in predictions}),
    xlabel=f"AUROC with 95 % interval, judged on {judge}",
)

# %% [markdown]
# *Figure: AUROC of the light model by how unknown outcomes were treated in its training, every
# patient predicted by a model that did not know him, with the 95 % interval of DeLong's formula for the error of an AUROC
# ([DeLong 1988](https://doi.org/10.2307/2531595)); for `draws`, pooled over twenty models.*

# %%
lines = []
for judge, asked in judges.items():
    died = asked(predictions["complete_case"])["died"]
    others = [method for method in predictions if method != "complete_case"]
    gains = {method: effects[judge, method]["against complete cases"] for method in others}
    better = [f"{m} ({g:+.2f})" for m, g in gains.items() if g.low > 0]
    worse = [f"{m} ({g:+.2f})" for m, g in gains.items() if g.high < 0]
    lines.append(
        f"* On {judge} ({len(died)} patients, {int(died.sum())} deaths): clearly better than complete "
        f"cases: {', '.join(better) or 'none'}; clearly worse: {', '.join(worse) or 'none'}."
    )
left_out = len(patients) - len(index_films)
if left_out:
    lines.append(
        f"* Not asked about, for want of a film at or after admission: {left_out} of {len(patients)} patients."
    )
Markdown("\n".join(lines))

# %% [markdown]
# Mind the first column and the last. AUROC asks who is at higher risk than whom, and a guessed label can help with
# that as far as the columns foretell death *and* the film shows what they foretell: then it lends the
# model more films to learn that from. The number of deaths that a model expects is copied from the labels it was given: wrong labels in,
# wrong risks out, whatever the AUROC says. (The intervals hold the test patients' uncertainty and, for the AUROC of `draws` and its
# difference, that of the labels; *observed / expected* is that of the mean risk, so it is the same in both rows of draws. None
# holds that other training patients would give another model.)
#
# For a regression on the very columns that the imputer knows, guessed outcomes add nothing but noise
# ([von Hippel 2007](https://doi.org/10.1111/j.1467-9531.2007.00180.x)); a model of films can gain, but not much. One
# cohort cannot tell how much: [docs/labels.md](../docs/labels.md) compares the ways over many.
#
# There is also something wrong with imputing like this. Our imputer never looks at the film, and then
# we ask how death goes with the film. Within what the columns say, its labels know nothing of the
# film, so filling them in weakens the very relation that the model is to learn: the imputation model
# is *uncongenial* to the analysis ([Meng 1994](https://doi.org/10.1214/ss/1177010269)). One cure is to
# let the imputer see what the model sees: exercise 4.
#
# ## What if they are missing *because* they died?
#
# Then no method that looks at recorded columns can know. What one can do is ask how wrong it might
# be: multiply the odds of death of every unknown patient by a factor *delta*, draw the labels anew,
# and look at how far the answers move.

# %%
shifted = {
    delta: impute_survival(films, method="draws", delta=delta) for delta in (0.25, 0.5, 1, 2, 4)
}

curve = as_bars({delta: training_rate(table) for delta, table in shifted.items()})
curve = curve.rename(columns={"name": "delta", "estimate": "rate"})
curve.attrs["reference"] = {"complete cases": known_died.mean()} | (
    {} if target is None else {"truth": target}
)

# %%
from helpers.figures_labels import plot_delta

ax = plot_delta(curve)

# %% [markdown]
# *Figure: death rate of all training patients, with Rubin's 95 % interval, against the factor by
# which the odds of death of the unknown are multiplied; 1 assumes that labels are missing at random.
# Horizontal lines: complete cases and, on phantoms, the truth.*
#
# And the light model, trained on the shifted draws:

# %%
for delta in tqdm([0.25, 4], desc="delta"):
    name = f"draws, odds × {delta:g}"
    predictions[name] = crossfit(
        films, index_films, seen, duplicates=copies, method="draws", delta=delta
    )
    effects |= {(judge, name): effect(name, judge) for judge in judges}
wanted = [name for name in predictions if name.startswith("draws")]
in_words({(judge, name): effects[judge, name] for judge in judges for name in wanted})

# %%
from helpers.evaluation import auroc_difference

judge = list(judges)[-1]
mean_risk = {name: predictions[name].filter(like="risk_").mean(axis=1) for name in wanted}
ends = ("draws, odds × 4", "draws, odds × 0.25")
moved = auroc_difference(judges[judge](predictions[ends[0]].assign(**mean_risk)), *ends)
deaths = [predictions[name].filter(like="risk_").to_numpy().mean() for name in wanted]
Markdown(
    f"Over a sixteenfold range of odds, the rate moves from {curve['rate'].min():.0%} to "
    f"{curve['rate'].max():.0%}, the mean risk that the model gives from {min(deaths):.0%} to "
    f"{max(deaths):.0%}: the number of deaths hangs on the assumption. The AUROC of the *mean* risk of the twenty models on {judge}, "
    f"fourfold odds less a quarter of the odds, on the same patients, moves by {moved:+.2f}: it is "
    + ("**shown**" if moved.low > 0 or moved.high < 0 else "**not shown**")
    + " that the ranking hangs on it, too. (The AUROCs in the table are those of single draws, pooled; coin tosses spoil them.)"
    + " This tries one kind of departure only, the same factor for everybody, and does so on models that "
    "learned single draws. What moves should be reported with the conclusion."
)

# %% [markdown]
# ## A phantom in which death hides the label
#
# Phantoms let us make the nightmare come true. We take all outcomes as they truly are and hide some
# by a rule of our own: two fifths of the survivors', and so many of the deaths that the odds of
# being hidden are a quarter, the same, or four times as large. Then we impute, once as if they were
# missing at random and once with the delta that undoes the rule. Bayes' rule says which: the odds
# ratio of being hidden itself. It can be told to whatever gives risks: to draws, and to the calibrated
# risk, whose odds are simply multiplied. A hard label has no use for it, since it would only move the line. (To be quick, draws are
# five here, and the plain forest and the calibrated risk are asked in three hidings of six; [docs/labels.md](../docs/labels.md) has all
# methods, on forty cohorts.)


# %%
def hide(odds_ratio, seed):
    generator = np.random.default_rng(seed)
    odds = 0.4 / 0.6
    shares = {False: odds / (1 + odds), True: odds * odds_ratio / (1 + odds * odds_ratio)}
    hidden = pd.Series(False, index=true_died.index)
    for died, share_hidden in shares.items():
        members = true_died.index[true_died == died]
        some = generator.choice(members, round(share_hidden * len(members)), replace=False)
        hidden.loc[some] = True
    died = films["patient_id"].map(true_died.astype("boolean").mask(hidden)).astype("boolean")
    return films.assign(died=died, part="train"), hidden


# %%
from helpers.imputers import shift_odds

HIDINGS = {"forest": 3, "forest_balanced": 6, "calibrated": 3, "draws": 6}


def share_dead(filled, delta=1):
    """Share of the hidden patients that a method takes for dead, risks counted as parts of a death."""
    imputed = filled[filled["label_source"] == "imputed"]
    taken = imputed["died" if imputed["died"].notna().all() else "risk"].astype(float)
    return shift_odds(taken.to_numpy(), delta).mean()


def errors(odds_ratio, seed):
    table, hidden = hide(odds_ratio, seed)
    asked = [method for method, hidings in HIDINGS.items() if seed < hidings]
    how = {"draws": 5, "seed": seed}
    labelled = {method: impute_survival(table, method=method, **how) for method in asked}
    found = {"complete cases": true_died[~hidden].mean()}
    found |= {method: share_dead(filled) for method, filled in labelled.items()}
    if "calibrated" in labelled:
        found["calibrated with that delta"] = share_dead(labelled["calibrated"], odds_ratio)
    told = impute_survival(table, method="draws", delta=odds_ratio, **how)
    found["draws with that delta"] = share_dead(told)
    return {name: rate - true_died[hidden].mean() for name, rate in found.items()}


# %% [markdown]
# The table: by how much each overstates (+) or understates (−) the death rate of the hidden
# patients, with a 95 % interval over the hidings. (How many are hidden is fixed by the rule, who is
# hidden falls by lot; so complete cases err by the same every time, and so does whoever calls nobody dead.)

# %%
if true_died is None:
    display(Markdown("The patients of this run are real: their labels cannot be hidden by a rule."))
else:
    ratios = {"a quarter": 1 / 4, "the same": 1, "four times": 4}
    missed_by = {
        name: pd.DataFrame([errors(ratio, seed) for seed in range(6)])
        for name, ratio in tqdm(ratios.items(), desc="rules")
    }
    found = {
        name: table.apply(lambda column: f"{over_seeds(column.dropna()):+.2f}")
        for name, table in missed_by.items()
    }
    display(
        pd.DataFrame(found).rename_axis(columns="odds of being hidden, deaths against survivors")
    )

# %% [markdown]
# And what it does to the model, where the odds of being hidden are four times as large for deaths:
# its AUROC and its number of deaths, against the truth of all patients. (Here, too, not the calibrated risk, to be quick.)

# %%
if true_died is not None:
    table, hidden = hide(4, seed=0)
    firsts = index_films.assign(
        died=index_films["patient_id"].map(true_died.astype("boolean").mask(hidden))
    ).astype({"died": "boolean"})
    for method in ("complete_case", "forest", "forest_balanced", "draws"):
        predictions[f"deaths hidden: {method}"] = crossfit(
            table, firsts, seen, duplicates=copies, method=method
        )
    shifted = crossfit(table, firsts, seen, duplicates=copies, method="draws", delta=4)
    predictions["deaths hidden: draws with that delta"] = shifted
    names = [name for name in predictions if name.startswith("deaths hidden")]
    ruled = {name: effect(name, "phantom truth", baseline=names[0]) for name in names}
    display(in_words(ruled))

# %%
told = ""
if true_died is not None:
    worst = missed_by["four times"].apply(lambda column: over_seeds(column.dropna()))
    told = (
        f"Where deaths hide their labels, draws miss the rate by {worst['draws']:+.2f}, and with the "
        f"delta of the rule by {worst['draws with that delta']:+.2f}; the calibrated risk by {worst['calibrated']:+.2f} "
        f"and {worst['calibrated with that delta']:+.2f}; the plain forest by {worst['forest']:+.2f}. "
    )
    still = [name for name in worst.index if "delta" in name and not worst[name].holds(0)]
    told += (
        f"With the rule's own delta, those still shown to be off: {', '.join(still) or 'none'}. (Multiplying odds is no straight "
        "line: risks that are right on average, but lie closer together than they should, are moved too far. Whether that is it, "
        "nothing here tests.) We could choose delta because we made the rule. "
    )
    apart = {name.split(": ")[1]: row["against complete cases"] for name, row in ruled.items()}
    moved = [name for name, gap in apart.items() if gap.low > 0 or gap.high < 0]
    deaths = {name.split(": ")[1]: row["observed / expected deaths"] for name, row in ruled.items()}
    off = [name for name, ratio in deaths.items() if not ratio.holds(1)]
    told += (
        f"Of the models, those whose AUROC is shown to differ from that of complete cases: {', '.join(moved) or 'none'}; "
        f"those shown to expect a wrong number of deaths: {', '.join(off) or 'none'}.\n\n"
        "Compare the three columns of the table of rates. A method that is right under one rule alone is right by luck: the "
        "balanced forest declares people dead whatever the rule is, and under a rule that hides deaths as many may happen to be "
        "hidden. The plain forest, which calls hardly anybody dead, is the less wrong the fewer of the hidden died. Two errors "
        "that cancel are no method ([docs/labels.md](../docs/labels.md)).\n\n"
    )
Markdown(
    told + "On real data nobody knows the rule: delta is a question to ask of a conclusion, not a "
    "setting to tune."
)

# %% [markdown]
# ## What goes on to notebook 04
#
# The training patients' labels: the observed ones, and for the others the **risk** that the draws
# come from, as a *soft target* between 0 and 1. For a pooled AUROC each model may learn from one draw, since
# twenty are averaged; a network that trains on one alone learns its coin tosses by heart. The *log
# loss*, which punishes a risk the more, the surer and the more wrong it is, is linear in the label:
# training on the mean of all draws is training on all of them at once. Validation and test patients keep what was observed and nothing else.
#
# Why not complete cases? A network that has to learn from pixels gets far more films this way. Its
# number of deaths is fitted afterwards to validation patients whose outcomes were observed (notebook
# 04): so it is right for patients like *those*, and where the unknown fare otherwise, it stays wrong
# for them. (On phantoms, compare *observed / expected* in the two halves of the table of effects.)
#
# Is the trade a good one for a network? A light model is no network, so `make study` trained the network of notebook 04 (there called
# *iteration 1*) on phantoms, with each way of filling in and several seeds, and stored what came out.
#
# * **Trained**: by the recipe of notebook 04, which keeps whichever pass over the films has the lowest validation loss. Complete cases
#   are fewer films, and so fewer steps in as many passes. *A draw a seed*: each seed learns from another single draw.
# * **Judged**: on patients of another hospital, SBU, whose outcomes no imputer ever touched.
# * **A cell**: the mean over the seeds, with a 95 % interval for other patients and other seeds, and ± the standard deviation over the
#   seeds. The *rank correlation* is that with the risk that the best reader of notebook 00 gives (`true_image_risk`): 1 if the network
#   puts the patients in that reader's order, 0 if the orders have nothing to do with each other.

# %%
from helpers.studies import compare, gaps, load_study, start_note

study = load_study("phantom-variants")
ways = [way for way in study.table["variant"].unique() if "labels:" in way]
measured = ["AUROC", "rank correlation with the true risk"]
stored = compare(study, test="sbu", measures=measured, variants=["iteration 1", *ways])
stored = stored.rename(index=lambda way: way.replace("iteration 1, labels: ", ""))
stored.rename(index={"iteration 1": "mean risk of the draws"})

# %% [markdown]
# Each way less the one that goes on, the draws' mean risk, paired by patients and seeds:


# %%
def against(way, measure):
    """What a way has more than the draws' mean risk, in words."""
    gap = gaps(study, test="sbu", measure=measure)[way]
    word = "better" if gap.low > 0 else "worse" if gap.high < 0 else "not shown to differ"
    return f"* {way.split(': ')[1]}, {measure}: **{word}**, {gap:+.2f}"


told = [against(way, measure) for way in ways for measure in measured]
one = study.table[study.table["variant"] == ways[0]].query("test == 'sbu'").iloc[0]
told += [
    "",
    f"({one['patients']} patients, of whom {one['deaths']} died; {len(one['seeds'].split())} seeds.)",
]
Markdown("\n".join([*told, "", start_note(study)]))

# %% [markdown]
# Where nothing is shown to differ, the interval says how much may still be lost or won. With as many comparisons as lines, one may
# leave out zero by chance.
#
# Where hard labels come out better in the rank correlation, do not be surprised, though the one kind calls hardly anybody dead and the
# other too many: the worse record of the facts may be the better teacher. The balanced forest invents deaths where columns such as
# intensive care say that a patient was very ill: that teaches the network illness, which films show, and no coin tosses, which they do
# not. The plain forest's survivors can teach illness only if the unknown are less ill than the known. Both are guesses at a reason;
# nothing here tests them. How many die, such a network does not know; that is fitted afterwards in any case.
#
# What goes on was settled before this table was made, and stays: to choose by it now would be to choose on test patients.

# %%
from helpers.cohorts import work_root
from helpers.imputation import save_labels

chosen = labels["draws"]
passed_on = chosen.groupby(["part", "label_source"])["risk"].agg(
    patients="size",
    deaths=lambda risks: risks.sum(min_count=1),  # of the unknown in validation and test: none
)
counted = passed_on["deaths"].map("{:.4g}".format, na_action="ignore").astype(object).fillna("—")
passed_on.assign(deaths=counted).rename(columns={"deaths": "deaths, observed or expected"})

# %% [markdown]
# (What is expected of the unknown is the sum of their mean risks; the rate of *draws* further up is that of the labels that were
# drawn, which the forests' uncertainty scatters widely about it.)

# %%
save_labels(chosen, work_root() / "labels.csv").name

# %% [markdown]
# ## Closing
#
# **What we found.** Imputing before the split examines a model on its own answers. With hard labels
# the number of deaths follows from where a line is drawn; risks and draws need no line, but lean on
# the known patients. A model copies the number of deaths from the labels it is given. And a guessed
# label is never a fact.
#
# **What would change our mind.** About using guessed labels: the table of paired differences above,
# on observed outcomes, with ten times as many deaths. About the assumption: anyone who can look up
# how the unknown patients fared.
#
# **Exercises.**
# 1. Set `helpers.imputation.HARD_LABEL_FROM` to the known death rate. How many deaths does the plain
#    forest give now?
# 2. Use 5 draws, then 100. How much does the interval of the draws change?
# 3. On phantoms: set `went_icu` and `in_icu` to missing in `films` (`pd.array([pd.NA] * len(films), dtype="boolean")`), and run the
#    cells from *Five ways* to *Scored against the truth* again. Does the AUROC of the risk move by more than its interval allows to
#    see? How many deaths would tell?
# 4. Let the imputer see the film: put the opaque share of each patient's first film (`predict_severity`, notebook 04) into `films`
#    as a column `opaque_share`, and run `helpers.imputers.LABORATORY.append("opaque_share")`. Do the draws gain on the complete
#    cases?
#
# **Where next.** [03 · Transform DICOM](03_transform_dicom.ipynb)
