# %% [markdown]
# # 07 · Explain
#
# > **After this notebook you can** draw the heat map of a network and say what its colours mean; test whether
# > it points at the disease, with a score, an interval and three honest rivals, and against a network that was
# > taught to read opacity; destroy the network bit by bit and see whether the map notices; and show how a
# > network cheats without its heat map telling.
# >
# > **You need** notebooks 04 and 05. A little linear algebra helps, once.
# >
# > **Time** about two minutes on two cores. **Data** phantom lesions, and radiologists' outlines on ieee8023
# > films: see the table.
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
index = index[index["label_source"] == "observed"]

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
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

few = images[:8]
with GradCAM(model.network, [model.network.layer4[-1]]) as package:
    theirs = package(few, [ClassifierOutputTarget(0)] * len(few))

# %%
from helpers.saliency import to_own_range

ours = to_own_range(class_activation(model.network, few)[1].numpy())
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
from helpers.panel import HEAT_LIMIT

set_matplotlib_formats("jpeg", pil_kwargs={"quality": 88})  # films take a third of the space
extremes = [int(test["risk"].argmax()), int(test["risk"].argmin())]
_, maps = class_activation(model.network, images, scale=model.slope)
maps = maps.numpy()

# %%
figure, axes = plt.subplots(1, 4, figsize=(8, 2.3), layout="constrained")
for column, place in enumerate(extremes):
    own = max(float(maps[place].max()), 1e-6)
    plot_heat(films.images[place], maps[place], own, axes[column]).set_title("own scale")
    plot_heat(films.images[place], maps[place], HEAT_LIMIT, axes[2 + column]).set_title(
        "fixed scale"
    )
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
    f"{HEAT_LIMIT:g} logits."
)

# %% [markdown]
# The unit is the logit of the *calibrated* risk. A place with +1 says: a film that looked like this everywhere
# would have e ≈ 2.7 times the odds of death of a film with no evidence.

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
# A score alone says nothing: lesions are large, and mostly at the same places. So three rivals play too, each the
# same for all films: a **centred blob**, the network's own **average map**, and **chance**, equally warm everywhere.
# And the network gets a second try: its **map less the average** map, which leaves only what is about the film.

# %%
import pandas as pd

from helpers.cohorts import cohort_root, is_phantom
from helpers.radiographs import preprocess_mask
from helpers.saliency import centred_blob, heat_share, pointing_chance, pointing_game

TOLERANCE = model.size / 32  # px


def score(signed, lesions, lungs):
    """Three scores a film for the network's maps, and the same for their rivals."""
    maps, average = np.maximum(signed, 0), signed.mean(axis=0)
    rivals = {
        "class activation map": maps,
        "map less average": np.maximum(signed - average, 0),
        "centred blob": np.repeat(centred_blob(maps.shape[1:])[None], len(maps), axis=0),
        "average map": np.repeat(np.maximum(average, 0)[None], len(maps), axis=0),
        "chance": np.ones_like(maps),
    }
    columns = {}
    for name, heat in rivals.items():
        hits = pointing_game(heat, lesions, tolerance=TOLERANCE)
        columns["pointing game", name] = (
            pointing_chance(lesions, tolerance=TOLERANCE)
            if name == "chance"
            else hits.astype(float)
        )
        columns["heat in lesions", name] = heat_share(heat, lesions)
        columns["heat in lungs", name] = heat_share(heat, lungs)
    return pd.DataFrame(columns)


# %%
def intervals(scores, patients):
    """Mean of every score with its interval over patients."""
    flat = scores.set_axis([" | ".join(names) for names in scores.columns], axis=1)
    table = flat.assign(patient_id=np.asarray(patients))
    found = bootstrap_interval(lambda t: t[list(flat.columns)].mean().to_dict(), table)
    rows = [(*name.split(" | "), i.estimate, i.low, i.high) for name, i in found.items()]
    columns = ["score", "map", "estimate", "low", "high"]
    return pd.DataFrame(rows, columns=columns).set_index(["score", "map"]).sort_index()


