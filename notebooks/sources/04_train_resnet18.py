# %% [markdown]
# # 04 · Train ResNet18
#
# > **After this notebook you can** train a ResNet18 on a few hundred films with class weights; read its
# > learning curves and see overfitting in them; say where starting weights come from, what each is worth and
# > how to keep what they know; and say what class weights do to the predicted risks.
# >
# > **You need** notebooks 01 (the split) and 02 (the labels), and an idea of what a neural network is.
# >
# > **Time** about three minutes on two cores. **Data** ieee8023 and SBU, real or phantom: see the table.
# >
# > **Not for clinical use.**

# %%
import sys

sys.path.insert(0, "..")  # the notebooks live beside helpers/

from helpers.cohorts import data_in_use

data_in_use()

# %% [markdown]
# ## The films and their labels
#
# Two files from earlier notebooks are needed: who belongs to which part, and which outcome each patient has,
# observed or filled in by the random forest.

# %%
import pandas as pd

from helpers.cohorts import profile, work_root
from helpers.training_data import load_parts

parts = load_parts("ieee8023")
train, validation, test = parts["train"], parts["validation"], parts["test"]
pd.concat(parts).groupby(["part", "label_source"], observed=True).agg(
    films=("image_path", "size"), patients=("patient_id", "nunique")
)

# %% [markdown]
# **Training** may use imputed outcomes: a risk of 0.2 as label says "one in five like this one died", and the log
# loss takes it as it is. **Validation** and **test** may not: a model judged on guessed labels is judged on how well
# it agrees with the guesser. So only patients with an observed outcome are there.

# %% [markdown]
# ## The mistake first: accuracy
#
# A model that says "survives" to everybody is right as often as patients survive.

# %%
from helpers.evaluation import majority_rate

pd.DataFrame(
    {
        part: {
            "patients": table["patient_id"].nunique(),
            "deaths": table[table["died"]]["patient_id"].nunique(),
            "accuracy of always the same answer": f"{majority_rate(table.drop_duplicates('patient_id')['died']):.0%}",
        }
        for part, table in {"validation": validation, "test": test}.items()
    }
).T

# %% [markdown]
# That column is the bar that any quoted accuracy has to clear, and the reason why this series does not lean
# on accuracy. Note also how few deaths there are: whatever we find below is uncertain, and notebook 06 says
# how much.

# %% [markdown]
# ## What the network sees
#
# Every film, from whatever format, goes the same way: a black square without stretching, grey values set by
# the middle of the film itself. (Notebook 03 warned of scaling a film by itself. But two of the three publishers give PNGs or JPEGs, which
# have no header that says what their greys mean, and all films must go the same way. So the first and the last hundredth of the *middle* are taken, not the extremes, which leaves out letters, collars
# and most metal. The price: how dark a film is as a whole is lost.) While all layers learn, each film is also turned, shifted, scaled and re-exposed a
# little, anew each time, which makes it harder to learn a film by heart (not impossible, as the next section shows).
# It is never mirrored: the heart is on the left. Look for the same film in six slightly different versions.

# %%
import torch

from helpers.figures import plot_films
from helpers.radiographs import Radiographs, normalise
from helpers.readable import SIZES
from helpers.training import augment

size = SIZES[profile()]
one = Radiographs(train.head(1), size)
six = augment(normalise(one.batch([0] * 6)), torch.Generator().manual_seed(0))
grey = (six[:, 0] * 0.226 + 0.449).clamp(0, 1).numpy()  # undo the normalisation, to look at it
_ = plot_films(grey, [f"version {number}" for number in range(1, 7)], columns=6)
# %% [markdown]
# *Figure: one training film in six versions, each turned by a few degrees, shifted, scaled and with another
# brightness. The heart stays on the right side of the picture, the patient's left.*

# %% [markdown]
# ## Overfitting, seen once
#
# ResNet18 has eleven million weights. First we draw them all at random, and let the network learn by heart: few
# films, many passes (*epochs*), no early stop. Watch the two curves part.
#
# Both losses count a death more than a survivor, as explained below, and the two lines are about different patients, among whom
# more or fewer died. So that their scales are alike, each is divided by what a *coin* would get on the same films: a network
# that says one half of everybody. They still have different floors: where labels are risks, even the right answer costs something,
# and where more of the films are deaths, one risk for everybody does better than a coin. So read how each line moves, not which is lower.

# %%
import numpy as np


def over_a_coin(history, learned, held_out):
    """Divide both losses by what one half for everybody would cost, deaths weighted as in training."""
    deaths, elsewhere = (films["died"].astype(float).mean() for films in (learned, held_out))
    weight = (1 - deaths) / deaths  # of a death, in both losses
    shares = {"train_loss": deaths, "validation_loss": elsewhere}
    coin = {name: np.log(2) * (weight * share + 1 - share) for name, share in shares.items()}
    return history.assign(**{name: history[name] / coin[name] for name in coin})


# %%
from dataclasses import replace

from helpers.figures import plot_learning_curves
from helpers.training import CARELESS, build_resnet18, fit

