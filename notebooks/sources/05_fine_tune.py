# %% [markdown]
# # 05 · Fine-tune
#
# > **After this notebook you can** carry a network to another hospital: head first, then all layers at a low
# > rate; compare it with training from scratch; and measure what it forgets.
# >
# > **You need** notebook 04 (the model of iteration 1).
# >
# > **Time** about two and a half minutes on two cores. **Data** SBU and ieee8023, real or phantom: see the table.
# >
# > **Not for clinical use.**

# %%
import sys

sys.path.insert(0, "..")  # the notebooks live beside helpers/

from helpers.cohorts import data_in_use

data_in_use()

# %% [markdown]
# ## One film a patient
#
# At Stony Brook a patient has many films, the sickest the most. A model is asked *once*, at the first film, so
# here it is trained and tested on that film: the index film. (Iteration 1 has learned from all films of ieee8023's training
# patients, later ones too.) The parts were fixed in notebook 01.

# %%
from helpers.cohorts import load_cohort, work_file, work_root
from helpers.readable import select_readable_index_films
from helpers.splits import load_split

split = work_file("split.csv", made_by="01_explore_the_cohorts")
index = load_split(split, select_readable_index_films(load_cohort("sbu")))
index = index[index["label_source"] == "observed"]
train, validation, test = (index[index["part"] == part] for part in ("train", "validation", "test"))
index.groupby("part", observed=True)["died"].agg(patients="size", deaths="sum")

# %% [markdown]
# ## What iteration 1 knows about a hospital it never saw
#
# Before anything is trained: the model of notebook 04, as it is, on the new hospital's test patients.

# %%
from helpers.evaluation import Interval, auroc_difference, auroc_interval, pool_by_patient
from helpers.training import RiskModel, predict

first = RiskModel.load(work_file("models/iteration1.safetensors", made_by="04_train_resnet18"))


def judge(model, films):
    return auroc_interval(pool_by_patient(predict(model, films)))


print("Iteration 1 on SBU's test patients, AUROC:", judge(first, test))

# %% [markdown]
# This is an **external** test: another hospital, other cameras, another death rate, and no film or outcome of it was
# used in training. It says whether the *ranking* travels; whether the risks do, notebook 06 asks. (On phantoms the journey is easier than between two real
# hospitals: the start has learned from films of the program that drew this hospital's, its letters included.)

# %% [markdown]
# ## Head first, then all layers
#
# The last layer, the *head*, is 513 numbers; the rest turns a film into 512 features. When a network moves to a
# new hospital its head is wrong first: other death rate, other films. Letting all layers learn at once, at a
# high rate, sends that error through features that were fine; notebook 04 shows what is left of them. So first the
# head learns alone, on features that are computed once (seconds). Then everything learns, at *discriminative rates*:
# what finds edges and textures serves at most hospitals, so the nearer a block is to the film, the more slowly it moves. The
# batch-norm statistics are frozen. All of this is `CAREFUL`, as before:

# %%
import pandas as pd

from helpers.stages import BLOCKS, layer_groups
from helpers.training import CAREFUL

groups = layer_groups(first.network, CAREFUL.rate, CAREFUL.layer_decay)
pd.DataFrame(
    {
        "block": [" and ".join(names) for names in BLOCKS],
        "weights": [sum(value.numel() for value in group["params"]) for group in groups],
        "highest rate": [f"{group['lr']:.1e}" for group in groups],
    }
)

# %%
from dataclasses import replace

from helpers.training import fit

config = replace(CAREFUL, size=first.size)
head_only = fit(first.network, train, validation, replace(config, epochs=0))
fine_tuned = fit(first.network, train, validation, config)

# %%
from helpers.figures import plot_learning_curves

