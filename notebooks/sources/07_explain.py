# %% [markdown]
# # 07 · Explain
#
# > **After this notebook you can** draw the heat map of a network and say what its colours mean; test whether
# > it points at the disease, with a score, an interval and honest rivals; say why a coarse map misses and what helps;
# > make the network's weights, its labels and its seed random and see whether the map notices; and show how a
# > network cheats, and how little of it a heat map may tell.
# >
# > **You need** notebooks 04 and 05. A little linear algebra helps, once.
# >
# > **Time** about three minutes on two cores. **Data** SBU, lesions where it is a phantom, and outlines on ieee8023 films,
# > radiologists' where that cohort is real: see the table.
# >
# > **Not for clinical use.** A heat map is a picture of a network, not of a patient.

# %%
import sys

sys.path.insert(0, "..")  # the notebooks live beside helpers/

from helpers.cohorts import data_in_use

data_in_use()

# %% [markdown]
# ## The network, and films it has never seen
#
# Iteration 2 from notebook 05, and one film of each SBU patient in the test part.

# %%
from helpers.cohorts import load_cohort, work_file
from helpers.radiographs import Radiographs, normalise
from helpers.readable import select_readable_index_films
from helpers.splits import load_split
from helpers.training import RiskModel, predict

model = RiskModel.load(work_file("models/iteration2.safetensors", made_by="05_fine_tune"))
split = work_file("split.csv", made_by="01_explore_the_cohorts")
index = load_split(split, select_readable_index_films(load_cohort("sbu")))
index = index[index["label_source"] == "observed"].reset_index(drop=True)

# %%
test = predict(model, index[index["part"] == "test"].reset_index(drop=True))
films = Radiographs(test, model.size)
images = normalise(films.batch(slice(None)))
told = test.groupby(test["died"].map({True: "died", False: "survived"}))["risk"]
spread = told.agg(["mean", "min", "max"]).map("{:.0%}".format)
spread.rename(columns="{} risk".format).assign(patients=told.size())

# %% [markdown]
# ## A map for the price of a prediction
#
# ResNet18 turns a film into a coarse grid of places, each described by 512 numbers. It averages over the
# places and takes one weighted sum: the *logit*, the logarithm of the odds of death (0 is a risk of one half; each further unit multiplies
# the odds by 2.7). Averages and sums can change places: weigh first, average later. Then
# every place has its own logit, and the film's logit is their mean plus a constant. That grid of logits is the
# **class activation map** ([Zhou 2016](https://arxiv.org/abs/1512.04150)).

# %%
from helpers.saliency import class_activation

logits, grids = class_activation(model.network, images, relu=False, upsample=False)
print("grid of places:", tuple(grids.shape[1:]))
print(
    "largest |logit − (constant + mean of map)|:",
    f"{(logits - model.network.fc.bias.detach() - grids.mean((1, 2))).abs().max():.1e}",
)

# %% [markdown]
# So the map is exactly the last step of the network: the logit, split over the places of the last layer. What in the film made a place
# warm it does not say: each place looks at most of the film. **Grad-CAM**
# ([Selvaraju 2017](https://arxiv.org/abs/1610.02391)), the most used method, gets there with a
# backward pass. For this kind of network the two must agree. Do they?

# %%
import numpy as np

from helpers.cam_methods import package_maps
from helpers.saliency import to_own_range

theirs = package_maps(model.network, images[:8], "Grad-CAM")
ours = to_own_range(class_activation(model.network, images[:8])[1].numpy())
print(f"largest difference from the grad-cam package: {np.abs(ours - theirs).max():.1e} (of 1)")

# %% [markdown]
# Each on a scale from its own lowest to its own highest value, they are the same map, apart from rounding. Two choices are made on the way, and both hide something:
#
# - **ReLU**: negative values, evidence *against* death, are set to zero. What is dark may be silent or may
#   speak for survival.
# - **Bilinear upsampling**: the coarse grid is smoothed to the size of the film. The smooth outline is
#   interpolation; the network knows no place smaller than a cell of the grid printed above.

# %% [markdown]
# ## The mistake first: every map in full colour
#
# Most heat maps are scaled to their own maximum. Below, the film with the highest risk and, of the films with some heat but a
# low risk, the one whose heat is broadest, in two scalings. On the left pair, ask which of the two patients is worse off.

# %%
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib_inline.backend_inline import set_matplotlib_formats

from helpers.figures_saliency import add_heat_bar, plot_heat
from helpers.panel import HEAT_LIMIT
from helpers.panel_words import LITTLE_HEAT