few = pd.concat([train[train["died"] == 1].head(20), train[train["died"] == 0].head(40)])
long = replace(CARELESS, size=size, epochs=12, patience=99)
by_heart = fit(build_resnet18("random", seed=long.seed), few, validation, long)
history = over_a_coin(by_heart.history, few, validation)
ax = plot_learning_curves(history, ylabel="loss / a coin's loss")
_ = ax.axhline(1, color="0.6", linewidth=1)
# %% [markdown]
# *Figure: learning curves of a network trained on few films without an early stop. One line is the loss on
# the films it learns from, the other the loss on patients it never sees, with a diamond at its lowest; grey: a coin. Dotted, on the
# right axis: the AUROC of the validation films, counted by film.*

# %%
from IPython.display import Markdown, display

curves = history.set_index("epoch")[["train_loss", "validation_loss"]]
begun, ended = curves.iloc[0], curves.iloc[-1]
gaps = [float(row["validation_loss"] - row["train_loss"]) for row in (begun, ended)]
risen = float(ended["validation_loss"] - curves["validation_loss"].min())
Markdown(
    f"From the first pass to the last, training loss went from {begun['train_loss']:.2f} to **{ended['train_loss']:.2f}** of a "
    f"coin's, validation loss from {begun['validation_loss']:.2f} to **{ended['validation_loss']:.2f}**, and the gap between them from "
    f"{gaps[0]:.2f} to **{gaps[1]:.2f}**. "
    + (
        "A growing gap says that part of what was learned holds for these films alone. "
        if gaps[1] > gaps[0] and ended["train_loss"] < begun["train_loss"]
        else "The lines did not part this time: more passes, or fewer films, would let them. "
    )
    + "*Overfitting* proper is where validation loss rises while training loss goes on falling: "
    f"from its lowest point it rose by **{risen:.2f}**. The AUROC need not fall with it: risks become too sure before the "
    "order of the films suffers. "
    f"Validation loss was lowest after epoch {curves['validation_loss'].idxmin()}. Read little into that: it was picked "
    "afterwards, the rate is high, and of the validation patients only "
    f"{validation[validation['died']]['patient_id'].nunique()} died."
)

# %% [markdown]
# ## Where the weights start
#
# A few hundred films cannot set eleven million weights, so it matters where these start:
#
# - **random**: the network has seen nothing;
# - **ImageNet**: it has told apart a million photographs of dogs and teapots. Torchvision offers these weights
#   for download;
# - **phantom**: it has looked at nothing but phantoms, each drawn for it, shown once and thrown away. It ships
#   with this series. Its last layer begins as its reading of the opaque share of the lungs: the more is opaque, the likelier
#   death, until outcomes say otherwise. (Of the others the last layer is drawn at random.)
#
# Why phantoms, and not simply more films with known outcomes? An outcome is at most one bit a patient, and much of it hangs on
# what no film shows.
# Of a phantom we know, at every pixel, what is lung and what is opaque. So it can teach *dense* targets, which
# no hospital writes down: which share of each lung zone is opaque, how densely, how large lungs and heart are,
# from which side the beam came. The opaque share it learns place by place, so it is told where, too. Nothing about
# death is among them.
#
# Here are eight films as the start met them, drawn anew. They are far stranger than any hospital's: turned, cropped,
# washed out, covered with letters and tubes, some taken from the side. That is on purpose. The hope is that to a network that has seen
# all this a real film is one more variation; notebook 05 asks whether it is.

# %%
from phantoms.fresh_films import draw_film

drawn = [draw_film(128, [4, number]) for number in range(8)]
titles = [f"{shares[0]:.0%} of the lungs opaque" for _, shares, _ in drawn]
figure = plot_films([film for film, *_ in drawn], titles)
# %% [markdown]
# *Figure: eight randomised phantoms at the size at which the start saw them, with the first of the targets that it
# had to read: the opaque share of the visible lungs.*
#
# How well did it learn to read? R² is the share of a target's variation that the network reads off the film.

# %%
from helpers.severity import SeverityModel

card = SeverityModel.load().card
explained = pd.Series(card["r_squared"]).rename("R² on phantoms it never saw").sort_values()
zones = explained.filter(regex="upper|middle|lower").index
shown = explained.drop([name for name in zones if name not in (zones[0], zones[-1])])
display(shown.round(2).to_frame())
devices = pd.Series(card["auroc"], dtype=float)
Markdown(
    f"A *zone* is a third of a lung; of the {len(zones)} rows about zones the lowest and the highest are shown. Heart size is the heart's "
    f"width over the chest's. The side from which the beam came it names rightly on **{card['view_accuracy']:.0%}** of the films, and it "
    f"tells films with each kind of tube, line or device from those without by an AUROC of **{devices.min():.2f}** or more."
)

# %%
runs = [card]
while runs[-1].get("earlier"):  # a run may go on from the weights of an earlier one
    runs.append(runs[-1]["earlier"])