_ = plot_learning_curves(fine_tuned.history, ylabel="log loss, deaths weighted")
# %% [markdown]
# *Figure: learning curves of the fine-tuning; left of the vertical line the epochs of the head alone, right of it those of all
# layers, with a diamond at the epoch that is kept. Dotted, on the right axis: the validation AUROC.*
#
# Both lines let all deaths together count as much as all survivors together, and they are about different patients: so validation
# may well lie below training, and the heights compare with no other notebook's. Right of the line films are altered while the network
# learns, so training loss may jump there. Look at whether validation has stopped falling.

# %%
from IPython.display import Markdown

history = fine_tuned.history
best = int(history["validation_loss"].to_numpy().argmin())
heads = int((history["stage"] == "head").sum())
Markdown(
    f"Validation loss was lowest after epoch {best + 1} of {len(history)}, of which {heads} are of the head alone. "
    + (
        "The second step did not lower it."
        if best < heads
        else "That is what the schedule aims at: its learning rate falls to nearly zero in the last pass. Whether a longer "
        "second step would do more, it does not say."
        if best + 1 == len(history)
        else "A longer second step is not shown to help."
    )
)

# %%
networks = {
    "iteration 1, untouched": first.network,
    "head only": head_only.network,
    "head, then all layers": fine_tuned.network,
}
models = {name: RiskModel(network, first.size) for name, network in networks.items()}
pd.DataFrame(
    {
        name: {
            "validation (which chose the epoch)": str(judge(model, validation)),
            "test": str(judge(model, test)),
        }
        for name, model in models.items()
    }
).T.rename_axis(columns="AUROC (95 % interval)")

# %% [markdown]
# Do not rank the models by these: with few deaths the intervals are wide, and whether two of them overlap answers nothing, since the
# patients are the same. The right question is about the *difference* on the same patients, where luck with the patients cancels.

# %%
rivals = ["iteration 1, untouched", "head only"]
patients = pool_by_patient(predict(models["head, then all layers"], test))
for name in rivals:
    patients[name] = pool_by_patient(predict(models[name], test))["risk"]


pd.Series(
    {name: format(auroc_difference(patients, "risk", name), "+.2f") for name in rivals},
    name="AUROC, head and then all layers less this",
).to_frame()

# %% [markdown]
# An interval that holds zero leaves open which is better. Its ends say how large a difference may still be: where both are small, the
# two are as good as equal.

# %% [markdown]
# ## Five seeds, and training from scratch
#
# All of the above is one seed: one order of the films, one draw of how they are changed. Another seed gives other
# numbers, and the best of several ways is the best partly by luck. And was the way here worth anything, or would SBU's
# films alone have done as well? `make study` trained each way with several seeds, on phantoms, and stored what came out,
# which takes an hour. Two of its rivals see SBU only: *phantom start, no iteration 1* begins where iteration 1 began and is
# trained as carefully, so that all it lacks is ieee8023; *from scratch* begins with random weights, and so has to learn at a
# high rate in all layers, in more passes. (*From scratch, both iterations* learned ieee8023 like that before. *At one rate* moves
# all blocks equally, and slowly; *at one high rate* is the careless recipe of notebook 04.)
#
# Each cell is the mean over the seeds, with a 95 % interval for other test patients and other seeds (`docs/coverage.md`
# says how far to trust such, for the AUROC), and ± the standard deviation over the seeds. The last two columns are paired: the
# AUROC, and the rank correlation, of each way less that of *head, then all layers*. Which intervals hold zero, and how small a
# difference do these then still allow? Before looking, we settle that a difference whose interval lies within ±0.03 is none that matters.
# (Such intervals of differences in AUROC over seeds are on the safe side, wider than they need be: [its page](../docs/coverage.md).
# Those in rank correlation were not simulated. And both are about networks that these training and validation patients taught: other
# patients might have put the ways into another order.)

# %%
from helpers.studies import compare, differences, gaps, load_study, start_note

