# %% [markdown]
# # 07 · Explain
#
# > **After this notebook you can** draw the heat map of a network and say what its colours mean; test whether
# > it points at the disease, with a score, an interval and honest rivals; say why a coarse map misses and what helps;
# > make the network's weights, its labels and its seed random and see whether the map notices; and show how a
# > network cheats without its heat map telling.
# >
# > **You need** notebooks 04 and 05. A little linear algebra helps, once.
# >
# > **Time** about two and a half minutes on two cores. **Data** phantom lesions, and radiologists' outlines on
# > ieee8023 films: see the table.
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
from helpers.cohorts import load_cohort, select_index_films, work_file
from helpers.radiographs import Radiographs, normalise
from helpers.splits import load_split
from helpers.training import RiskModel, predict

model = RiskModel.load(work_file("models/iteration2.safetensors", made_by="05_fine_tune"))
split = work_file("split.csv", made_by="01_explore_the_cohorts")
index = load_split(split, select_index_films(load_cohort("sbu")))
index = index[index["label_source"] == "observed"].reset_index(drop=True)

# %%
test = predict(model, index[index["part"] == "test"].reset_index(drop=True))
films = Radiographs(test, model.size)
images = normalise(films.batch(slice(None)))
test.groupby("died", observed=True)["risk"].describe()[["count", "mean", "min", "max"]]

# %% [markdown]
# ## A map for the price of a prediction
#
# ResNet18 turns a film into a coarse grid of places, each described by 512 numbers. It averages over the
# places and takes one weighted sum. Averages and sums can change places: weigh first, average later. Then
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
# So the map is no guess at what the network did: it *is* what the network did, up to one average. **Grad-CAM**
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
# They are the same map, apart from rounding. Two choices are made on the way, and both hide something:
#
# - **ReLU**: negative values, evidence *against* death, are set to zero. What is dark may be silent or may
#   speak for survival.
# - **Bilinear upsampling**: the coarse grid is smoothed to the size of the film. The smooth outline is
#   interpolation; the network knows no place smaller than a cell of the grid printed above.

# %% [markdown]
# ## The mistake first: every map in full colour
#
# Most heat maps are scaled to their own maximum. Below, the film with the highest risk and the film with the
# lowest, in two scalings. On the left pair, ask which of the two patients is worse off.

# %%
import matplotlib.pyplot as plt
from matplotlib_inline.backend_inline import set_matplotlib_formats

from helpers.figures_saliency import add_heat_bar, plot_heat
from helpers.panel import HEAT_LIMIT, LITTLE_HEAT

set_matplotlib_formats("jpeg", pil_kwargs={"quality": 88})  # films take a third of the space
extremes = [int(test["risk"].argmax()), int(test["risk"].argmin())]
_, signed = class_activation(model.network, images, scale=model.slope, relu=False)
signed = signed.numpy()
maps = np.maximum(signed, 0)

# %%
figure, axes = plt.subplots(1, 4, figsize=(8, 2.3), layout="constrained")
for column, place in enumerate(extremes):
    own = max(float(maps[place].max()), 1e-6)
    weak = maps[place].max() < LITTLE_HEAT
    plot_heat(films.images[place], maps[place], own, axes[column]).set_title("own scale")
    fixed = plot_heat(films.images[place], maps[place], HEAT_LIMIT, axes[2 + column])
    fixed.set_title("fixed: little evidence" if weak else "fixed scale")
_ = add_heat_bar(axes, HEAT_LIMIT, "fixed scale: logits")

# %% [markdown]
# *Figure: the same two films twice, highest risk first. Left pair, each map scaled to its own maximum, whatever
# that is. Right pair, both on one fixed scale in logits, given by the colour bar.*

# %%
from IPython.display import Markdown, display

risks = [f"{test['risk'].iloc[place]:.0%}" for place in extremes]
peaks = [f"{maps[place].max():.1f}" for place in extremes]
Markdown(
    f"The risks are {risks[0]} and {risks[1]}, the peaks **{peaks[0]}** and **{peaks[1]}** logits. Scaled to its "
    "own maximum a map cannot say so. In this notebook and in the panel of notebook 08 the bar always ends at "
    f"{HEAT_LIMIT:g} logits, and a map that stays below {LITTLE_HEAT:g} is said to show little evidence."
)

# %% [markdown]
# The unit is the logit of the *calibrated* risk. A place with +1 says: a film that looked like this everywhere
# would have e ≈ 2.7 times the odds of death of a film with no evidence.
#
# What speaks *against* death deserves a colour, too. Below, the picture that the network really saw, small as it is,
# and beside it the evidence in two colours: orange for death, light blue against it. In this scale equal steps of
# evidence are equal steps of perceived colour, and both ends are equally light, so that neither side looks stronger
# than it is. Look for films whose two colours cancel.