films, seconds = (sum(run[what] for run in runs) for what in ("films", "seconds"))
commands = "\n".join(run["command"] for run in reversed(runs))
Markdown(
    f"So says the card that lies beside the weights. They saw **{films:,} phantoms**, each once, in "
    f"{seconds / 60:.0f} minutes (the last run on {card['machine']}), and were judged on {card['unseen_films']:,} others. "
    "These commands made them, one after the other, each from the weights of the one before and with the phantom code of its "
    "day, whose version is in the card. With today's code they would give others, and put them in the place of those that ship: try "
    "them in a copy of the repository.\n\n"
    f"```\n{commands}\n```"
)

# %% [markdown]
# But those were films of the same kind. What does it read off *this* cohort, none of whose films it has seen? `predict_severity` asks it, about each film
# as it is and with its contrast equalised, as some publishers do, and takes the mean of the two readings. On phantoms
# the masks tell the true share; look for how closely the dots follow the line, and where they leave it.

# %%
import matplotlib.pyplot as plt

from helpers.cohorts import cohort_root, is_phantom
from helpers.readable import load_readable
from helpers.training import predict_severity

asked = predict_severity(load_readable("ieee8023"))
asked = asked.drop(
    columns=["died", "label_source"]
)  # no outcome is needed, so every film can be asked
if is_phantom("ieee8023"):
    from phantoms import truth

    known = truth(cohort_root("ieee8023").parent, "ieee8023")[["image_path", "opaque_share"]]
    read = asked.merge(known.rename(columns={"opaque_share": "true_share"}), on="image_path")
    figure, ax = plt.subplots(figsize=(4, 4), layout="constrained")
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    ax.plot(read["true_share"], read["opaque_share"], "o", markersize=3, alpha=0.5)
    ax.set(xlabel="true opaque share", ylabel="opaque share read by the phantom start")
# %% [markdown]
# *Figure: on phantoms, the opaque share that the start reads off each film of ieee8023 against the true one, with
# the line of perfect agreement. On real films there is none: nobody knows the truth.*
#
# On phantoms many dots may stand in one column at the right. That is no fault of the network: in this cohort no lungs are
# drawn more opaque than that. How far they spread upwards and downwards is its error, here by thirds of the true share, with 95 %
# intervals. A *bias* says whether it reads too much or too little on the whole; a rank correlation, which follows, cannot see that.

# %%
from helpers.evaluation import bootstrap_interval


def without_outcomes(table):
    """Drop who died: of a measure that does not ask, the interval needs no room for few deaths."""
    return table.drop(columns=["died", "label_source"], errors="ignore")


def errors(t):
    """Bias and mean absolute error of the opaque share that is read."""
    error = t["opaque_share"] - t["true_share"]
    return {"bias": error.mean(), "mean absolute error": error.abs().mean()}


# %%
if is_phantom("ieee8023"):
    names = ["clearest third", "middle third", "most opaque third"]
    thirds = pd.qcut(read["true_share"], 3, labels=names)
    groups = {"all films": read} | dict(list(read.groupby(thirds, observed=True)))
    rows = {
        name: {"films": len(t)} | bootstrap_interval(errors, without_outcomes(t), repeats=400)
        for name, t in groups.items()
    }
    display(pd.DataFrame(rows).T.map(str))

# %%
from helpers.cohorts import load_annotations


def agreement(table, truth):
    """Rank correlation of what the start reads with a truth, by patients."""
    return bootstrap_interval(
        lambda t: t["opaque_share"].corr(t[truth].astype(float), method="spearman"), table
    )


scored = asked.merge(load_annotations(cohort_root("ieee8023")).severity, on="image_path")
compared_with = {"extent scored by three experts": (scored, "geographic")}
if is_phantom("ieee8023"):
    compared_with["true opaque share"] = (read, "true_share")
pd.DataFrame(
    {
        name: {"films": len(table), "rank correlation": str(agreement(table, column))}
        for name, (table, column) in compared_with.items()
    }
).T

# %% [markdown]
# One means that the start ranks films as the truth does, zero that it ranks them by chance. It was told nothing
# about these films: no outcome, no score, no picture. (Where this cohort is a phantom, so are the experts: they
# judge the mask with an error of their own.) Mind who drew the films, though:

# %%
Markdown(
    "This cohort was drawn by the very generator that taught the start. So these numbers flatter it: other films, but the "
    "same hand. Real films are asked in notebook 05."
    if is_phantom("ieee8023")
    else "These films are real, and no network learned from them. But the phantoms were made wider while we looked at how well "
    "the start reads these very films (docs/real-data.md tells each round), so the numbers are flattered by an amount that "
    "nobody knows. Another hospital's films would be the test."
)

# %% [markdown]
# ## What each start is worth
#
# Few patients of ieee8023 died, so we compare the starts on the index films (each patient's first of the stay) of SBU, the larger source: training
# patients teach, validation patients judge, test patients wait for notebook 06. Everything is done once here, with
# one seed, and in two manners:
#
# - **careful**: the last layer alone learns first, on features that are computed once; then all layers learn, each
#   block more slowly than the one after it, while *batch norm* (explained below) keeps the statistics of the start;
# - **careless**: one *learning rate* (how far each step moves the weights) for all layers, which soon rises to a high peak, no
#   layer trained ahead of the others, and moving statistics. Random weights have nothing to lose, so they are trained like this.
#
# So between *random* and *phantom, careful* both the start and the recipe change; *phantom, careless* against *random* changes the
# start alone.