ranks = "rank correlation with the true risk"
study = load_study("phantom-variants")
ways = [name for name in study.table["variant"].unique() if "labels:" not in name]
measures = ["AUROC", "share of the best possible AUROC", ranks]
at_sbu = compare(study, test="sbu", measures=measures, variants=ways)
at_sbu["AUROC, difference"] = differences(study, test="sbu", measure="AUROC")
at_sbu["rank correlation, difference"] = differences(study, test="sbu", measure=ranks)
at_sbu = at_sbu.rename(columns={measures[1]: "share of the best gain over a coin"})
at_sbu

# %% [markdown]
# On phantoms the risk that the best reader would give to each film is known, for survivors, too. So the rank correlation with
# it says more about few patients than the AUROC, which sees one bit of each. *Share of the best gain* is (AUROC − ½) / (best − ½),
# where the best is that reader's AUROC. (A share above one may be chance, for with few deaths a model may be ranked above the true
# risk, or due to traces of age on the film that this reader does not use. All rows share these patients and their luck, so
# many shares above one are no more evidence than one.) Where a way with random weights has a large ±, look into `docs/study/phantom-variants.csv`: it
# lists what each seed gave, and one that failed weighs on the mean and widens the interval. Random weights trained at a high rate
# came out otherwise when the study was made a second time (`docs/study/README.md`).


# %%
MATTERS = 0.03  # no smaller difference is one


def judged(way, what, measure):
    """How a way differs from head, then all layers, in words."""
    gap = gaps(study, test="sbu", measure=measure)[way]
    row = study.table.query("test == 'sbu' and variant == @way and measure == @measure").iloc[0]
    word = "worse" if gap.high < 0 else "better" if gap.low > 0 else "not shown to differ"
    if max(-gap.low, gap.high) <= MATTERS:
        word = "as good as equal"
    seeds = [float(value) for value in row["seeds"].split()]
    spread = (
        f" (single seeds {min(seeds):.2f} to {max(seeds):.2f})" if row["seed_sd"] > 0.05 else ""
    )
    return f"- {what}, {measure}: **{word}**, {gap:+.2f}{spread}"


asked = {
    "from scratch": "random weights, SBU alone",
    "phantom start, no iteration 1": "phantom start, without ieee8023",
    "iteration 1": "iteration 1, not fine-tuned",
    "head only": "the head alone, no second step",
}
rivals_at_sbu = [judged(way, what, m) for way, what in asked.items() for m in ("AUROC", ranks)]
Markdown("\n".join([*rivals_at_sbu, "", start_note(study)]))

# %% [markdown]
# ## What is forgotten
#
# A network that adapts to one source may lose the other. The same models on ieee8023's test patients, whose
# outcomes were observed and whom no model was trained on, asked at their first film:

# %%
old = load_split(split, select_readable_index_films(load_cohort("ieee8023")))
old_test = old[(old["part"] == "test") & (old["label_source"] == "observed")]
old_deaths = old_test.groupby("patient_id")["died"].max().sum()
pd.Series(
    {name: str(judge(model, old_test)) for name, model in models.items()},
    name=f"AUROC on ieee8023, {old_test['patient_id'].nunique()} test patients, {old_deaths} deaths",
).to_frame()

# %% [markdown]
# The fewer deaths, the larger a loss may go unseen: look how wide the intervals are. It is measured all the same, because a number that
# is not looked at cannot alarm anybody. The stored study knows the phantoms' true risks, of patients with an unknown outcome, too, and so
# sees more. The last column compares each way with the very iteration 1 that it went on from, in rank correlation. A change below zero is forgetting; above zero,
# SBU taught something that holds for ieee8023, too; where the interval holds zero, its lower end says how much may
# have been forgotten unseen. A dash: there was nothing to forget.

# %%
at_old = compare(study, test="ieee8023", measures=["AUROC", ranks], variants=ways)
changed = differences(study, test="ieee8023", measure=ranks)
at_old["change since iteration 1"] = changed
asked = study.table.query("test == 'ieee8023'").groupby("measure")["patients"].first()
at_old.rename_axis(columns=f"patients asked: AUROC {asked['AUROC']}, ranks {asked[ranks]}")