set_matplotlib_formats("jpeg", pil_kwargs={"quality": 88})  # films take a third of the space
_, signed = class_activation(model.network, images, scale=model.slope, relu=False)
signed = signed.numpy()
maps = np.maximum(signed, 0)
peak = maps.max(axis=(1, 2), keepdims=True)
breadth = (maps > peak / 2).mean(axis=(1, 2))  # share that is at least half as warm as the peak
warm = [film for film in test["risk"].argsort() if peak[film] > 0]  # the lowest risk first
extremes = [int(test["risk"].argmax()), max(warm[: len(warm) // 2 + 1], key=breadth.__getitem__)]

# %%
figure, axes = plt.subplots(1, 4, figsize=(8, 2.3), layout="constrained")
for column, film in enumerate(extremes):
    own = max(float(maps[film].max()), 1e-6)
    little = maps[film].max() < LITTLE_HEAT
    plot_heat(films.images[film], maps[film], own, axes[column]).set_title("own scale")
    fixed = plot_heat(films.images[film], maps[film], HEAT_LIMIT, axes[2 + column])
    fixed.set_title("fixed: little evidence" if little else "fixed scale")
_ = add_heat_bar(axes, HEAT_LIMIT, "fixed scale: logits")

# %% [markdown]
# *Figure: the same two films twice, highest risk first. Left pair, each map scaled to its own maximum, whatever
# that is. Right pair, both on one fixed scale in logits, given by the colour bar. (In the outermost 16 pixels no place has its middle:
# the colour of the nearest one is drawn out to the edge.)*

# %%
from IPython.display import Markdown, display

risks = [f"{test['risk'].iloc[film]:.0%}" for film in extremes]
peaks = [f"{maps[film].max():.1f}" for film in extremes]
Markdown(
    f"The risks are {risks[0]} and {risks[1]}, the peaks **{peaks[0]}** and **{peaks[1]}** logits. Scaled to its "
    "own maximum a map cannot say so. In the panel of notebook 08, and here for the heat of the model's risk but where it is "
    f"compared with other methods, the bar ends at {HEAT_LIMIT:g} logits. Where both sides are shown, next, it ends at a third of that, "
    "or weak colours would not show: what lies beyond has the colour of the end. The panel says of a map that stays below "
    f"{LITTLE_HEAT:g} that it shows little evidence."
)

# %% [markdown]
# The unit is the logit of the *calibrated* risk. If every place said +1, the film would have e ≈ 2.7 times the odds of death of
# a film all of whose places say 0. And what is such a film's risk?

# %%
silent = model.calibrate(model.network.fc.bias.detach().numpy())[0]
Markdown(
    f"A film whose map is zero everywhere gets a risk of **{silent:.0%}**; {model.base_rate:.0%} of the patients that the model was "
    "taught and tuned on died. *For* and *against* are meant from there, so a map may be warm in places although the risk is low."
)

# %% [markdown]
# What speaks *against* death deserves a colour, too. Below, the picture that the network really saw, small as it is,
# and below it the evidence alone, on plain grey, in two colours: orange for death, light blue against it. Equal steps of
# evidence are equal steps of perceived colour, and both ends are equally light. (Laid over a film, as in the panel, blue is fainter
# than orange on a dark lung.) The films are those with most evidence on *both* sides: look for where the two colours meet.

# %%
side = (model.size, model.size)
sides = {"for": maps.mean(axis=(1, 2)), "against": (maps - signed).mean(axis=(1, 2))}
torn = np.argsort(-np.minimum(*sides.values()))[:3]
figure, axes = plt.subplots(2, 3, figsize=(6.6, 4.2), layout="constrained")
for (above, below), film in zip(axes.T, torn, strict=True):
    above.imshow(films.images[film], cmap="gray")
    above.set_title(f"risk {test['risk'].iloc[film]:.0%}, {model.size} px").axes.set_axis_off()
    plot_heat(np.full(side, 128, np.uint8), signed[film], HEAT_LIMIT / 3, below, signed=True)
_ = add_heat_bar(axes, HEAT_LIMIT / 3, "against and for death (logits)", signed=True)

# %% [markdown]
# *Figure: the three test films with most evidence on both sides. Above, what the network saw; below, the evidence
# against (light blue) and for death (orange) alone, on one scale, which ends at a third of the one used elsewhere.*

# %%
constant = model.slope * float(model.network.fc.bias.detach()) + model.intercept
added = pd.DataFrame(
    {
        "for death": sides["for"][torn],
        "against death": -sides["against"][torn],
        "constant": constant,
        "logit": signed[torn].mean(axis=(1, 2)) + constant,
        "risk": test["risk"].to_numpy()[torn],
    },
    index=[f"film {number}" for number in (1, 2, 3)],
)
added.map("{:+.1f}".format).assign(risk=added["risk"].map("{:.0%}".format))

# %% [markdown]
# A row a film, in logits: the means of both sides and the constant add up to the logit, and the logit is the risk. So a
# middling risk may be silence, or a quarrel. A map that shows one side alone cannot tell these apart.

# %% [markdown]
# ## Does it point at the disease?
#
# Phantoms know where their lesions are. Three questions for each film with lesions:
#
# - **Pointing game**: is the hottest pixel on a lesion ([Zhang 2016](https://arxiv.org/abs/1608.00507))?
#   Missing by up to 1/32 of the film's side still counts.
# - **Heat in lesions**, **heat in lungs**: what share of all heat lies there? (A map without heat has no such share; in
#   the pointing game it misses.)
#
# A score alone says nothing: lesions are large, and mostly at the same places. So rivals play too, each the
# same for all films: a **centred blob**; the **average** of the map over all films, since a network may have habits,
# places that are warm whatever the film shows; and **chance**, equally warm everywhere.

# %%
from helpers.cohorts import cohort_root, is_phantom

phantom = is_phantom("sbu")
if phantom:
    from phantoms.truth import square_masks

    root = cohort_root("sbu").parent
    lungs, lesions = square_masks(root, "sbu", test["image_path"], model.size)
    ill = lesions.any(axis=(1, 2))
    patients = test.loc[ill, "patient_id"]
    print(f"{ill.sum()} test films show lesions, {(~ill).sum()} show none and cannot be scored")
else:
    print("The SBU cohort is real: nobody knows where its lesions are, so such parts are left out.")

# %%
from helpers.saliency import score_intervals, score_maps, table_of

if phantom:
    scores = score_maps({"class activation": signed[ill]}, lesions[ill], lungs[ill])
    display(table_of(score_intervals(scores, patients)))

# %% [markdown]
# ### Why it misses, and what helps
#
# Smoothed from so coarse a grid, a map can only peak in the middle of a cell: at a handful of points, on which
# there may be no lesion. How far can such a grid point at all? A map of the **true lesion share** of each cell puts its heat where most
# of the lesion is. (It is no upper bound: another cell's middle may lie on a lesion where the fullest one's does not, and a map with its
# heat in fewer cells can have more of it in lesions. The bound for pointing is printed.)
#
# The grid is coarse because the network halves it five times. The last two halvings can be left out if the later
# filters are spread out by as much (*dilation*, [Yu 2017](https://arxiv.org/abs/1705.09914)). Every weight then sees exactly
# what it saw before, but at places 8 px apart instead of 32: the same network, asked 16 times as densely. Every
# fourth place of the fine map is the coarse one.
#
# A third map shows what teaching can do. The phantom start (notebook 04) was never told who died; it was taught, place
# by place, which share of the film is **opaque** lung. Real films hardly ever come with that truth. Its unit is
# plainer than a logit: a place with 1 is opaque lung throughout.

# %%
import torch
from scipy.ndimage import distance_transform_edt
from torch.nn.functional import avg_pool2d, interpolate

from helpers.opacity_maps import opacity_maps
from helpers.saliency import fine_activation
from helpers.severity import SeverityModel

severity = SeverityModel.load()
fine = fine_activation(model.network, images, scale=model.slope).numpy()


def opacity_of(table):
    """Where the phantom start reads opaque lung, at the size of the model's films."""
    read = opacity_maps(severity, normalise(Radiographs(table, severity.size).batch(slice(None))))
    return interpolate(read[:, None], side, mode="bilinear")[:, 0].numpy()


opacity = opacity_of(test)

# %%
if phantom:
    cells = avg_pool2d(torch.from_numpy(lesions.astype("float32"))[:, None], 32)
    true_share = interpolate(cells, side, mode="bilinear")[:, 0].numpy()
    cells_from = np.arange(32, model.size, 32)  # pixels at which a cell begins, but for the first
    aims = np.r_[cells_from - 17, cells_from + 16]  # where a smoothed peak can lie: beside a middle
    aims = np.ix_(aims, aims)
    nearest = np.array([distance_transform_edt(~lesion)[aims].min() for lesion in lesions[ill]])
    most = (nearest <= model.size / 32).mean()
    print(
        f"No map of the coarse grid can point at a lesion on more than {most:.0%} of these films."
    )
    compared = {
        "true lesion share, coarse grid": true_share,
        "mortality, coarse grid": signed,
        "mortality, fine grid": fine,
        "opacity, fine grid": opacity,
    }
    compared = {name: heat[ill] for name, heat in compared.items()}
    scores = score_maps(compared, lesions[ill], lungs[ill])
    result = score_intervals(scores, patients)

# %% [markdown]
# In the figure, compare the rows of each score with the rivals below them. A map without heat has no share of it, so the shares
# are means over the films on which every map has heat. The rows of a score are about the same films, so
# that differences are better known than these intervals tell: the paired ones follow. (*No interval* stands where every resample
# gave the same number, which is no certainty.)

# %%
from helpers.figures import plot_intervals

if phantom:
    rows = [*compared, "average of mortality, fine grid", "average of opacity, fine grid"]
    rows += ["centred blob", "chance"]
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained", sharey=True)
    for ax, (name, found) in zip(axes, result.groupby("score", sort=False), strict=True):
        found = found.set_index("map").loc[rows].rename_axis("name").reset_index()
        asked = scores[name].notna().all(axis=1).sum()
        plot_intervals(found, ax, xlabel=f"mean over {asked} test films")
        ax.set(title=name, xlim=(0, 1))

# %% [markdown]
# *Figure: for each score, a row a map with its 95 % interval on a scale from 0 to 1: the true share of lesions on the coarse
# grid, three maps of networks, and the rivals that look at no film.*

# %%
from helpers.heat_scores import SCORES
from helpers.saliency import in_words, leads


def ahead_of(rivals, scores, patients, names):
    """By how much each map is ahead of its rivals, score by score, paired."""
    rows = {
        (name, score): {
            rival: f"{lead:+.2f}"
            for rival, lead in leads(scores, patients, name, rivals, score).items()
        }
        for name in names
        for score in SCORES
    }
    return pd.DataFrame(rows).T


rivals = ["centred blob", "chance"]
names = ["mortality, fine grid", "opacity, fine grid"]
if phantom:
    display(ahead_of(["mortality, coarse grid", *rivals], scores, patients, names))

# %% [markdown]
# Each cell is the mean by which the map of the row is ahead of the rival of the column, with a 95 % interval of the paired
# difference; where it holds zero, nothing shows that the two differ, and of so many intervals one that only just leaves out zero may be
# luck. Which rival counts? Hardly the blob of the figure: the middle of a chest
# film is spine and heart, where few lesions are, so that its hottest pixel misses. The hard rival is the
# map's **own average**, which has learned where lesions mostly are and never looks at the film. In words:

# %%
if phantom:
    lines = []
    for name in names:
        average = [f"average of {name}"]
        for score in SCORES:
            found = leads(scores, patients, name, average, score)
            lines += in_words(f"{score}, {name}", found)
    for score in SCORES:
        lines += in_words(
            f"{score}, {names[1]}", leads(scores, patients, names[1], names[:1], score)
        )
    display(Markdown("\n".join(lines)))

# %% [markdown]
# Before blaming or praising a network, keep in mind that each place of the last layer looks at most of the film, so it may
# speak for something it saw elsewhere: the map says where the evidence *arrived*, which need not be where the disease is. And the
# two networks were asked different things, death and opacity. That one of them was taught places need not make it better in every
# score: see the last lines.
#
# Now the films themselves. Look for whether the two are warm at the same places, and which keeps to the outlines.

# %%
from helpers.saliency import heat_share

# Places of the test films, the highest risk first.
by_risk = np.argsort(-test["risk"].to_numpy())
shown = by_risk[[0, len(test) // 4, len(test) // 2]]
figure, axes = plt.subplots(2, 3, figsize=(7, 4.4), layout="constrained")
for (above, below), film in zip(axes.T, shown, strict=True):
    outline = lesions[film] if phantom else None
    plot_heat(films.images[film], fine[film], HEAT_LIMIT, above, outline=outline)
    plot_heat(films.images[film], opacity[film], 1, below, outline=outline)
    above.set_title(f"risk {test['risk'].iloc[film]:.0%}", fontsize=9)
add_heat_bar(axes[0], HEAT_LIMIT, "mortality (logits)")
_ = add_heat_bar(axes[1], 1, "share of opaque lung")
if phantom:
    within = {
        name: heat_share(np.maximum(heat[shown], 0), lesions[shown])
        for name, heat in {"mortality": fine, "opacity": opacity}.items()
    }
    named = [f"risk {test['risk'].iloc[film]:.0%}" for film in shown]
    display(pd.DataFrame(within, index=named).map("{:.0%}".format))

# %% [markdown]
# *Figure: three test films from the highest risk to a middling one. Above, the finer map of the risk of death; below,
# where the phantom start reads opaque lung. White lines, on phantoms, are the edges of the true lesions; the table says what share of
# either map's heat lies within them. (Where a film shows no lesion, none can.)*

# %% [markdown]
# ### Where the map is wrong
#
# Means hide the failures, and a good film is easily picked for a figure. These are picked by a rule: of the films on which
# the finer map of mortality misses every lesion, the three of highest risk. What is under the hottest place instead?

# %%
from helpers.saliency import hottest_pixel

if phantom:
    hits = scores["pointing game", "mortality, fine grid"].set_axis(np.flatnonzero(ill))
    wrong = [film for film in by_risk if hits.get(film, 1) == 0][:3]
    figure, axes = plt.subplots(1, 3, figsize=(7, 2.5), layout="constrained")
    for ax, film in zip(axes, wrong, strict=False):
        plot_heat(films.images[film], fine[film], HEAT_LIMIT, ax, outline=lesions[film])
        top = hottest_pixel(np.maximum(fine[film], 0))
        ax.plot(top[1], top[0], "x", color="white")
        ax.set_title(f"risk {test['risk'].iloc[film]:.0%}, peak {fine[film].max():.1f}", fontsize=9)
    for ax in axes:
        ax.set_axis_off()
    add_heat_bar(axes, HEAT_LIMIT, "logits")

# %% [markdown]
# *Figure: the films of highest risk on which the map misses, with the true lesions in white and a cross where it points. Above each
# the highest value of the map: far below the end of the scale, no colour is to be seen. (A
# map keeps the value of its outermost places out to the edge of the film; it points at the place, not at the edge.)*

# %%
if phantom:
    rows = []
    missed = hits.index[hits == 0]
    for film in missed[fine[missed].max(axis=(1, 2)) > 0]:
        top = hottest_pixel(np.maximum(fine[film], 0))
        far = distance_transform_edt(~lesions[film])[top] / model.size
        rows.append({"peak": fine[film].max(), "in lung": lungs[film][top], "far": far})
    misses = pd.DataFrame(rows, columns=["peak", "in lung", "far"])
    strong = fine[ill].max(axis=(1, 2)) >= LITTLE_HEAT
    mine, habit = "mortality, fine grid", "average of mortality, fine grid"
    sure = score_intervals(scores.loc[strong, [("pointing game", mine)]], patients[strong])
    lead = leads(scores[strong], patients[strong], mine, [habit])
    where = (
        f"In {misses['in lung'].sum():.0f} the hottest place is lung without a lesion, in the others it is no lung; the nearest lesion is "
        f"{misses['far'].median():.0%} of the film's side away (median; a hit ends at {1 / 32:.0%}), the peak "
        f"{misses['peak'].median():.1f} logits. "
        if len(misses)
        else ""
    )
    wrong_share = score_intervals(1 - scores[[("pointing game", mine)]], patients)
    display(
        Markdown(
            f"{len(missed)} of {len(hits)} films are misses, a share of {table_of(wrong_share).iloc[0, 0]}; "
            f"{len(missed) - len(misses)} of these have no heat and point nowhere. {where}On the {strong.sum()} films with more than "
            f"little evidence the map hits in {table_of(sure).iloc[0, 0]}. That such films are ill is known to its average, too, so compare on "
            "the same films:\n\n" + "\n".join(in_words("pointing game, films with evidence", lead))
        )
    )

# %% [markdown]
# ### And on outlines of another collection?
#
# Radiologists outlined ground-glass and consolidation on ieee8023 films
# ([GeneralBlockchain](https://github.com/GeneralBlockchain/covid-19-chest-xray-segmentations-dataset), CC BY 4.0). Where that
# cohort is real, this is truth that nobody here made. Only numbers are shown. Where it is a phantom, its outlines are the generator's, in
# the radiologists' file format. (The network may have met some of these films in iteration 1, but never an outline.)

# %%
from helpers.outlined import load_outlined

outlined = load_outlined(model.size)
if len(outlined.films):
    seen = normalise(Radiographs(outlined.films, model.size).batch(slice(None)))
    drawn = {
        "mortality, fine grid": fine_activation(model.network, seen, scale=model.slope).numpy(),
        "opacity, fine grid": opacity_of(outlined.films),
    }
    outlined_scores = score_maps(drawn, outlined.lesions, outlined.lungs)
    display(table_of(score_intervals(outlined_scores, outlined.films["patient_id"])))
else:
    print("No outlines are here: `python -m helpers.downloads segmentations` brings the real ones.")

# %%
if len(outlined.films):
    people = outlined.films["patient_id"]
    print(
        f"{len(outlined.films)} outlined films of {people.nunique()} patients, "
        + ("drawn: no radiologist outlined them" if is_phantom("ieee8023") else "real")
        + "; ahead of:"
    )
    display(ahead_of(rivals, outlined_scores, people, list(drawn)))
    lines = []
    for name in drawn:
        for score in SCORES:
            habit = leads(outlined_scores, people, name, [f"average of {name}"], score)
            lines += in_words(f"{score}, {name}", habit)
    display(Markdown("\n".join(lines)))

# %% [markdown]
# Drawn outlines flatter a start that learned from drawings. So here are the stored scores of **real** films, from a run of this series
# with the real ieee8023. (*Finer grid* is the map above. SBU was a phantom in that run, so the last lesson of the network of mortality
# was drawn. The whole table, and what flatters it, is in [docs/real-data.md](../docs/real-data.md).)

# %%
from helpers.intervals import intervals_of
from helpers.studies import load_study, start_note

on_real = load_study("real-outlines")
finer = on_real.table[
    on_real.table["map"].str.contains("finer") | (on_real.table["map"] == "centred blob")
]
films_, people_ = on_real.table[["films", "patients"]].iloc[0]
display(table_of(finer).rename_axis(columns=f"{films_} real films, {people_} patients"))
led = finer[finer["against"] == "its own average"]
real_leads = [
    line
    for row, lead in zip(
        led.to_dict("records"),
        intervals_of(led, led.columns[led.columns.str.startswith("lead_")]),
        strict=True,
    )
    for line in in_words(f"{row['score']}, {row['map']}", {row["against"]: lead})
]
Markdown("\n".join([*real_leads, "", start_note(on_real)]))

# %% [markdown]
# ## Does the map show the network, or only the film?
#
# Some methods draw much the same picture whatever the network has learned; they find edges
# ([Adebayo 2018](https://arxiv.org/abs/1810.03292)). The first test: give the last layer fresh random weights, then
# the last two stages, and so on to the first, and compare the finer map with the original each time. Similarity is SSIM, which
# compares the patterns of two pictures: one means that nothing changed. The maps are taken with the evidence against: cut off at zero, two
# maps would be alike for having nothing on them at most places. The line should fall. How far? What is left may be common to all maps,
# such as a warm middle. Then the random network's map of *another* film is as much like the trained one as that of its own film. Only
# if its own film's is more alike does the random map show something of the film. For scale stand beside it: two trained maps of different films,
# the average of all, the network's habit, and a blank map.

# %%
from helpers.figures_saliency import plot_similarity
from helpers.saliency import map_similarity, randomization_similarity


similarity = randomization_similarity(model.network, images[:24], draw=fine_activation)
all_random = similarity[similarity["stage"] == "conv1"].set_index("image")
trained = fine[:24]
# Each film beside one other, so that a pair, which counts as one, shares no film with the next.
alike = np.repeat([map_similarity(*pair) for pair in trained.reshape(12, 2, *side)], 2)
others = pd.DataFrame({"image": range(24), "pair": np.arange(24) // 2, "similarity": alike})
habit, blank = fine.mean(axis=0), np.zeros(side)
others["habit"], others["blank"] = (
    [map_similarity(own, map_) for own in trained] for map_ in (habit, blank)
)

# %%
from helpers.evaluation import bootstrap_interval

medians = {
    stage: bootstrap_interval(lambda t: t["similarity"].median(), rows, cluster="image")
    for stage, rows in similarity.groupby("stage", observed=True)
}
other_films = bootstrap_interval(lambda t: t["similarity"].median(), others, cluster="pair")
ax = plot_similarity(similarity)
ax.axhline(other_films.estimate, color="0.2", linestyle="--", label="map of another film")
ax.axhspan(other_films.low, other_films.high, color="0.2", alpha=0.12, linewidth=0)
_ = ax.legend(frameon=False, loc="upper right")
# %% [markdown]
# *Figure: similarity of the finer heat map to that of the trained network, from left (trained) over the last layer (fc) random to
# the first (conv1), where all are. A thin line for each film and a thick one for the median film; dashed, the median
# similarity of the trained maps of two different films, with its 95 % interval.*

# %%
yardsticks = {
    f"trained map against {name}": bootstrap_interval(
        lambda t, column=column: t[column].median(), others, cluster="image"
    )
    for name, column in {"the average of all maps": "habit", "a blank map": "blank"}.items()
}
rows = {f"random down to {stage}": found for stage, found in medians.items() if stage != "trained"}
rows |= {"trained map against another film's": other_films} | yardsticks
name = f"median similarity (95 % interval), {len(trained)} films"
pd.Series(rows).map(str).to_frame(name)

# %%
own_less_other = others.assign(more=all_random["similarity"] - all_random["another"])
more_alike = bootstrap_interval(lambda t: t["more"].mean(), own_less_other, cluster="pair")
of_the_film = (
    "so part of the random map shows the film, whatever was learned"
    if more_alike.low > 0
    else "so nothing of the single film is left in the random map: with this draw it passes, which is necessary, not sufficient"
    if more_alike.high <= 0
    else "so it is not shown that anything of the single film is left, nor that nothing is"
)
Markdown(
    f"With every stage random, the likeness of a trained map to the random map of its own film, less that to the random map of another, is "
    f"**{more_alike:+.2f}** on average: {of_the_film}. (These are the weights of one draw; another draw would give somewhat other maps.)"
)

# %% [markdown]
# The second test makes the *labels* random: the deaths of each part are given to its patients by lot, and a last
# layer learns from that. What such a network says of the true outcomes is chance. Where it finds death need not be: that hangs on what
# its features set apart. One lot may hit by luck, so there are ten. Two networks get these layers: one of random weights, which
# knows nothing, and the phantom start, which knows opacity but no outcome. What would you expect of the second?

# %%
import pandas as pd

from helpers.fine_grid import place, place_features
from helpers.models import build_resnet18
from helpers.probing import features, fit_head
from helpers.saliency import pointing_game, shuffle_labels

everyone = Radiographs(index, model.size).images
trunks = {"random weights": build_resnet18("random").eval(), "phantom start": severity.network}
described = {name: features(network, everyone) for name, network in trunks.items()}
lots = [shuffle_labels(index, seed=seed) for seed in range(10)]
heads = {  # last layers that learned the true outcomes, then those of each lot
    name: [fit_head(seen, cohort).requires_grad_(False) for cohort in (index, *lots)]
    for name, seen in described.items()
}

# %% [markdown]
# First: does shuffling leave anything to be known? Asked are the test patients' *true* outcomes. If many lots did better than a
# coin, something of the truth would have leaked into the training.

# %%
from statsmodels.stats.weightstats import DescrStatsW

from helpers.evaluation import Interval, auroc, auroc_interval


def over_lots(values):
    """Mean of the lots with its interval: would other lots give the same?"""
    return Interval(values.mean(), *DescrStatsW(values).tconfint_mean())


tested, lines = (index["part"] == "test").to_numpy(), []
for name, layers in heads.items():
    seen = torch.from_numpy(described[name][tested])
    said = [layer(seen)[:, 0].sigmoid().numpy() for layer in layers]
    true = auroc_interval(test.assign(risk=said[0]))
    shuffled = [auroc(test["died"], each) for each in said[1:]]
    mean = over_lots(np.array(shuffled))
    verdict = (
        "not shown to differ from a coin" if mean.holds(0.5) else "worse than a coin, by chance"
    )
    if mean.low > 0.5:
        verdict = "**better than a coin: look for a leak**"
    lines.append(
        f"- {name}: AUROC {mean} over the lots, from {min(shuffled):.2f} to {max(shuffled):.2f}: "
        f"{verdict}; with the true labels {true} (over patients)"
    )
Markdown("\n".join(lines))

# %% [markdown]
# Single lots may lie far from one half: features that go with death turn up in either direction by chance. What counts is the average
# over the lots. (By chance the interval of either network leaves out one half in one of twenty such sets.) And the maps? Their zero
# means nothing here, since these heads are not calibrated, so the hottest place of each map counts, whatever its sign.


# %%
def place_map(layer, places):
    """Finer maps by a last layer, of features at each place."""
    with torch.no_grad():
        return place(torch.einsum("nkhw,k->nhw", places, layer.weight[0]), side, 8).numpy()


def maps_of_heads(name):
    """Finer maps of the ill test films by the last layers of a network."""
    places = place_features(trunks[name], images[ill])
    for layer in heads[name]:
        yield place_map(layer, places)


# %%
if phantom:
    chance = scores["pointing game", "chance"]
    game, by_lot = {("pointing game", "chance"): chance}, {}
    for name in trunks:
        true, *shuffled = (
            pointing_game(heat, lesions[ill], tolerance=model.size / 32)
            for heat in maps_of_heads(name)
        )
        game["pointing game", f"{name}, true labels"] = true.astype(float)
        by_lot[name] = np.mean(shuffled, axis=1)  # one number a lot
    display(table_of(score_intervals(pd.DataFrame(game), patients)))

# %% [markdown]
# Nor need a last layer have learned anything to point. So there are ten *random* ones on the phantom start, which nobody taught. Any may
# point at lesions, or away from them, by the luck of its draw: the features have directions along which opaque lung lies, and a random
# layer has its part of them, in either sign.

# %%
untaught = [build_resnet18("random", seed=seed).fc for seed in range(10)]
if phantom:
    places = place_features(severity.network, images[ill])
    by_chance = [
        pointing_game(place_map(layer, places), lesions[ill], tolerance=model.size / 32).mean()
        for layer in untaught
    ]
    print(
        f"Random last layers on the phantom start point from {min(by_chance):.2f} to {max(by_chance):.2f}; chance {chance.mean():.2f}"
    )

# %% [markdown]
# The intervals above are over patients. Of the lots the question is another: would other lots point as well? So their interval is
# over the lots (Student's t), for these films.

# %%
if phantom:
    lines = []
    for name, reached in by_lot.items():
        lead = {"chance": over_lots(reached - chance.mean())}
        lines += in_words(f"{name}, shuffled labels", lead)
        true = game["pointing game", f"{name}, true labels"].mean()
        lines.append(
            f"- {name}: the lots point from {reached.min():.2f} to {reached.max():.2f}; "
            f"{(reached >= true).sum()} of {len(lots)} as well as the true labels, {true:.2f}, or better"
        )
    display(Markdown("\n".join(lines)))

# %% [markdown]
# A network that knows nothing but shuffled labels need not be at chance. It may be behind, where it likes places such as edges and
# corners, in which no lesion is, or ahead, where the places that it likes happen to hold lesions. The phantom start may be far ahead,
# and that is a warning: its features set opaque lung apart whatever the last layer makes of them, and a lot may call just these places
# deadly. How much that hangs on the lot, the range shows; and where lots point as well as the true labels, the outcomes are not shown
# to have taught the map anything. A map that is on lesions more often than its own average shows that
# the *features* tell lesions apart. It does not show that the *outcomes* taught them.
#
# A last layer alone has little room to be misled. So one network learns the first lot in **all** its layers. It begins with the
# phantom start, since iteration 1 has seen true outcomes: with its features, and with its reading of opacity for a last layer, as iteration 1
# began (notebook 04). It is trained carelessly, in two passes, so that its features move.

# %%
from dataclasses import replace

from helpers.recipes import CARELESS
from helpers.training import fit

first_lot = [lots[0][lots[0]["part"] == part] for part in ("train", "validation")]
start = build_resnet18("phantom")
careless = replace(CARELESS, size=model.size, epochs=2)
misled = fit(start, *first_lot, careless, progress=False).network
before, after = (one.layer4[1].conv2.weight.detach() for one in (start, misled))
moved = float((after - before).norm() / before.norm())
learned, said = (
    auroc_interval(predict(RiskModel(misled, model.size), asked))
    for asked in (first_lot[0], index[tested])
)
lines = [
    f"- taught by lot in all layers (the last filters moved by {moved:.1%}): AUROC of the lot itself, on its own training "
    f"patients, {learned}; of the true outcomes of test patients {said}"
]
if phantom:
    compared["taught by lot, fine grid"] = fine_activation(misled, images[ill]).numpy()
    scores = score_maps(compared, lesions[ill], lungs[ill])
    own = ["mortality, fine grid", "chance"]
    ahead = leads(scores, patients, "taught by lot, fine grid", own, "pointing game")
    lines += in_words("pointing game, taught by lot in all layers", ahead)
    lead = ahead["mortality, fine grid"]
    if lead.low > 0:
        lines.append(
            "- So a map that no outcome taught is **ahead of the model's**: the model's map is no proof that outcomes taught it where to look."
        )
    elif lead.holds(0):
        lines.append(
            f"- So a map that no outcome taught is not shown to differ from the model's; if it is behind, then by no more than {max(0.0, -lead.low):.2f}."
        )
Markdown("\n".join(lines))

# %% [markdown]
# How much of its lot it learned, the first number says: one half is nothing, one is by heart. As long as that is far from one, this is
# a weak form of the test: the network is still much like its beginning, which reads opacity and so points at it. This is one lot, so
# the intervals are for other patients, not for other lots.

# %% [markdown]
# ## Would another seed draw the same map?
#
# Notebook 05 taught five networks: the model, and four whose seeds also drew the training patients anew, with replacement. All of them
# began with the same iteration 1, and all layers went on learning. Do the five agree on where, film by film? *SSIM*
# compares the patterns of two maps, the rank correlation the order of their pixels; one means alike.

# %%
from helpers.saliency import pairwise_agreement
from helpers.seeds import load_seeds

other_seeds = load_seeds(work_file("models/iteration2.safetensors", made_by="05_fine_tune"))
by_seed = np.stack(
    [fine, *(fine_activation(one.network, images, scale=one.slope).numpy() for one in other_seeds)]
)


# %%
def how_alike(maps):
    """Mean likeness of every two stacks of maps, film by film, with intervals over patients."""
    pairs = pairwise_agreement(maps[:, :, ::4, ::4])  # the map has no finer detail
    pairs["patient_id"] = test["patient_id"].to_numpy()[pairs["image"]]
    return bootstrap_interval(lambda t: t[["ssim", "rank_correlation"]].mean().to_dict(), pairs)


rows = {
    "one film, two seeds": how_alike(by_seed),
    "two films, one seed": how_alike(np.stack([fine, np.roll(fine, 1, axis=0)])),
    "a film and the average of all": how_alike(
        np.stack([fine, np.broadcast_to(fine.mean(axis=0), fine.shape)])
    ),
}
pd.DataFrame(rows).T.map(str)

# %% [markdown]
# The first row is the answer, the others are what it has to be compared with. (SSIM hangs on how finely the maps are drawn, here at every
# fourth pixel: compare within this table only.) The intervals are for other patients and these five
# networks; five are too few to say what a sixth would do. And do they hit the same films?

# %%
if phantom:
    hit = pd.DataFrame(
        {
            ("pointing game", f"seed {seed}" if seed else "the model"): pointing_game(
                np.maximum(heat, 0)[ill], lesions[ill], tolerance=model.size / 32
            )
            for seed, heat in enumerate(by_seed)
        }
    ).astype(float)
    display(table_of(score_intervals(hit, patients)))
    agreed = pd.DataFrame({("agreement", "all five"): (hit.nunique(axis=1) == 1).astype(float)})
    share = table_of(score_intervals(agreed, patients)).loc["all five", "agreement"]
    rates = hit.mean().to_numpy()
    display(
        Markdown(
            f"Share of films on which all five agree, hit or miss: {share}. Networks that hit as often, but each on films of its own, "
            f"would agree on {rates.prod() + (1 - rates).prod():.2f}."
        )
    )

# %% [markdown]
# All five go back to one iteration 1, and it to the phantom start, whose reading of opacity its last layer began as. How much of that is
# still there?

# %%
taught_layer, read = model.network.fc.weight[0].detach(), start.fc.weight[0].detach()
begun_as = float(torch.cosine_similarity(taught_layer, read, dim=0))
unlike = [
    float(torch.cosine_similarity(taught_layer, layer.weight[0].detach(), dim=0))
    for layer in untaught
]
Markdown(
    f"The cosine of the angle between the model's last layer and the one that it began as is **{begun_as:.2f}** (one: the same direction); with "
    f"random ones, {min(unlike):+.2f} to {max(unlike):+.2f}."
)

# %% [markdown]
# So what is measured here is whether *fine-tuning* repeats its map, not whether outcomes would teach it anew: what the five share they may
# have from their common beginning.

# %% [markdown]
# ## The same question from outside
#
# **Deletion and insertion** ([Petsiuk 2018](https://arxiv.org/abs/1806.07421)) need to know nothing of the network's
# inside: blur the hottest square of the film, then the next, and see how fast the risk falls; or begin with a blurred
# film and put the hottest squares in first. The easy rival is a random order of the same squares, the mean of two; the hard one is
# again the average map, which looks at no film. Asked are the films of
# highest risk, since where there is no evidence none can be taken away.

# %%
from helpers.figures_saliency import plot_deletion
from helpers.saliency import area_under, deletion_curve

risky = by_risk[:16]
random_orders = np.random.default_rng(0).random((2, len(risky), *side))


def risks(heat, insert):
    return model.calibrate(deletion_curve(model.network, images[risky], heat, insert=insert))


curves = {
    what: {
        "hottest first": risks(fine[risky], insert),
        "average map first": risks(np.repeat(fine.mean(axis=0)[None], len(risky), 0), insert),
        "random order": np.mean([risks(order, insert) for order in random_orders], axis=0),
    }
    for what, insert in {"deletion": False, "insertion": True}.items()
}

# %%
figure, axes = plt.subplots(1, 2, figsize=(7.5, 2.6), layout="constrained", sharey=True)
for ax, (what, each) in zip(axes, curves.items(), strict=True):
    plot_deletion(each, ax).set(title=what)

# %% [markdown]
# *Figure: mean risk of the riskiest test films while squares are blurred (left) or put into a blurred film (right),
# the hottest first, in the order of the average map, or in a random order, the mean of two for each film. The lower the line of the
# hottest lies on the left, and the higher on the right, the better the map knows what counts.*
#
# Mind where the right-hand lines begin: a film that is nothing but blur still gets a risk. Mind, too, whether a line on the left rises:
# clear lung that is blurred looks like haze, so part of the gap may be the test's.

# %%
areas = {}
for what, each in curves.items():
    for order, curve in each.items():
        quarter = curve.shape[1] // 4 + 1  # points of the first quarter of the squares
        areas[f"{what}, first quarter", order] = area_under(curve[:, :quarter])
        areas[f"{what}, all squares", order] = area_under(curve)
areas, who = pd.DataFrame(areas), test.loc[risky, "patient_id"]
table_of(score_intervals(areas, who)).rename_axis(
    columns=f"mean risk while squares change, {len(risky)} films"
)

# %% [markdown]
# A map that knows what counts parts the lines at the left, with the first squares, and not only when most of the film is
# changed. So the first quarter is judged by itself:

# %%
from helpers.heat_scores import with_sign

rivals_of_order, lines, early = ["random order", "average map first"], [], {}
for what in dict.fromkeys(what for what, _ in areas):
    for rival, gain in leads(areas, who, "hottest first", rivals_of_order, what).items():
        falls = what.startswith("deletion")  # then the risk should be lower
        knows, wrong = (gain.high < 0, gain.low > 0) if falls else (gain.low > 0, gain.high < 0)
        verdict = "as it should be" if knows else "the wrong way round" if wrong else "not shown"
        lines.append(f"- {what}: hottest first less {rival} {with_sign(gain)}, **{verdict}**")
        if "quarter" in what:
            early.setdefault(rival, []).append(verdict)
Markdown("\n".join(lines))


# %%
def in_the_first_quarter(rival):
    """Say what deletion and insertion make of the map against one rival."""
    good = early[rival].count("as it should be")
    words = ("neither test", "one of the two tests", "both tests")[good]
    contrary = early[rival].count("the wrong way round")
    wrong_way = f" ({contrary} the wrong way round)" if contrary else ""
    return f"against *{rival}* by {words}{wrong_way}"


shown_by = [rival for rival in rivals_of_order if set(early[rival]) == {"as it should be"}]
from_outside = (
    "In the first quarter the map is confirmed "
    + "; ".join(in_the_first_quarter(rival) for rival in rivals_of_order)
    + ". "
    + (
        "What it calls hottest on a film is what the risk of this film rests on."
        if len(shown_by) == 2
        else "What it calls hottest counts for more than squares taken by lot; that it says of *this* film what counts, more than "
        "the average map does, is not shown."
        if shown_by == ["random order"]
        else "By this measure the map is not shown to say what the prediction rests on."
    )
)
Markdown(from_outside)

# %% [markdown]
# Part of a failure may be the test's: a blurred opacity is still an opacity, and grey in its
# place would look like a new one. What to put in the place of what is taken away is the weak point of every such test.

# %% [markdown]
# ## Other methods, side by side
#
# The class activation map is not the only way. **Grad-CAM++** weighs the gradients otherwise, **Score-CAM** lets each of the
# 512 channels mask the film and asks the network, **Eigen-CAM** takes the main direction of the channels and asks no output at
# all (the sign of a direction is arbitrary, and the package takes it as it comes: its map may as well be the negative of what is drawn); all three come from the [grad-cam package](https://github.com/jacobgil/pytorch-grad-cam). **Occlusion**, which the package does not
# have and [Captum](https://captum.ai) does, looks from outside alone: cover a square with the grey that the network counts as zero, and see by how much the logit falls. The package's measure **ROAD** (*remove
# and debias*, [Rong 2022](https://arxiv.org/abs/2202.00449)) fills in the hottest part of the film from its surroundings,
# then the coldest, and takes half the difference of the logits: the higher, the better the map knows what counts. What a map gets that
# knows nothing need not be zero, so a centred blob is asked, too. (Occlusion has an advantage: it asks nearly what ROAD asks.) Score-CAM
# asks the network 512 times a film, so the films are few: every fourth of the riskiest, the same for all.

# %%
from helpers.cam_methods import occlusion_maps, road
from helpers.saliency import centred_blob

few = risky[(maps[risky].max(axis=(1, 2)) > 0) & (fine[risky].max(axis=(1, 2)) > 0)][::4]
drawn = {"class activation": maps[few], "finer class activation": np.maximum(fine[few], 0)}
for method in ("Grad-CAM++", "Eigen-CAM", "Score-CAM"):
    drawn[method] = package_maps(model.network, images[few], method)
patch = model.size // 4  # px
falls = occlusion_maps(model.network, images[few], patch=patch, stride=patch // 2)
drawn["occlusion"] = np.maximum(falls, 0)
blob = np.repeat(centred_blob(side)[None], len(few), axis=0)

# %%
figure, axes = plt.subplots(2, len(drawn), figsize=(9, 3.4), layout="constrained")
for row, number in zip(axes, (0, 1), strict=True):
    for ax, (name, heat) in zip(row, drawn.items(), strict=True):
        own = heat[number].max()
        outline = lesions[few[number]] if phantom else None
        plot_heat(films.images[few[number]], heat[number], own, ax, outline=outline)
        ax.set_title(name if number == 0 else "", fontsize=8)

# %% [markdown]
# *Figure: two films of high risk under six maps. Here each map has a scale of its own, because
# the methods have no common unit. White lines are the edges of the true lesions, on phantoms.*

# %%
measured = {
    name: road(model.network, images[few], heat)
    for name, heat in (drawn | {"centred blob": blob}).items()
}
road_words = {
    name: f"{gain.mean():.2f} ({gain.min():.2f} to {gain.max():.2f})".replace("-", "−")
    for name, gain in measured.items()
}
table = pd.DataFrame({"ROAD (logits): mean, lowest to highest film": road_words})
if phantom:
    found = ill[few]
    few_hits = score_maps(
        {name: heat[found] for name, heat in drawn.items()}, lesions[few][found], lungs[few][found]
    )["pointing game"]
    table["pointing game"] = few_hits.agg(lambda hit: f"{hit.sum():.0f} of {len(hit)}")
table.rename_axis(columns=f"{len(few)} films")

# %% [markdown]
# So few films give no interval worth the name: in brackets stand the lowest and the highest film, and a handful of films may all lie
# on one side of the blob by luck.

# %%
asked_output = [name for name in drawn if name != "Eigen-CAM"]
over = [name for name in asked_output if (measured[name] > measured["centred blob"]).all()]
Markdown(
    f"Of the methods that ask an output, above the blob on all {len(few)} films: {', '.join(over) or 'none'}. What Eigen-CAM gets hangs on "
    "a sign that nobody chose. Judge from the figure whether you would have known that it asks nothing."
)

# %% [markdown]
# ## A shortcut, planted
#
# Patients too ill to walk are radiographed in bed, and the technician marks the film PORTABLE. The word goes
# with death and causes none. What does a network do with such a gift? We stamp the films of most patients who
# died and of few who survived, in all three parts, and teach last layers anew on them: one on a network of
# **random weights**, and one on the **phantom start**. Then the same test patients are shown **without** it. (SBU's films
# carry a small PORTABLE already, as portable films do. At a hospital where nearly all are portable it goes with nothing. Ours is large,
# and at the upper left.)

# %%
from helpers.shortcuts import choose_stamped, stamp, stamp_mask

AGREEMENT = 0.9  # share of those who died with a stamp, and of those who survived without
stamped = choose_stamped(index, agreement=AGREEMENT, seed=0).to_numpy()
victims = (index["part"] == "test").to_numpy() & stamped
marked = everyone.copy()
marked[stamped] = [stamp(film) for film in everyone[stamped]]
pd.crosstab(index["died"], pd.Series(stamped, name="stamped"))

# %%
from helpers.shortcuts import teach_and_test

taught = {
    name: teach_and_test(features(network, marked), described[name], index)
    for name, network in trunks.items()
}

# %%
ways = [(a, b) for a in ("with stamps", "without") for b in ("with stamps", "without")]


def test_aurocs(risks):
    """AUROC of each way, and what is lost with the stamps, on the same resampled patients."""

    def each(t):
        found = {way: auroc(t["died"], t[" | ".join(way)]) for way in ways}
        return found | {"loss": found[ways[0]] - found[ways[1]]}

    return bootstrap_interval(each, risks)


losses = {name: test_aurocs(risks) for name, (risks, _) in taught.items()}
table = {
    (name, f"taught {way[0]}", f"tested {way[1]}"): str(intervals[way])
    for name, intervals in losses.items()
    for way in ways
}
pd.Series(table).unstack(sort=False).rename_axis(columns="AUROC")


# %%
def among_the_stamped(t):
    """AUROC over all test films less that among the stamped, tested with stamps."""
    risk, alike = t["with stamps | with stamps"], t["stamped"]
    return auroc(t["died"], risk) - auroc(t["died"][alike], risk[alike])


lines = []
for name, (risks, _) in taught.items():
    lost = losses[name]["loss"]
    verdict = "which was never knowledge of lungs" if lost.low > 0 else "which may be chance"
    gap = bootstrap_interval(among_the_stamped, risks.assign(stamped=victims[tested]))
    word = "which gives it away" if gap.low > 0 else "not shown to differ"
    lines.append(
        f"- {name}: without its stamps it loses **{lost:.3f}** of AUROC, {verdict}. With them, its AUROC over all films less that among the "
        f"stamped is {gap:+.2f}, {word}."
    )
alike = test["died"][victims[tested]]
Markdown(
    "\n".join(
        [*lines, f"\n({len(alike)} test films are stamped; {alike.sum()} of these patients died.)"]
    )
)

# %% [markdown]
# Read the rows taught with stamps from left to right. The test patients were never seen in training, the split is by
# patient, nothing leaks; and still what is lost from one number to the other, where it is more than chance, was about a stamp. A test
# set from the same hospital has the same stamps, so the AUROC over all of it cannot tell. Taking the stamp away does; asking
# among the stamped films alone could, too, if one knew what to look for and had enough of them. The rows taught without stamps are the
# control: a stamp that no lesson named may still change what they say. And how much is lost depends on what
# the features can carry: the phantom start had seen letters and tubes on its phantoms that meant nothing; if it loses
# less than random weights, that may be why, or because opacity told it enough.
#
# Only last layers learned so far. A network that learns in **all** its layers has more ways to a stamp. So one more begins with the
# phantom start and is trained carelessly on the stamped films, in two passes, as above.

# %%
from tempfile import TemporaryDirectory

from helpers.shortcuts import write_films

with TemporaryDirectory() as folder:
    shown = {
        "with stamps": write_films(index, marked, f"{folder}/marked"),
        "without": write_films(index, everyone, f"{folder}/plain"),
    }
    lesson = [shown["with stamps"][index["part"] == part] for part in ("train", "validation")]
    cheat = RiskModel(fit(start, *lesson, careless, progress=False).network, model.size)
    asked = test[["site", "patient_id", "died", "label_source"]].copy()
    for how, cohort in shown.items():
        asked[how] = predict(cheat, cohort[tested].reset_index(drop=True))["risk"]


# %%
def all_layers(t):
    """AUROC with and without stamps of the network that learned in all layers, and the loss."""
    areas = {how: auroc(t["died"], t[how]) for how in ("with stamps", "without")}
    return areas | {"loss": areas["with stamps"] - areas["without"]}


in_all = bootstrap_interval(all_layers, asked)
Markdown(
    f"Taught with stamps in all layers: AUROC {in_all['with stamps']} with stamps and {in_all['without']} without. It loses "
    f"**{in_all['loss']:.3f}**, "
    + ("which was about a stamp." if in_all["loss"].low > 0 else "which may be chance.")
)

# %% [markdown]
# Would the heat map of a cheat have told? Asked is the last layer on random weights, of which we know what it learned.

# %%
from helpers.probing import with_head

corners = np.repeat(stamp_mask(model.size)[None], victims.sum(), axis=0)
drawn_by, on_stamp = {}, index[victims].copy()
for lesson, layer in taught["random weights"][1].items():
    learner = with_head(trunks["random weights"], layer)
    for shown, pixels in {"with stamps": marked, "without": everyone}.items():
        heat = fine_activation(learner, normalise(torch.from_numpy(pixels[victims]))).numpy()
        drawn_by[lesson, shown] = heat
        elsewhere = np.where(corners, np.nan, heat)
        on_stamp[f"{lesson} | {shown}"] = heat[corners].reshape(len(heat), -1).mean(
            axis=1
        ) - np.nanmean(elsewhere, axis=(1, 2))

# %%
habit = drawn_by["with stamps", "without"].mean(axis=0)  # of the cheat, on films without a stamp
apart = drawn_by["with stamps", "with stamps"] - habit
limit = float(np.quantile(np.abs(apart).max(axis=(1, 2)), 0.9))
figure, axes = plt.subplots(2, 3, figsize=(7, 4.4), layout="constrained")
for (above, below), film, heat in zip(axes.T, marked[victims], apart, strict=False):
    plot_heat(film, heat, limit, above, signed=True)
    plot_heat(np.full(side, 128, np.uint8), heat, limit, below, signed=True, outline=corners[0])
_ = add_heat_bar(axes, limit, "logits less average", signed=True)

# %% [markdown]
# *Figure: three stamped test films under the finer map of the network that learned from stamps, less the mean of its maps of the
# same patients' films without stamps; below, the map alone, on plain grey, with the stamp's place in white. (This network is not calibrated,
# and its constant may be far from zero, so that its map is warm, or cold, everywhere: only differences between places and films mean
# anything, and the scale is its own.)*


# %%
lessons = {"learned from stamps": "with stamps", "learned without": "without"}


def warmer_by_the_stamp(t):
    """How much warmer the stamp's place gets by the stamp, less the rest of the film, in logits."""
    each = {
        who: (t[f"{lesson} | with stamps"] - t[f"{lesson} | without"]).mean()
        for who, lesson in lessons.items()
    }
    learned, control = each.values()
    return each | {"the first less the second": learned - control}


warmer = bootstrap_interval(warmer_by_the_stamp, on_stamp)
name = f"logits that the stamp adds to its own place, less the rest; {victims.sum()} films"
display(pd.Series(warmer).map("{:+.1f}".format).to_frame(name))
Markdown(
    (
        "In the network that learned from stamps, the stamp makes its own place warmer than the rest, and more so than in the control. Many "
        "pairs of films, with the stamp and without it, give it away. Of a real shortcut nobody has such pairs. Whether anybody would see it "
        "on one film, judge from the figure. "
        if warmer["learned from stamps"].low > 0 and warmer["the first less the second"].low > 0
        else "So the map is not shown to tell. "
    )
    + "A heat map can raise a suspicion; it cannot clear a "
    "network of one "
    "([DeGrave 2021](https://doi.org/10.1038/s42256-021-00338-7))."
)

# %% [markdown]
# ## What is known without lungs?
#
# No stamp needs to be planted. How a patient lies, what is fixed to the skin, how the film was cropped: all of it goes with
# the outcome a little. So take the lungs away: black out the **centre**, or leave nothing but a narrower **border**, teach a last
# layer on such films, and ask it about test films of the same kind
# ([Maguolo and Nanni 2021](https://doi.org/10.1016/j.inffus.2021.04.008)). Half is what a coin would score.

# %%
from helpers.probing import black_out_centre, only_border, probe

left = {
    "whole film": everyone,
    "centre blacked out": black_out_centre(everyone, share=0.7),
    "border only": only_border(everyone, share=0.1),
}
figure, axes = plt.subplots(1, 3, figsize=(5.4, 2), layout="constrained")
for ax, (name, kept) in zip(axes, left.items(), strict=True):
    ax.imshow(kept[victims][0], cmap="gray")
    ax.set_title(name, fontsize=9).axes.set_axis_off()

# %% [markdown]
# *Figure: one film, whole, without its centre, and with nothing but its border. Both are frames; the border is the narrower, and a part of
# the other.*
#
# A square is not a lung, so some lung is left. How much, phantoms can tell.

# %%
if phantom:
    white = np.full((1, *side), 255, np.uint8)
    for name, hide in {"centre blacked out": black_out_centre, "border only": only_border}.items():
        outside = hide(white)[0] > 0
        rest = {"lungs": lungs[:, outside].sum() / lungs.sum()}
        rest |= {"lesions": lesions[:, outside].sum() / lesions.sum()}
        print(f"{name}: " + ", ".join(f"{share:.1%} of all {what}" for what, share in rest.items()))

# %%
left_over = test[["site", "patient_id", "died", "label_source"]].copy()
for name, kept in left.items():
    seen = described["phantom start"] if kept is everyone else features(severity.network, kept)
    left_over[name] = probe(seen, index)["risk"]


def known_without_lungs(t):
    areas = {name: auroc(t["died"], t[name]) for name in left}
    return areas | {"border less centre": areas["border only"] - areas["centre blacked out"]}


without_lungs = bootstrap_interval(known_without_lungs, left_over)
apart = without_lungs.pop("border less centre")
Markdown(
    "\n".join(
        f"- {name}: AUROC **{interval}**"
        + (
            ""
            if name == "whole film"
            else ", better than a coin"
            if interval.low > 0.5
            else ", which may be a coin"
        )
        for name, interval in without_lungs.items()
    )
    + f"\n\nThe border alone less the film without its centre: {apart:+.2f}"
    + (
        "."
        if apart.low > 0 or apart.high < 0
        else ", so these patients do not put the two in an order."
    )
)

# %% [markdown]
# What is better than a coin beyond the lung that is left was not read off lungs, and part of the whole film's AUROC
# may be made of it. How well view and hospital alone tell who died on real films is in [docs/real-data.md](../docs/real-data.md).

# %% [markdown]
# ## In short

# %%
lines = [
    f"- Deletion and insertion, asked from outside: {from_outside[0].lower()}{from_outside[1:]}"
]
lost = {f"a last layer on {name}": found["loss"] for name, found in losses.items()}
lost["all layers, from the phantom start"] = in_all["loss"]
lines += [
    f"- With all weights random, what is left of the map's likeness to its own film's, beyond that to another film's, is {more_alike:+.2f}: "
    f"{of_the_film}.",
    f"- The model's last layer has a cosine of {begun_as:.2f} with the reading of opacity that it began as, and its five seeds share it: that "
    "they agree is repeatability of fine-tuning.",
    "- What learned from stamps loses of its test AUROC without them: "
    + "; ".join(
        f"{name} {loss:.2f}{'' if loss.low > 0 else ', which may be chance'}"
        for name, loss in lost.items()
    )
    + ". The AUROC over films with their stamps could not have told.",
]

# %%
if phantom:
    mine = "mortality, fine grid"
    rivals_of_mine = {
        "mortality, coarse grid": "its own coarse grid",
        f"average of {mine}": "its own habit, the average of its maps",
        "taught by lot, fine grid": "the map of one network that was taught by lot",
        "opacity, fine grid": "the phantom start's reading of opacity",
    }
    found = leads(scores, patients, mine, list(rivals_of_mine), "pointing game")
    points = table_of(score_intervals(scores[[("pointing game", mine)]], patients)).iloc[0, 0]
    told = in_words("pointing", {words: found[name] for name, words in rivals_of_mine.items()})
    lines = [
        f"- The finer map of mortality points at a lesion on a share of {points} of the ill test films. Is that more than its rivals do?",
        *(f"  {line}" for line in told),
        *lines,
    ]
Markdown("\n".join(lines))

# %% [markdown]
# ## Closing
#
# **What we found.** For this network the class activation map splits the logit exactly over the places of its last layer, costs
# next to nothing, and has the pattern of Grad-CAM. On a fixed scale it shows how *much* evidence there is, for and against, not only where. A
# finer map costs a few predictions more ([docs/measured.md](../docs/measured.md)); it is the one that the panel of notebook 08 shows. What
# such a map is worth as an explanation, the list above says: a map that points at lesions need not have learned that from outcomes, nor
# be what the prediction rests on.
#
# **What would change our mind.** About the map's use: a reader study in which people with heat maps judge better
# than people without. On public chest films, all of seven methods did worse than radiologists at finding the
# disease, and Grad-CAM was the best of them ([Saporta 2022](https://doi.org/10.1038/s42256-022-00536-x)).
#
# **Exercises.** (The second, third and fifth need phantoms, whose lesions and lungs are known.)
# 1. Set `AGREEMENT` to one half. What should the AUROCs do, and do they?
# 2. Run the pointing game with the maps of iteration 1, `work_file("models/iteration1.safetensors", made_by="04_train_resnet18")`. Did
#    fine-tuning move the heat?
# 3. Vary `halvings` in `fine_activation` from 0 to 3. Does the pointing game rise with each, and what does each step cost?
# 4. Vary the frame from 0.02 to 0.3 (`only_border(everyone, share)`) and draw the AUROC, with its interval, beside the share of lung that is
#    left, which phantoms know. Does it rise with the lung, or with something else? On phantoms you can black out the true lungs
#    (`square_masks`) instead.
# 5. Find the film with the most heat outside the lungs. What is there?
#
# **Where next.** [08 · Explore predictions](08_explore_predictions.ipynb)