# %%
from helpers.training import CAREFUL, RiskModel, predict

at_sbu = load_parts("sbu")
learned, judged = at_sbu["train"], at_sbu["validation"]
careful = replace(CAREFUL, size=size)
careless = replace(CARELESS, size=size, epochs=careful.epochs)  # equally often over all layers
ways = {
    "random": ("random", careless),
    "phantom, careless": ("phantom", careless),
    "phantom, careful": ("phantom", careful),
    "ImageNet, careful": ("imagenet", careful),
}
Markdown(
    f"In passes over all films (*epochs*): careful is {careful.head_epochs} of the last layer and then {careful.epochs} of all "
    f"layers, at a learning rate of at most {careful.rate:g}; careless is {careless.epochs} of all layers, at most "
    f"{careless.rate:g}."
)

# %%
from tqdm.auto import tqdm

networks, risks = {}, {}
for name, (start, config) in tqdm(ways.items()):
    try:
        network = build_resnet18(start, seed=config.seed)
    except ConnectionError as error:
        print(f"Not here: {name}. {error}")
        continue
    networks[name] = fit(network, learned, judged, config, progress=False).network
    risks[name] = predict(RiskModel(networks[name], size), judged)["risk"]

# %% [markdown]
# The **AUROC** asks who died; with this few deaths its interval is wide whatever the network does. Two measures
# need no deaths:
#
# - on phantoms, the rank correlation of predicted risk with the **best reader's risk** (`true_image_risk`): what the best reader of
#   notebook 00 would say, who sees the disease without error and is told hospital and sex. It is known for survivors, too;
# - the rank correlation of predicted risk with the extent of disease that **experts** scored on films of *another*
#   cohort, ieee8023, of which these networks have seen nothing.

# %%
judged = judged.assign(**risks)
elsewhere = scored.assign(
    **{
        name: predict(RiskModel(network, size), scored.assign(died=pd.NA))["risk"]
        for name, network in networks.items()
    }
)
measures = {
    "rank correlation with\nexperts' scores elsewhere": (elsewhere, "geographic"),
}
if is_phantom("sbu"):
    from phantoms import truth

    known = truth(cohort_root("sbu").parent, "sbu")[["image_path", "true_image_risk"]]
    judged = judged.merge(known, on="image_path")
    measures["rank correlation with\nthe best reader's risk"] = (judged, "true_image_risk")

# %% [markdown]
# First the AUROC of each way, then what *phantom, careful* and the start alone gain on the others, paired: on the same patients.

# %%
from helpers.evaluation import auroc_difference, auroc_interval

chosen = "phantom, careful"
pairs = {f"gain over {name}": (chosen, name) for name in networks if name != chosen}
pairs["start alone"] = ("phantom, careless", "random")
areas = {name: auroc_interval(judged, risk=name) for name in networks}
areas |= {gain: auroc_difference(judged, *pair) for gain, pair in pairs.items()}

# %% [markdown]
# Then the same of the measures that need no deaths.


# %%
def rank_correlations(t, asked):
    """Of each way's risk with the column asked for, and the gains in it."""
    values = {name: t[name].corr(t[asked].astype(float), "spearman") for name in networks}
    return values | {gain: values[one] - values[other] for gain, (one, other) in pairs.items()}


found = {"AUROC": areas} | {
    measure: bootstrap_interval(
        lambda t, asked=asked: rank_correlations(t, asked),
        without_outcomes(table),
        repeats=400,  # enough for two decimals, and quick
    )
    for measure, (table, asked) in measures.items()
}

# %%
from helpers.figures import plot_intervals

figure, axes = plt.subplots(
    1, len(found), figsize=(9, 2.1), layout="constrained", sharey=True, squeeze=False
)
for ax, (measure, intervals) in zip(axes[0], found.items(), strict=True):
    rows = [(name, i.estimate, i.low, i.high) for name, i in intervals.items() if name in networks]
    bars = pd.DataFrame(rows, columns=["name", "estimate", "low", "high"])
    name = "AUROC for death" if measure == "AUROC" else measure
    plot_intervals(bars, ax, reference=0.5 if measure == "AUROC" else 0, xlabel=name)
# %% [markdown]
# *Figure: what each start is worth, with 95 % intervals over patients: AUROC for death, rank correlation with the
# experts' scores in another cohort, and on phantoms with the best reader's risk. Grey lines are chance.*


# %%
def verdict(measure, gain, than):
    word = "higher" if gain.low > 0 else "lower" if gain.high < 0 else "not clearly different"
    return f"- {' '.join(measure.split())}, less that of *{than}*: {gain:+.2f}, **{word}**"


careful_gains = [
    verdict(measure, found[measure][gain], pair[1])
    for measure in found
    for gain, pair in pairs.items()
    if pair[0] == chosen
]
start_alone = [verdict(measure, found[measure]["start alone"], "random") for measure in found]