# %%
phantom = is_phantom("sbu")
if phantom:
    from phantoms import truth
    from phantoms.truth import load_masks

    known = truth(cohort_root("sbu").parent, "sbu").set_index("image_path")
    pairs = [load_masks(known.loc[path, "mask_path"]) for path in test["image_path"]]
    lungs, lesions = (
        np.stack([preprocess_mask(mask, model.size) for mask in masks])
        for masks in zip(*pairs, strict=True)
    )
    ill = lesions.any(axis=(1, 2))
    print(f"{ill.sum()} test films show lesions, {(~ill).sum()} show none and cannot be scored")

# %%
if phantom:
    signed = class_activation(model.network, images, scale=model.slope, relu=False)[1].numpy()
    scores = score(signed[ill], lesions[ill], lungs[ill])
    result = intervals(scores, test.loc[ill, "patient_id"])
    display(result.round(2))
else:
    print("The SBU cohort is real: nobody knows where its lesions are, so this part is left out.")

# %% [markdown]
# In the figure, compare the five rows of each score. Points beyond the reach of another row's interval are
# differences that another sample of patients would probably show as well.

# %%
from helpers.figures import plot_intervals

if phantom:
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.4), layout="constrained", sharey=True)
    for ax, name in zip(axes, ["pointing game", "heat in lesions", "heat in lungs"], strict=True):
        rows = result.loc[name].loc[scores[name].columns]
        plot_intervals(rows.rename_axis("name").reset_index(), ax, xlabel="mean over test films")
        ax.set(title=name, xlim=(0, 1))

# %% [markdown]
# *Figure: for each score, five dots with 95 % intervals on a scale from 0 to 1, one each for the class activation map, the
# map less the average, the centred blob, the average map and chance.*


# %%
def compare(scores, patients):
    """Say how far the network's maps are ahead of each rival, with paired intervals."""
    leads = {
        f"{what} | {rival}": scores[what, "class activation map"] - scores[what, rival]
        for what in ("pointing game", "heat in lesions")
        for rival in ("map less average", "centred blob", "average map", "chance")
    }
    table = pd.DataFrame(leads).assign(patient_id=np.asarray(patients))
    found = bootstrap_interval(lambda t: t[list(leads)].mean().to_dict(), table)
    for name, lead in found.items():
        what, rival = name.split(" | ")
        verdict = "ahead of" if lead.low > 0 else "behind" if lead.high < 0 else "level with"
        named = rival if rival == "chance" else f"the {rival}"
        yield f"- {what}: the map is **{verdict}** {named}, difference {lead}"


if phantom:
    display(Markdown("\n".join(compare(scores, test.loc[ill, "patient_id"]))))

# %% [markdown]
# *Level with* means that the interval of the difference contains zero. Before blaming or praising the network, keep two
# things in mind. The map is far too coarse to trace a lesion. And each place of the last layer looks at most
# of the film, so it may speak for something it saw elsewhere: the map says where the evidence *arrived*,
# which need not be where the disease is.

# %% [markdown]
# ## A network that was taught where to look
#
# The phantom start (notebook 04) was never told who died. It was taught on phantoms which share of the lungs is opaque.
# Phantoms know more: *where* they are opaque. A share of an area is a mean over places, just like the network's output, so
# it was taught place by place: its class activation map of the opaque share was itself compared with the true
# lesions. Real films hardly ever come with that truth. The unit is plainer than a logit: a place with 1 is opaque lung
# throughout.

# %%
from torch.nn import functional

from helpers.severity import COLUMNS, SHARES, SeverityModel

severity = SeverityModel.load()


def share_maps(images, name):
    """What each place adds to a share: its mean over the places is the share read off the film as it is."""
    number = COLUMNS.index(name)
    target, constant = SHARES[number], severity.network.fc.bias[number].detach()
    _, grid = class_activation(severity.network, images, output=number, relu=False, upsample=False)
    return target.centre + target.scale * (grid + constant)