# %% [markdown]
# ## On real films
#
# Phantoms may flatter a start that has learned from phantoms. So `CXR_DATA=… make study` asked real films of ieee8023:
# patients whose outcome was observed, five folds, several seeds, every patient judged on the first film by models that
# never saw the patient. *Within folds* compares pairs of patients that the same model judged; *pooled* compares all pairs,
# though the risks of different models are on different scales. The last column is the gain of the phantom start over each
# rival within folds, on the same patients and folds. A fold has one or two deaths, so *within folds* compares few of the pairs: those are
# counted below. Intervals are for other patients and other seeds. In [a simulation](../docs/coverage-few.md) with as few deaths, such
# intervals of a cross-validated model hold the truth less often than they say, those of its lead over an untrained reading as often;
# leads over another trained model, which most rows are, were not simulated: so take an end near zero for zero. The phantom start learned by the careful recipe, the random
# one by a careless recipe that suits it: one high rate for all layers. Two rows exchange the recipes, so that a gain of the
# start can be told from a gain of the recipe.

# %%
real = load_study("real-films").table.set_index(["measure", "way"])
within, pooled = (real.loc[f"AUROC, {which}"] for which in ("within folds", "pooled"))
keys = ["estimate", "low", "high"]


def difference(reference, way):
    """What a reference has more than a way, within folds."""
    columns = [f"{reference}_less_this_{key}" for key in keys]
    return format(Interval(*within.loc[way, columns].astype(float)), "+.2f")


def shown(table):
    return [str(Interval(*row)) for row in table[keys].to_numpy(float)]


seeds = len(within["seeds"].iloc[0].split())
judged_on, died = within["patients"].iloc[0], within["deaths"].iloc[0]
print(
    f"{judged_on} patients, {died} deaths, {seeds} seeds: {died * (judged_on - died)} pairs, about"
)
print(f"a fifth of them ({died * (judged_on - died) / 5:.0f}) within folds")
for way, why in load_study("real-films").made["not_here"].items():
    print(f"Not compared: {way}. {why}")
PHANTOM = "ResNet18, phantom start"
table = pd.DataFrame({"within folds": shown(within), "pooled": shown(pooled)}, index=within.index)
table["phantom start less this"] = [difference("phantom", way) for way in within.index]
table.loc[PHANTOM, "phantom start less this"] = "—"
table.rename_axis(index=None, columns="AUROC")

# %% [markdown]
# *Untrained* means that no outcome taught it: the share of the lungs that it reads as opaque is taken for the risk. The
# *predecessor's recipe* is what these notebooks replaced, rebuilt with our own loop: random weights, and outcomes filled in by a
# balanced forest. (Its authors, with another framework and other patients, reported somewhat more: see `docs/real-data.md`.)

# %%
RANDOM = "ResNet18, random start"
on_real_films = [
    f"- Phantom start less random weights, each with the recipe that suits it: **{difference('phantom', RANDOM)}**; both "
    f"trained carelessly, **{difference('careless', RANDOM)}**; both carefully, by which random weights hardly learn, "
    f"{difference('phantom', f'{RANDOM}, careful recipe')}.",
    f"- The recipe apart from the start: careful less careless, both from the phantom start, "
    f"{difference('phantom', f'{PHANTOM}, careless recipe')}.",
    "- What outcomes taught it: trained less untrained, "
    f"{difference('phantom', 'phantom start, untrained: opaque share')}.",
]
Markdown("\n".join([*on_real_films, "", start_note(load_study("real-films"))]))

# %% [markdown]
# An interval that holds zero means that these patients cannot tell. Unless the last one lies above zero, it is not shown that outcomes
# taught the start anything.
#
# **These films are no untouched test.** Nothing was trained on them outside the cross-validation, but the phantoms were made
# wider, and the way of reading a film was changed, while it was looked at how well they read these very films. So the rows of
# the phantom start are flattered by an amount that nobody knows; `docs/real-data.md` lists each look.