# %%
Markdown(
    "Of these very networks, on other patients (what another seed would give is not in the intervals), the phantom start with "
    "careful training has\n\n"
    + "\n".join(careful_gains)
    + "\n\nThe phantom start, trained as carelessly as the random one, has\n\n"
    + "\n".join(start_alone)
    + f"\n\nThe differences are paired. There are {len(judged)} validation patients, of whom "
    f"{int(judged['died'].sum())} died; they also chose the best epoch of every run, which flatters each, and most "
    f"the careful one, which has the most epochs to choose from. The experts scored {len(elsewhere)} films."
)

# %% [markdown]
# Random weights would go on learning; how far they get with more passes, the first row of the next table says.
#
# All of this is one seed, and another seed gives other numbers. `make study` trained ways that correspond to these
# with several seeds, on phantoms, and stored what came out. It judged them by SBU's *test* patients. Each cell is the mean
# over the seeds, with a 95 % interval for other patients and other seeds, and ± the standard deviation over the seeds. The last two
# columns are paired: each way less iteration 2, which began with the phantom start, learned ieee8023 and then SBU, carefully. *True
# risk* is the best reader's here, too.

# %%
from helpers.studies import compare, differences, load_study, start_note

correspond = {
    "from scratch": "random (more passes)",
    "all layers at one high rate": "phantom, iteration 1, then careless",
    "phantom start, no iteration 1": "phantom, careful",
    "ImageNet start, no iteration 1": "ImageNet, careful",
}
study = load_study("phantom-variants")
one = study.table.query("test == 'sbu' and measure == 'AUROC'").iloc[0]
seeds = len(one["seeds"].split())
asked_for = ["AUROC", "rank correlation with the true risk"]
stored = compare(study, test="sbu", measures=asked_for, variants=list(correspond))
less = pd.DataFrame({m: differences(study, test="sbu", measure=m) for m in asked_for})
for measure in asked_for:
    gap = less[measure].reindex(stored.index).fillna("not here")
    stored[f"{measure}, less iteration 2"] = gap
display(
    Markdown(
        f"{seeds} seeds; {one['patients']} test patients, {one['deaths']} deaths. {start_note(study)}"
    )
)
stored.rename(index=correspond)

# %% [markdown]
# The number after the ± says how far single runs scatter: two runs may differ by more than that, so a single run of
# each way, as above, can put them in the wrong order. From so few seeds it is itself a rough number.
#
# ## What is left of the start
#
# A start is not kept by starting from it. Two things are suspected of wearing it away:
#
# - **Batch norm** subtracts from each feature the mean that it had on recent films, and divides by its spread. While
#   the statistics move, a few hundred films of one hospital replace what was counted on all those phantoms. Where they
#   differ, every later layer gets input that it was not made for. No weight needs to change for that.
# - **A high rate**: as long as the last layer is not made for death, the error that it sends back is more its own than the features'.
#   At a high rate it runs through features that were fine.
#
# Which is it? We give each trained network the start's own last layer back, and ask again for the opaque share
# of the validation films. What is left of the reading? Two more runs of a single pass take the suspects apart. A rank correlation
# of one and a shift of zero would mean that nothing was lost.

# %%
one_pass = replace(careless, epochs=1)
apart = {
    "statistics move, nothing learns": replace(one_pass, rate=1e-12),
    "high rate, statistics frozen": replace(one_pass, freeze_statistics=True),
}
worn = {
    name: fit(build_resnet18("phantom"), learned, judged, config, progress=False).network
    for name, config in apart.items()
}
worn |= {name: networks[name] for name in ("phantom, careless", "phantom, careful")}

# %%
import copy


def still_reads(network):
    """Opaque share that a trained network reads when it gets the start's last layer back."""
    network = copy.deepcopy(network)
    network.fc = SeverityModel.load().network.fc
    readings = SeverityModel(network, size).predict(Radiographs(judged, size).images)
    return readings["opaque_share"].to_numpy()


before = predict_severity(judged, size=size)["opaque_share"].to_numpy()
left = {name: still_reads(network) for name, network in worn.items()}

# %%
RANK, SHIFT = "rank correlation with the start's reading", "mean shift of the opaque share"
moving, fast = apart


def what_is_left(t):
    """Rank correlation and shift of each reading, and how far the two suspects' ranks are apart."""
    ranks = {(name, RANK): t[name].corr(t["before"], "spearman") for name in left}
    shifts = {(name, SHIFT): (t[name] - t["before"]).mean() for name in left}
    return ranks | shifts | {"apart": ranks[fast, RANK] - ranks[moving, RANK]}


readings = without_outcomes(judged.assign(before=before, **left))
kept = bootstrap_interval(what_is_left, readings, repeats=400)
shown = {name: {what: f"{kept[name, what]:.3f}" for what in (RANK, SHIFT)} for name in left}
pd.DataFrame(shown).T

# %%
import math