def opacity_maps(cohort):
    """Share of each place of each film that is opaque lung, at the size of the risk's maps."""
    seen = normalise(Radiographs(cohort, severity.size).batch(slice(None)))
    lung_area = share_maps(seen, "lung_area").mean(dim=(1, 2), keepdim=True)
    opaque = (share_maps(seen, "opaque_share") * lung_area).clamp(min=0)
    side = (model.size, model.size)
    return functional.interpolate(opaque[:, None], side, mode="bilinear")[:, 0].numpy()


opacity = opacity_maps(test)

# %% [markdown]
# Below, the same films under both maps; on phantoms the true lesions are outlined. Look for whether the
# two are warm at the same places, and which of them keeps to the outlines.

# %%
shown = test["risk"].argsort()[::-1].iloc[[0, len(test) // 4, len(test) // 2]]
figure, axes = plt.subplots(2, 3, figsize=(7, 4.4), layout="constrained")
for (above, below), place in zip(axes.T, shown, strict=True):
    plot_heat(films.images[place], maps[place], HEAT_LIMIT, above)
    plot_heat(films.images[place], opacity[place], 1, below)
    if phantom and lesions[place].any():
        for ax in (above, below):
            ax.contour(lesions[place], levels=[0.5], colors="white", linewidths=0.8)
    above.set_title(f"risk {test['risk'].iloc[place]:.0%}", fontsize=9)
add_heat_bar(axes[0], HEAT_LIMIT, "mortality (logits)")
_ = add_heat_bar(axes[1], 1, "share of opaque lung")

# %% [markdown]
# *Figure: three test films from the highest risk to a middling one. Above, the map of the risk of death; below, where
# the phantom start reads opaque lung. White lines, on phantoms, are the edges of the true lesions.*


# %%
from helpers.evaluation import Interval

SCORES = ["pointing game", "heat in lesions", "heat in lungs"]


def set_beside(risk_maps, opacity_maps, lesions, lungs, patients):
    """Score both networks' maps, and their paired differences, opacity less mortality."""
    risk, opacity = (score(heat, lesions, lungs) for heat in (risk_maps, opacity_maps))
    columns = {(what, "chance"): risk[what, "chance"] for what in SCORES}
    for kind in ("class activation map", "map less average"):
        for what in SCORES:
            columns[what, f"mortality, {kind}"] = risk[what, kind]
            columns[what, f"opacity, {kind}"] = opacity[what, kind]
            columns[what, f"difference, {kind}"] = opacity[what, kind] - risk[what, kind]
    table = intervals(pd.DataFrame(columns), patients).reset_index()
    table["shown"] = [str(Interval(row.estimate, row.low, row.high)) for row in table.itertuples()]
    return table.pivot(index="map", columns="score", values="shown")[SCORES]


if phantom:
    patients = test.loc[ill, "patient_id"]
    display(set_beside(signed[ill], opacity[ill], lesions[ill], lungs[ill], patients))

# %% [markdown]
# Read the two rows of differences, and then chance. The two networks were asked different things, and a film
# shows more about death than opacity, so this is no contest. It is a yardstick. Architecture, grid and kind of map are
# the same, and iteration 2 even began with the weights of the phantom start; but its labels said only who died, never
# where. So what separates the rows is what was taught, not how a map is drawn.

# %% [markdown]
# A map is not the only way to say where. Six more outputs of the start are opaque shares of *zones*: upper, middle and
# lower third of each lung. Within each film we compare their order with the true one. The rival, which looks at no
# film, gives every film the average order: COVID-19 lies low, so it is often right.

# %%
from helpers.severity import ZONES, predict_severity


def zone_shares(lungs, lesions):
    """True opaque share of the zones of a film; the patient's right is left in the picture."""
    rows, columns = np.nonzero(lungs)
    shares = {}
    for side, inside in {
        "right": columns < columns.mean(),
        "left": columns >= columns.mean(),
    }.items():
        y, x = rows[inside], columns[inside]
        third = 3 * (y - y.min()) // (np.ptp(y) + 1)
        for number in set(third):
            there = third == number
            shares[f"opaque_{side}_{ZONES[number]}"] = lesions[y[there], x[there]].mean()
    return shares


# %%
def zones_found(cohort, lungs, lesions):
    """Do the start and the average film name a most opaque zone, and do they rank the zones?"""
    truth = pd.DataFrame(map(zone_shares, lungs, lesions), index=cohort.index)
    read = predict_severity(cohort)[truth.columns]
    average = pd.DataFrame([truth.mean()] * len(truth), index=truth.index)
    columns = {}
    for name, guess in {"phantom start": read, "average film": average}.items():
        top = [truth.at[film, zone] for film, zone in guess.idxmax(axis=1).items()]
        columns["most opaque zone", name] = (top == truth.max(axis=1)).astype(float)
        columns["order of zones", name] = truth.corrwith(guess, axis=1, method="spearman")
    for what in ("most opaque zone", "order of zones"):
        ours, theirs = columns[what, "phantom start"], columns[what, "average film"]
        columns[what, "difference"] = ours - theirs
    table = intervals(pd.DataFrame(columns), cohort["patient_id"]).reset_index()
    table["shown"] = [str(Interval(row.estimate, row.low, row.high)) for row in table.itertuples()]
    return table.pivot(index="map", columns="score", values="shown").rename_axis(index="by")


if phantom:
    display(zones_found(test[ill], lungs[ill], lesions[ill]))

# %% [markdown]
# *Most opaque zone* is the share of films on which the zone that is named is truly the most opaque, *order of zones*
# the mean rank correlation within a film. Whatever the start does here is about *this* film only as far as it
# beats the average one.

# %% [markdown]
# ## And on outlines that a radiologist drew?
#
# Radiologists outlined ground-glass and consolidation on ieee8023 films
# ([GeneralBlockchain](https://github.com/GeneralBlockchain/covid-19-chest-xray-segmentations-dataset), CC BY 4.0). Where that
# cohort is real, this is truth that nobody here made. Only numbers are shown. (The network may have met
# some of these films in iteration 1, but never an outline.)

# %%
from helpers.cohorts import load_annotations, outline_mask
from helpers.radiographs import read_radiograph

LESIONS = ["Ground Glass Opacities", "Consolidation"]
LUNGS = ["Left Lung", "Right Lung"]
outlines = load_annotations(cohort_root("ieee8023")).outlines
ieee8023 = load_cohort("ieee8023")
outlined = ieee8023[ieee8023["image_path"].isin(outlines["image_path"])].reset_index(drop=True)


def masks_of(kinds):
    """Outlines of these kinds on every outlined film, as the network sees the film."""
    masks = []
    for path in outlined["image_path"]:
        mask = outline_mask(outlines, path, kinds, read_radiograph(path).shape)
        masks.append(preprocess_mask(mask, model.size))
    return np.stack(masks)


# %%
if len(outlined):
    outlined_images = normalise(Radiographs(outlined, model.size).batch(slice(None)))
    _, outlined_maps = class_activation(
        model.network, outlined_images, scale=model.slope, relu=False
    )
    drawn, drawn_lungs = masks_of(LESIONS), masks_of(LUNGS)
    found = drawn.any(axis=(1, 2))
    outlined_scores = score(outlined_maps.numpy()[found], drawn[found], drawn_lungs[found])
    outlined_patients = outlined.loc[found, "patient_id"]
    display(intervals(outlined_scores, outlined_patients).round(2))

# %%
if len(outlined):
    beside = (outlined_maps.numpy()[found], opacity_maps(outlined)[found])
    display(set_beside(*beside, drawn[found], drawn_lungs[found], outlined_patients))
    whole = found & drawn_lungs.any(axis=(1, 2))
    display(zones_found(outlined[whole], drawn_lungs[whole], drawn[whole]))

# %%
if len(outlined):
    source = "phantom" if is_phantom("ieee8023") else "real"
    heading = (
        f"{found.sum()} outlined {source} films of {outlined_patients.nunique()} patients:\n\n"
    )
    display(Markdown(heading + "\n".join(compare(outlined_scores, outlined_patients))))
else:
    print("No outlines are here: `python -m helpers.downloads segmentations` brings the real ones.")

# %% [markdown]
# ## Does the map show the network, or only the film?
#
# Some methods draw much the same picture whatever the network has learned; they find edges
# ([Adebayo 2018](https://arxiv.org/abs/1810.03292)). The test: give the last layer fresh random weights, then
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

# %% [markdown]
# ## The same question from outside
#
# **Occlusion** needs to know nothing of the network's inside: cover a square with mean grey, and see by how much
# the logit falls. It is slower (a prediction per square), and it answers a different question: what *changes* if
# this place is hidden? Look for places on which the two maps disagree.

# %%
from helpers.saliency import occlude

by_risk = test.index[test["risk"].argsort()[::-1]][::10]  # every tenth film, the highest risk first
patch = model.size // 4
falls = model.slope * occlude(model.network, images[by_risk], patch=patch, stride=patch // 2)

# %%
figure, axes = plt.subplots(2, 3, figsize=(6.8, 3.8), layout="constrained")
for row, number in zip(axes, (0, len(by_risk) // 2), strict=True):
    place, fall = by_risk[number], falls[number]
    row[0].imshow(films.images[place], cmap="gray")
    row[0].set_title("film").axes.set_axis_off()
    plot_heat(films.images[place], maps[place], HEAT_LIMIT, row[1]).set_title("class activation")
    plot_heat(films.images[place], fall, HEAT_LIMIT / 8, row[2]).set_title("occlusion")
add_heat_bar(axes, HEAT_LIMIT, "class activation (logits)")
_ = add_heat_bar(axes, HEAT_LIMIT / 8, "occlusion: fall of logit")

# %% [markdown]
# *Figure: two test films, of the highest and of a middling risk: the film, its class activation map, and its
# occlusion map. Occlusion has a finer scale of its own, since one square is a small part of a film.*

# %%
from scipy.stats import spearmanr

_, both_signs = class_activation(model.network, images[by_risk], scale=model.slope, relu=False)
pairs = zip(both_signs.numpy(), falls, strict=True)
agreement = test.loc[by_risk].assign(rank=[spearmanr(a, b, axis=None).statistic for a, b in pairs])
mean = bootstrap_interval(lambda t: t["rank"].mean(), agreement)
Markdown(
    f"Mean rank correlation of the two maps over {len(by_risk)} films, evidence against included: **{mean}**. One "
    "would mean that they order all places alike. Each place that the network sees is informed by its "
    "surroundings, so hiding a square changes its neighbours too: neither map is *the* explanation."
)

# %% [markdown]
# ## A shortcut, planted
#
# Patients too ill to walk are radiographed in bed, and the technician marks the film PORTABLE. The word goes
# with death and causes none. What does a network do with such a gift? We stamp the films of most patients who
# died and of few who survived, in all three parts. The network of notebook 05 keeps its eyes; only its last layer
# learns anew. Then the same test patients are shown **without** any stamp.

# %%
from helpers.cohorts import work_root
from helpers.shortcuts import choose_stamped, stamp_mask, write_films

AGREEMENT = 0.9  # share of those who died with a stamp, and of those who survived without
stamped = choose_stamped(index, agreement=AGREEMENT, seed=0)
marked = write_films(index, stamped, work_root() / "shortcut" / "marked")
plain = write_films(index, stamped & False, work_root() / "shortcut" / "plain")
pd.crosstab(marked["died"], marked["stamped"])

# %%
from helpers.finishing import finish_model
from helpers.training import TrainingConfig, fit

head_only = TrainingConfig(size=model.size, epochs=0, head_epochs=40, head_rate=3e-2)


def train_on(cohort, title):
    """Teach the last layer on the cohort's training part; calibrate on its validation part."""
    parts = [cohort[cohort["part"] == part] for part in ("train", "validation")]
    network = fit(model.network, *parts, head_only, progress=False).network
    return finish_model(network, *parts, head_only, title=title, start="iteration 2")


cheat, honest = train_on(marked, "learned with stamps"), train_on(plain, "learned without")

# %%
from helpers.evaluation import auroc


def test_auroc(network, cohort):
    """Discrimination of the test patients, with its interval."""
    seen = predict(network, cohort[cohort["part"] == "test"])
    return str(bootstrap_interval(lambda t: auroc(t["died"], t["risk"]), seen))


pd.DataFrame(
    {
        "tested with stamps": [test_auroc(cheat, marked), test_auroc(honest, marked)],
        "tested without": [test_auroc(cheat, plain), test_auroc(honest, plain)],
    },
    index=["trained with stamps", "trained without"],
)

# %%
both = predict(cheat, marked[marked["part"] == "test"])
both["risk_without"] = predict(cheat, plain[plain["part"] == "test"])["risk"].to_numpy()
fall = bootstrap_interval(
    lambda t: auroc(t["died"], t["risk"]) - auroc(t["died"], t["risk_without"]), both
)
Markdown(
    f"Without its stamps the network that learned with them loses **{fall}** of AUROC"
    + (": that much was never knowledge of lungs." if fall.low > 0 else ", which may be chance.")
)

# %% [markdown]
# Read the first row from left to right. The test patients were never seen in training, the split is by patient,
# nothing leaks; and still what is lost from the first number to the last was about a stamp. A test set from the
# same hospital has the same stamps, so it cannot tell. Only taking the stamp away does.
#
# Would the heat map have told?

# %%
victims = marked[(marked["part"] == "test") & marked["stamped"]].reset_index(drop=True)
victim_films = Radiographs(victims, model.size)
victim_images = normalise(victim_films.batch(slice(None)))
_, cheat_maps = class_activation(cheat.network, victim_images, scale=cheat.slope)
in_stamp = heat_share(
    cheat_maps.numpy(), np.repeat(stamp_mask(model.size)[None], len(victims), axis=0)
)

# %%
figure, axes = plt.subplots(1, 3, figsize=(7, 2.5), layout="constrained")
for ax, film, heat in zip(axes, victim_films.images, cheat_maps.numpy(), strict=False):
    plot_heat(film, heat, HEAT_LIMIT, ax)
_ = add_heat_bar(axes, HEAT_LIMIT, "logits")

# %% [markdown]
# *Figure: three stamped test films under the heat maps of the network that learned from stamps. The stamp is at
# the upper left.*

# %%
share = bootstrap_interval(lambda t: t["share"].mean(), victims.assign(share=in_stamp))
corner = stamp_mask(model.size).mean()
Markdown(
    f"Of the heat on stamped films, {share:.0%} lies on the stamp, which covers {corner:.0%} of the picture. "
    + (
        "More than chance: whoever thinks of looking there can find it. "
        if share.low > corner
        else "No more than chance: the map does not tell. "
    )
    + "The rest lies elsewhere. A heat map can raise a suspicion; it cannot clear a "
    "network of one "
    "([DeGrave 2021](https://doi.org/10.1038/s42256-021-00338-7))."
)

# %% [markdown]
# ## Closing
#
# **What we found.** For this network the class activation map is exact, costs nothing, and equals Grad-CAM. On a
# fixed scale it shows how *much* evidence there is, not only where. It depends on the learned weights. How much of
# it belongs to the film and how much to the network's habits, and whether it finds lesions better than a blob
# in the middle, are numbers with intervals, printed above, and the answer may be no. And a network can use a
# stamp without its map saying so.
#
# **What would change our mind.** About the map's use: a reader study in which people with heat maps judge better
# than people without. On public chest films, all of seven methods did worse than radiologists at finding the
# disease, and Grad-CAM was the best of them ([Saporta 2022](https://doi.org/10.1038/s42256-022-00536-x)).
#
# **Exercises.**
# 1. Set `AGREEMENT` to one half. What should the four AUROCs do, and do they?
# 2. Run the pointing game with the maps of iteration 1. Did fine-tuning move the heat?
#    And where does the phantom start see *dense* opacity (`output=COLUMNS.index("density_right_lower")`)?
# 3. Draw the signed map (`relu=False`) of a low-risk film. Which parts speak for survival?
# 4. Find the film with the most heat outside the lungs. What is there?
#
# **Where next.** [08 · Explore predictions](08_explore_predictions.ipynb)