# %%
by_risk = test["risk"].argsort()[::-1].to_numpy()  # places of the test films, the highest risk first
shown = by_risk[[0, len(test) // 4, len(test) // 2]]
figure, axes = plt.subplots(2, 3, figsize=(6.6, 4.2), layout="constrained")
for (above, below), place in zip(axes.T, shown, strict=True):
    above.imshow(films.images[place], cmap="gray")
    above.set_title(f"risk {test['risk'].iloc[place]:.0%}, {model.size} px").axes.set_axis_off()
    plot_heat(films.images[place], signed[place], HEAT_LIMIT, below, signed=True)
_ = add_heat_bar(axes, HEAT_LIMIT, "against and for death (logits)", signed=True)

# %% [markdown]
# *Figure: three test films from the highest risk to a middling one. Above, what the network saw; below, the same
# under the evidence against (light blue) and for death (orange), on one fixed scale.*

# %% [markdown]
# ## Is it about *this* film?
#
# A network can have habits: places where its map is warm whatever the film shows. They show when the maps of all
# test films are averaged. Look for how alike the average is to the single maps above.

# %%
average = maps.mean(axis=0)
figure, ax = plt.subplots(figsize=(3.6, 2.8), layout="constrained")
plot_heat(films.images.mean(axis=0), average, HEAT_LIMIT, ax)
_ = add_heat_bar([ax], HEAT_LIMIT, "logits")

# %% [markdown]
# *Figure: the average of all test films under the average of their heat maps.*

# %%
from helpers.evaluation import bootstrap_interval

warm = maps.max(axis=(1, 2)) > 0  # a map without any heat is like no other
likeness = [np.corrcoef(heat.ravel(), average.ravel())[0, 1] for heat in maps[warm]]
habit = bootstrap_interval(lambda t: t["likeness"].mean(), test[warm].assign(likeness=likeness))
Markdown(
    f"On {(~warm).sum()} of {len(warm)} films nothing speaks for death. On the others the mean correlation of a "
    f"film's map with the average map is **{habit}**. Zero would mean that every map is "
    "about its film alone, one that all maps are the same picture. What is common to all films cannot say why "
    "*this* patient's risk is high."
)

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
# same for all films: a **centred blob**, the **average** of the map over all films, and **chance**, equally warm
# everywhere.

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
# there may be no lesion. A **perfect** map on the same grid shows what the grid alone costs: the true share of lesions in
# each cell.
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
from torch.nn.functional import avg_pool2d, interpolate

from helpers.opacity_maps import opacity_maps
from helpers.saliency import fine_activation
from helpers.severity import SeverityModel

severity = SeverityModel.load()
side = (model.size, model.size)
fine = fine_activation(model.network, images, scale=model.slope).numpy()
opacity = opacity_maps(severity, normalise(Radiographs(test, severity.size).batch(slice(None))))
opacity = interpolate(opacity[:, None], side, mode="bilinear")[:, 0].numpy()

# %%
if phantom:
    cells = avg_pool2d(torch.from_numpy(lesions.astype("float32"))[:, None], 32)
    perfect = interpolate(cells, side, mode="bilinear")[:, 0].numpy()
    compared = {
        "perfect, coarse grid": perfect,
        "mortality, coarse grid": signed,
        "mortality, fine grid": fine,
        "opacity, fine grid": opacity,
    }
    compared = {name: heat[ill] for name, heat in compared.items()}
    scores = score_maps(compared, lesions[ill], lungs[ill])
    result = score_intervals(scores, patients)

# %% [markdown]
# In the figure, compare the rows of each score. Points beyond the reach of another row's interval are
# differences that another sample of patients would probably show as well.

# %%
from helpers.figures import plot_intervals

if phantom:
    rows = [*compared, "average of mortality, fine grid", "average of opacity, fine grid"]
    rows += ["centred blob", "chance"]
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained", sharey=True)
    for ax, (name, found) in zip(axes, result.groupby("score", sort=False), strict=True):
        found = found.set_index("map").loc[rows].rename_axis("name").reset_index()
        plot_intervals(found, ax, xlabel="mean over test films")
        ax.set(title=name, xlim=(0, 1))

# %% [markdown]
# *Figure: for each score, a row a map with its 95 % interval on a scale from 0 to 1: a perfect map on the coarse grid,
# three maps of networks, and the rivals that look at no film.*

# %%
from helpers.saliency import in_words, leads

if phantom:
    for name in ("mortality, fine grid", "opacity, fine grid"):
        rivals = ["mortality, coarse grid", "centred blob", f"average of {name}", "chance"]
        found = leads(scores, patients, name, rivals)
        display(Markdown("\n".join(in_words(f"pointing game, {name}", found))))

# %% [markdown]
# *Level with* means that the interval of the difference contains zero. Before blaming or praising a network, keep in mind
# that each place of the last layer looks at most of the film, so it may speak for something it saw elsewhere:
# the map says where the evidence *arrived*, which need not be where the disease is. And the two networks were asked
# different things; a film shows more about death than opacity. That the opacity map keeps to the lesions is due to
# what it was taught, not to how a map is drawn.
#
# Now the films themselves. Look for whether the two are warm at the same places, and which keeps to the outlines.

# %%
figure, axes = plt.subplots(2, 3, figsize=(7, 4.4), layout="constrained")
for (above, below), place in zip(axes.T, shown, strict=True):
    outline = lesions[place] if phantom else None
    plot_heat(films.images[place], fine[place], HEAT_LIMIT, above, outline=outline)
    plot_heat(films.images[place], opacity[place], 1, below, outline=outline)
    above.set_title(f"risk {test['risk'].iloc[place]:.0%}", fontsize=9)
add_heat_bar(axes[0], HEAT_LIMIT, "mortality (logits)")
_ = add_heat_bar(axes[1], 1, "share of opaque lung")

# %% [markdown]
# *Figure: three test films from the highest risk to a middling one. Above, the finer map of the risk of death; below,
# where the phantom start reads opaque lung. White lines, on phantoms, are the edges of the true lesions.*

# %% [markdown]
# ### Where the map is wrong
#
# Means hide the failures, and a good film is easily picked for a figure. These are picked by a rule: of the films on which
# the finer map of mortality misses every lesion, the three of highest risk. What is under the hottest place instead?

# %%
if phantom:
    hits = scores["pointing game", "mortality, fine grid"].set_axis(np.flatnonzero(ill))
    wrong = [place for place in by_risk if hits.get(place, 1) == 0][:3]
    figure, axes = plt.subplots(1, 3, figsize=(7, 2.5), layout="constrained")
    for ax, place in zip(axes, wrong, strict=False):
        plot_heat(films.images[place], fine[place], HEAT_LIMIT, ax, outline=lesions[place])
        top = np.unravel_index(fine[place].argmax(), fine[place].shape)
        ax.plot(top[1], top[0], "x", color="white")
        ax.set_title(f"risk {test['risk'].iloc[place]:.0%}", fontsize=9)
    add_heat_bar(axes, HEAT_LIMIT, "logits")
    print(f"{int((hits == 0).sum())} of {len(hits)} films are misses")

# %% [markdown]
# *Figure: the films of highest risk on which the map misses, with the true lesions in white and a cross at the hottest
# pixel.*

# %% [markdown]
# ### And on outlines that a radiologist drew?
#
# Radiologists outlined ground-glass and consolidation on ieee8023 films
# ([GeneralBlockchain](https://github.com/GeneralBlockchain/covid-19-chest-xray-segmentations-dataset), CC BY 4.0). Where that
# cohort is real, this is truth that nobody here made. Only numbers are shown; those of real films are in
# [docs/real-data.md](../docs/real-data.md). (The network may have met some of these films in iteration 1, but never
# an outline.)

# %%
from helpers.outlined import load_outlined

outlined = load_outlined(model.size)
if len(outlined.films):
    seen = normalise(Radiographs(outlined.films, model.size).batch(slice(None)))
    drawn = {
        "mortality, fine grid": fine_activation(model.network, seen, scale=model.slope).numpy(),
        "opacity, fine grid": opacity_maps(severity, seen).numpy(),
    }
    outlined_scores = score_maps(drawn, outlined.lesions, outlined.lungs)
    display(table_of(score_intervals(outlined_scores, outlined.films["patient_id"])))
else:
    print("No outlines are here: `python -m helpers.downloads segmentations` brings the real ones.")

# %%
if len(outlined.films):
    kind = "phantom" if is_phantom("ieee8023") else "real"
    people = outlined.films["patient_id"].nunique()
    lines = [f"{len(outlined.films)} outlined {kind} films of {people} patients:\n"]
    for name in drawn:
        rivals = ["centred blob", f"average of {name}", "chance"]
        found = leads(outlined_scores, outlined.films["patient_id"], name, rivals)
        lines += in_words(f"pointing game, {name}", found)
    display(Markdown("\n".join(lines)))

# %% [markdown]
# ## Does the map show the network, or only the film?
#
# Some methods draw much the same picture whatever the network has learned; they find edges
# ([Adebayo 2018](https://arxiv.org/abs/1810.03292)). The first test: give the last layer fresh random weights, then
# the last two stages, and so on to the first, and compare the map with the original each time. Similarity of one
# means that nothing changed. The line should fall.

# %%
from helpers.figures_saliency import plot_similarity
from helpers.saliency import randomization_similarity

similarity = randomization_similarity(model.network, images[:24])
_ = plot_similarity(similarity)
# %% [markdown]
# *Figure: similarity of the heat map to that of the trained network, from left (trained) to right (all stages
# random). A thin line for each film and a thick one for the median film.*

# %%
medians = {
    stage: bootstrap_interval(lambda t: t["similarity"].median(), rows, cluster="image")
    for stage, rows in similarity.groupby("stage", observed=True)
}
Markdown(
    f"Randomising the last layer alone takes the median similarity to **{medians['fc']}**; with every stage "
    f"random it is **{medians['conv1']}**. What remains is what two smooth maps on one coarse grid share by "
    "chance. "
    + (
        "The map depends on what was learned: it passes. Passing is necessary, not sufficient."
        if medians["conv1"].high < 0.5
        else "The map hardly depends on what was learned: it fails, and shows the film, not the network."
    )
)