difference = kept["apart"]
replaced = 1 - 0.9 ** math.ceil(len(learned) / one_pass.batch_size)  # a tenth at each step
worse = fast if difference.high < 0 else moving if difference.low > 0 else None
Markdown(
    f"In this pass, *{fast}* less *{moving}* is {difference:+.3f} in rank correlation, paired: "
    + (
        f"**{worse}** wore more away. "
        if worse
        else "which of them wears more away, this does not show. "
    )
    + f"The share of the new films in the moving statistics was {replaced:.0%} after it. "
    + (
        "But these films come from the generator that taught the start, so what is counted on them is nearly what was counted "
        "before: **on real films this suspect is not cleared.** "
        if is_phantom("sbu")
        else ""
    )
    + "A ranking is not all: a shift of the opaque share is a loss, too, as soon as the number itself is used."
)

# %% [markdown]
# These rows are hints, not shares of the whole: each is from one pass of one seed, and a single pass runs through
# its rates faster than several do, so a part may cost more than the whole. Careful training guards against both suspects. How much a loss
# of this size matters for death is another question: look at the gains over *phantom, careless* above, and at the seeds
# there. (Careful training may change the reading, too, where deaths ask for it; but a little at a time.)

# %% [markdown]
# ## Iteration 1, with class weights
#
# Deaths are rare, so a network that ignores them has a low loss already. *Class weights* let all deaths together count
# as much as all survivors together. Iteration 1 is trained carefully on ieee8023, observed and imputed labels. The network
# of the epoch with the lowest validation loss is kept, be it one of the head alone.

# %%
from helpers.training import choose_start

start, why = choose_start(profile())
config = careful
weighted = fit(build_resnet18(start, seed=config.seed), train, validation, config)
why


# %%
def entropy(share, weight):
    """Smallest mean loss where so many die, a death counting `weight` times."""
    share = np.clip(share, 1e-12, 1 - 1e-12)
    risk = weight * share / (weight * share + 1 - share)
    return -(weight * share * np.log(risk) + (1 - share) * np.log(1 - risk))


def easiest_losses(learned, held_out):
    """In coins: the right answer to each training film; one risk for all validation films."""
    labels, elsewhere = (films["died"].astype(float) for films in (learned, held_out))
    weight = (1 - labels.mean()) / labels.mean()
    coins = [np.log(2) * (weight * y.mean() + 1 - y.mean()) for y in (labels, elsewhere)]
    return entropy(labels, weight).mean() / coins[0], entropy(elsewhere.mean(), weight) / coins[1]


# %%
ax = plot_learning_curves(
    over_a_coin(weighted.history, train, validation), ylabel="loss / a coin's loss"
)
_ = ax.axhline(1, color="0.6", linewidth=1)
# %% [markdown]
# *Figure: learning curves of iteration 1 on all training films: first the epochs of the last layer alone, right of the
# vertical line those of all layers, with a diamond at the lowest validation loss; grey: a coin. Dotted, on the right axis: the AUROC
# of the validation films, counted by film.*
#
# In both lines a death counts as many times as there are survivors for each death among the training films. What counts is where
# the validation line is lowest, for the network is taken from there:

# %%
floor, one_risk = easiest_losses(train, validation)
best_epoch = int(weighted.history["validation_loss"].to_numpy().argmin()) + 1
epochs = len(weighted.history)
Markdown(
    f"The training line cannot fall below **{floor:.2f}**: so much of a coin's loss the right answers themselves cost, where labels are "
    f"risks. And one risk for everybody, the best that there is, would put the validation line at **{one_risk:.2f}**.\n\n"
    f"The validation line was lowest after epoch {best_epoch} of {epochs}, "
    + (
        "the last one. That is what the schedule aims at: its learning rate falls to nearly zero in the last pass. It does not say "
        "that the network has learned all that it could."
        if best_epoch == epochs
        else "and the later ones were for nothing."
    )
)

# %% [markdown]
# ## What class weights do to risks
#
# Keep the trained layers and let only the last one go on learning, once with class weights and once without. That
# takes seconds and changes nothing else. Then compare the mean predicted risk of the validation patients with the
# share of them who died, and look at which of the two heads means what it says.

# %%
from helpers.evaluation import pool_by_patient

head = replace(config, head_epochs=40, epochs=0)
heads = {
    name: RiskModel(
        fit(weighted.network, train, validation, replace(head, class_weights=used)).network,
        config.size,
    )
    for name, used in {"class weights": True, "no class weights": False}.items()
}


def describe(model, films):
    patients = pool_by_patient(predict(model, films))
    return {
        "mean risk": f"{patients['risk'].mean():.2f}",
        "share who died": f"{patients['died'].mean():.2f}",
        "AUROC (95 % interval)": str(auroc_interval(patients)),
    }


pd.DataFrame({name: describe(model, validation) for name, model in heads.items()}).T

# %% [markdown]
# How much higher are the risks, and do the heads rank patients differently? Both are asked of the same patients, so both answers are
# paired.