# %% [markdown]
# ## Iteration 2, stored
#
# Which network goes on does not depend on the tables above: the fine-tuned one, at its lowest *validation* loss, whatever
# the test patients say of it. (That rule is this notebook's. The recipe itself was settled while earlier versions of these
# tables were looked at, which notebook 06 counts among the reasons for a high risk of bias.) It is calibrated and described as
# in notebook 04.

# %%
from helpers.cohorts import is_phantom
from helpers.finishing import finish_model

model = finish_model(
    fine_tuned.network,
    train,
    validation,
    config,
    title="iteration 2: fine-tuned on SBU index films",
    start="iteration 1",
)
model.card["phantom_cohorts"] = [name for name in ("ieee8023", "sbu") if is_phantom(name)]
model.card["calibration_note"]

# %% [markdown]
# One network cannot say how much of its answer is luck. Some of it is the run's own: the ± in the stored tables above is the spread of
# several seeds, each with its own random numbers in the order and the changes of the films, of iteration 1, too, and in a start that is random. Another
# part is *who* happened to be among the training patients. So four more networks learn from iteration 1 on by the same recipe, each
# with a seed of its own, which also draws the training patients anew, with replacement
# ([Riley and Collins 2023](https://doi.org/10.1002/bimj.202200302)). Their spread goes beside the prediction in notebook 08, and
# notebook 07 asks whether their heat maps agree. Nothing is chosen among them: the network above stays the model. (Iteration 1 they
# have in common, so what its patients and its seed brought is not in their spread; nor is what other validation patients would have
# made of the epoch and the calibration.)

# %%
from tqdm.auto import tqdm

for seed in tqdm(range(1, 5)):
    lesson = replace(config, seed=seed)
    drawn = train.sample(len(train), replace=True, random_state=seed)  # a row is a patient here
    network = fit(first.network, drawn, validation, lesson, progress=False).network
    title = f"iteration 2, seed {seed}: from another draw of the SBU patients"
    other = finish_model(network, train, validation, lesson, title=title, start="iteration 1")
    other.save(work_root() / "models" / f"iteration2-seed{seed}")

# %%
# The model comes last: where it is, its four others are, too.
model.save(work_root() / "models" / "iteration2").name

# %% [markdown]
# ## In short

# %%
in_short = [
    "- **On phantoms of SBU**, less *head, then all layers*:",
    *(f"    {line}" for line in rivals_at_sbu),
    f"- **Forgotten** of ieee8023, change in rank correlation by both steps: {changed['head, then all layers']}.",
    "- **On real films** of ieee8023, AUROC within folds:",
    *(f"    {line}" for line in on_real_films),
]
Markdown("\n".join(in_short))

# %% [markdown]
# ## Closing
#
# **What we found.** The list above, for these phantoms and seeds, and for films that are no untouched test. Where a hospital has some
# hundred patients whose outcomes are known, carrying a model there costs little computing, and least by its head alone. What each further
# step is worth, and having learned from ieee8023 first, has to be measured; where an interval holds zero, it was not shown to be worth anything.
#
# **What would change our mind.** The same comparison on real films of several hospitals, with some hundred deaths.
#
# **Exercises.**
# 1. Train the rivals yourself, with `config` from `build_resnet18("phantom")` and with `replace(CARELESS,
#    size=first.size)` from `build_resnet18("random")` (all in `helpers.training`). Do they land where the study says?
# 2. Let the batch-norm statistics move (`freeze_statistics=False`). Is more forgotten? (On phantoms, the rank correlation with
#    `true_image_risk` over all of `old` in the test part sees more than the AUROC: notebook 06 merges it with the films under *How close
#    to the best possible?*)
# 3. Use all films of the training patients (`load_readable("sbu")` in `helpers.readable`) instead of the index films only. Which
#    patients now count more?
#
# **Where next.** [06 · Evaluate](06_evaluate.ipynb)