# %%
pooled = {name: pool_by_patient(predict(model, validation)) for name, model in heads.items()}
paired = pooled["no class weights"].assign(
    **{name: table["risk"] for name, table in pooled.items()}
)
raised = bootstrap_interval(
    lambda t: t["class weights"].mean() / t["no class weights"].mean(), paired
)
ranked = auroc_difference(paired, "class weights", "no class weights")
Markdown(
    f"Class weights multiplied the mean predicted risk by **{raised:.1f}**. The AUROC with class weights less that without is "
    f"**{ranked:+.2f}**"
    + (
        f": {ranked.note}."
        if np.isnan(ranked.low)
        else ", clearly different."
        if not ranked.holds(0)
        else ": whether the ranking differs, so few deaths cannot tell."
    )
)

# %% [markdown]
# Both heads see the same features, so here class weights cannot make the network see more; they make it speak louder.
# Training pretended that deaths are as common as survivals, so the risks answer for a hospital in which half of the patients die
# ([Carriero 2024](https://doi.org/10.48550/arXiv.2404.19494)). For a risk that is read as a number the louder voice matters, and has
# to be undone. (When all layers learn, as in the stored runs below, class weights can change what the network sees, and the ranking, too.)

# %% [markdown]
# ## What class weights cost, and what recalibration gives back
#
# Three numbers say whether risks mean what they say: the deaths that were observed for each that was expected (1
# is right), the *calibration intercept* (0 is right; below, the risks are too high) and the *slope* (1 is right; below,
# they are too extreme). Recalibration fits intercept and slope on validation patients, or, where few of them died, the
# intercept alone: a slope from a handful of deaths is noise. Look first at the intercepts as trained, then at what is left of
# the difference.

# %%
from helpers.calibration import calibration_intervals
from helpers.evaluation import logits
from helpers.finishing import fit_calibration


def before_and_after(model):
    """Calibration of the validation patients' risks, as trained and recalibrated on them."""
    patients = pool_by_patient(predict(model, validation))
    intercept, slope, how = fit_calibration(patients)
    repair = RiskModel(model.network, model.size, intercept, slope)
    risks = {
        "as trained": patients["risk"],
        "recalibrated": repair.calibrate(logits(patients["risk"])),
    }
    found = {
        state: calibration_intervals(patients["died"].to_numpy(bool), np.asarray(risk))
        for state, risk in risks.items()
    }
    return found, how


cost, notes = {}, {}
for name, model in heads.items():
    of_states, notes[name] = before_and_after(model)
    cost |= {(name, state): of_state for state, of_state in of_states.items()}
print(*dict.fromkeys(notes.values()))
pd.DataFrame(cost).T.map(str)

# %% [markdown]
# One seed, few deaths, and the very patients on whom the recalibration was fitted, so what it fits had to come out
# right. The honest comparison takes an hour, so it is not run here but stored: `make study` trained all layers of both, each
# with the same seeds, on phantom films of SBU, recalibrated on validation patients, and judged on *test* patients. In brackets the
# 95 % interval, for other patients and other seeds, behind ± the standard deviation over the seeds.

# %%
ranks = ["AUROC", "rank correlation with the true risk"]
numbers = ["observed / expected", "calibration intercept", "calibration slope"]
states = [f"{number}, {state}" for state in ("as trained", "recalibrated") for number in numbers]
without = "head, then all layers, no class weights"
both = {"head, then all layers": "class weights", without: "no class weights"}
stored = compare(study, test="sbu", measures=[*ranks, *states], variants=list(both))
stored.rename(index=both).T.rename_axis(index=None, columns=None)

# %% [markdown]
# If recalibration gives back what class weights cost, and the ranking does not gain by them, then they were for nothing.
# Where the interval of a difference leaves out zero, the two ways differ; where it holds zero, we cannot tell.
# Paired, on the same patients and seeds (the two ways began apart: in each, iteration 1 was trained in the same manner as iteration 2):

# %%
from helpers.studies import gaps

fitted = [state for state in states if "recalibrated" in state]
lead = {m: gaps(study, test="sbu", measure=m)[without] for m in [*ranks, *fitted]}
without_weights = []
for measure, gap in lead.items():
    word = "higher" if gap.low > 0 else "lower" if gap.high < 0 else "not clearly different"
    without_weights.append(f"- {measure}: **{word}** without class weights, {gap:+.2f}")
better, worse = [m for m in ranks if lead[m].high < 0], [m for m in ranks if lead[m].low > 0]
off = [measure for measure in fitted if not lead[measure].holds(0)]
without_weights.append(
    "- So class weights "
    + (
        f"helped the ranking, by its {' and '.join(better)}"
        if better
        else "are not shown to help the ranking"
    )
    + (f", and harmed it, by its {' and '.join(worse)}" if worse else "")
    + "; after recalibration the two "
    + (f"still differ in {', '.join(off)}." if off else "are not shown to differ in calibration.")
)
Markdown("\n".join(without_weights))

# %% [markdown]
# ## Calibrated, described, stored
#
# An intercept and, where enough patients died, a slope bring the network's risks to the number of validation patients who
# died; how exactly, so few deaths cannot say. A further number is the threshold at which a patient counts as "predicted to die":
# halfway between the risk of the last patient it has to catch, to catch eight in ten of those who died, and the next lower risk. With
# fewer than five deaths it has to catch all of them, and is as noisy as a slope would be. All come from validation patients. Test
# patients decide nothing.

# %%
from helpers.cohorts import select_index_films
from helpers.finishing import finish_model

model = finish_model(
    weighted.network,
    train,
    validation,
    config,
    title="iteration 1: ieee8023, class weights",
    start=start,
)

# %%
asked = pool_by_patient(predict(model, select_index_films(validation)))
caught = asked.loc[asked["died"], "risk"] >= model.threshold
Markdown(
    f"{model.card['calibration_note']} The threshold is {model.threshold:.2f}: {caught.sum()} of the {len(caught)} validation patients "
    "who died lie at or above it."
)

# %%
calibrated = {"before": RiskModel(weighted.network, config.size), "after": model}
pd.DataFrame({name: describe(one, validation) for name, one in calibrated.items()}).T

# %% [markdown]
# Calibration is to bring the mean risk to the share who died. It cannot change the order of films, and that of patients only
# where the risks of several films are averaged. (These are the patients on whom it was fitted, here with all their films;
# notebook 06 asks others, once each.)
#
# The model is stored as *safetensors*, which holds numbers only, with a JSON description beside it. A pickled
# model can run code when it is opened, so pickles are refused.

# %%
model.card["phantom_cohorts"] = [name for name in ("ieee8023",) if is_phantom(name)]
model.save(work_root() / "models" / "iteration1")
card = {key: value for key, value in model.card.items() if key not in ("mean_film", "training")}
with pd.option_context("display.max_colwidth", None):
    display(pd.json_normalize(card).T.rename(columns={0: "iteration 1"}))

# %% [markdown]
# ## First look at the test patients

# %%
on_test = describe(model, select_index_films(test))
pd.DataFrame({"test patients, first film": on_test}).T

# %% [markdown]
# The interval is the message: with this few deaths, very different models would be compatible with what we
# saw. Notebook 05 goes on at a hospital with more patients.

# %% [markdown]
# ## In short

# %%
in_short = [
    f"- **By heart**: over {long.epochs} passes over {len(few)} films, training loss went from {begun['train_loss']:.2f} to "
    f"{ended['train_loss']:.2f} of a coin's, and validation loss ended {risen:.2f} of a coin's above its lowest.",
    f"- **Start, recipe and iteration 1 together**, stored runs of {seeds} seeds on phantoms, random weights (more passes) less "
    "iteration 2: "
    + "; ".join(f"{measure} {less.loc['from scratch', measure]}" for measure in asked_for)
    + ". The phantom start without iteration 1, less iteration 2: "
    + "; ".join(f"{m} {less.loc['phantom start, no iteration 1', m]}" for m in asked_for)
    + ".",
    "- **One seed here**, phantom less random, both trained carelessly: "
    + "; ".join(f"{' '.join(m.split())} {found[m]['start alone']:+.2f}" for m in found)
    + "; start and careful training together, less random: "
    + "; ".join(f"{' '.join(m.split())} {found[m]['gain over random']:+.2f}" for m in found)
    + ".",
    f"- **Class weights** multiplied the mean risk by {raised:.1f}. Stored runs of {seeds} seeds, recalibrated:",
    *(f"    {line}" for line in without_weights),
    f"- **The model**, asked about the first films of {test['patient_id'].nunique()} test patients: AUROC "
    f"{on_test['AUROC (95 % interval)']}.",
]
Markdown("\n".join(in_short))

# %% [markdown]
# ## Closing
#
# **What we found.** The list above. Where an interval holds zero, these films cannot tell; and on this cohort we can hardly tell how
# good the model is.
#
# **What would change our mind.** About the start: other hospitals' real films, on which careful training from
# ImageNet ranks patients clearly better. About the class weights: the same paired comparison on real films with many deaths,
# if it answered otherwise than the last line on them above. About the uncertainty: more patients with an observed outcome.
#
# **Exercises.**
# 1. Train iteration 1 once more with another seed: `config = replace(careful, seed=1)` sets the order of films and the augmentation.
#    Then `finish_model` and `describe` as above. By how much does the test AUROC change, and how does that compare with the interval?
#    And with a random last layer: `network = build_resnet18(start)`, then `network.fc.reset_parameters()`?
# 2. Train on observed labels only (`train[train["label_source"] == "observed"]`), and let validation patients judge. Better or worse?
#    Can you tell?
# 3. Turn the augmentation off (look for `change` in `helpers/stages.py`, and restart the kernel). What happens to the curves?
# 4. Freeze the statistics of `careless`, or let those of `careful` move. Which of the two matters more?
# 5. Draw a hundred fresh phantoms and find those that the start reads worst: `film, shares, _ = draw_film(128, [9, n])`, then
#    `SeverityModel.load().predict(film[None])["opaque_share"]` against `shares[0]`. What do they share?
#
# **Where next.** [05 · Fine-tune](05_fine_tune.ipynb)
