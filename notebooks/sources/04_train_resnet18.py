# %% [markdown]
# # 04 · Train ResNet18
#
# > **After this notebook you can** train a ResNet18 on a few hundred films with class weights; read its
# > learning curves and see overfitting in them; and say what class weights do to the predicted risks.
# >
# > **You need** notebooks 01 (the split) and 02 (the labels), and an idea of what a neural network is.
# >
# > **Time** about two minutes on two cores. **Data** ieee8023, real or phantom: see the table.
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

from helpers.cohorts import load_cohort, profile, work_file, work_root
from helpers.imputation import label_films, load_labels
from helpers.splits import load_split

films = load_split(
    work_file("split.csv", made_by="01_explore_the_cohorts"), load_cohort("ieee8023")
)
films = label_films(films, load_labels(work_file("labels.csv", made_by="02_impute_the_labels")))
pd.crosstab(films["part"], films["label_source"], values=films["patient_id"], aggfunc="nunique")

# %% [markdown]
# The table counts patients. **Training** may use imputed labels: a label that is right more often than not
# still teaches. **Validation** and **test** may not: a model judged on guessed labels is judged on how well
# it agrees with the guesser. So only patients with an observed outcome are there.

# %%
train, validation, test = (films[films["part"] == part] for part in ("train", "validation", "test"))

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
            "accuracy of always the same answer": majority_rate(
                table.drop_duplicates("patient_id")["died"]
            ),
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
# the middle of the film itself. In training each film is also turned, shifted, scaled and re-exposed a little,
# anew each time, so that the network cannot learn a film by heart. It is never mirrored: the heart is on the
# left. Look for the same film in six slightly different versions.

# %%
import torch

from helpers.figures import plot_films
from helpers.radiographs import Radiographs, normalise
from helpers.training import TrainingConfig, augment

config = TrainingConfig(size=128 if profile() == "quick" else 224, epochs=12, patience=6)
one = Radiographs(train.head(1), config.size)
six = augment(normalise(one.batch([0] * 6)), torch.Generator().manual_seed(0))
grey = (six[:, 0] * 0.226 + 0.449).clamp(0, 1).numpy()  # undo the normalisation, to look at it
_ = plot_films(grey, [f"version {number}" for number in range(1, 7)], columns=6)
# %% [markdown]
# *Figure: one training film in six versions, each turned by a few degrees, shifted, scaled and with another
# brightness. The heart stays on the right side of the picture, the patient's left.*

# %% [markdown]
# ## Where the weights start
#
# ResNet18 has eleven million weights. Few hundred films cannot set them all, so it matters where they start:
# at random, or from a network that has learned to see something else (ImageNet: a million photographs).

# %%
from helpers.training import build_resnet18, choose_start

start, why = choose_start(profile())
network = build_resnet18(start, seed=config.seed)
why

# %% [markdown]
# ## Overfitting, seen once
#
# First a network that is allowed to learn by heart: few films, no early stop. Watch the two curves part.

# %%
from dataclasses import replace

from helpers.figures import plot_learning_curves
from helpers.training import fit

few = pd.concat([train[train["died"]].head(20), train[~train["died"]].head(40)])
by_heart = fit(network, few, validation, replace(config, epochs=12, patience=99))
_ = plot_learning_curves(by_heart.history)
# %% [markdown]
# *Figure: learning curves of a network trained on few films without an early stop. One line is the loss on
# the films it learns from, the other the loss on patients it never sees.*

# %%
from IPython.display import Markdown

losses = by_heart.history["validation_loss"]
Markdown(
    f"Validation loss was lowest after epoch **{losses.idxmin() + 1}** ({losses.min():.2f}) and ended at "
    f"**{losses.iloc[-1]:.2f}**, while training loss went from {by_heart.history['train_loss'].iloc[0]:.2f} to "
    f"{by_heart.history['train_loss'].iloc[-1]:.2f}. What is learned after the lowest point is about these "
    "films, not about patients."
)

# %% [markdown]
# ## Iteration 1, with class weights
#
# Deaths are rare, so a network that ignores them has a low loss already. *Class weights* let a death count as
# much as the survivors together. Training stops when the validation patients' loss no longer falls, and
# the network of the best epoch is kept.

# %%
weighted = fit(network, train, validation, config)
_ = plot_learning_curves(weighted.history)
# %% [markdown]
# *Figure: learning curves of iteration 1 on all training films, with the epoch of the lowest validation loss
# kept.*

# %% [markdown]
# ## What class weights do to risks
#
# Keep the trained layers and fit only the last one anew, once with class weights and once without. That takes
# seconds and changes nothing else. Then compare the mean predicted risk of the validation patients with the
# share of them who died, and look at which of the two heads means what it says.

# %%
from helpers.evaluation import auroc, bootstrap_interval, pool_by_patient
from helpers.training import RiskModel, predict

head = replace(config, head_epochs=40, epochs=0)
heads = {
    name: RiskModel(
        fit(weighted.network, train, validation, replace(head, class_weights=used)).network,
        config.size,
    )
    for name, used in {"class weights": True, "no weights": False}.items()
}


def describe(model, films):
    patients = pool_by_patient(predict(model, films))
    rank = bootstrap_interval(lambda t: auroc(t["died"], t["risk"]), patients)
    return {
        "mean risk": patients["risk"].mean(),
        "share who died": patients["died"].mean(),
        "AUROC (95 % interval)": str(rank),
    }


compared = pd.DataFrame({name: describe(model, validation) for name, model in heads.items()}).T
compared

# %%
raised = compared.loc["class weights", "mean risk"] / compared.loc["no weights", "mean risk"]
Markdown(f"Class weights multiplied the mean predicted risk by **{raised:.1f}**.")

# %% [markdown]
# Weights do not make a network see more; they make it speak louder. Training pretended that deaths are as
# common as survivals, so the risks answer for a hospital in which half of the patients die
# ([Carriero 2025](https://doi.org/10.1016/j.jclinepi.2025.111723)). For *ranking* patients that matters
# little: compare the last column, with its intervals. For telling a person a number it does, and it has to be undone.

# %% [markdown]
# ## Calibrated, described, stored
#
# Two numbers, fitted on validation patients, turn the network's logit into a risk that means what it says; a
# third is the threshold at which a patient counts as "predicted to die". All three come from validation
# patients. Test patients decide nothing.

# %%
from helpers.finishing import finish_model

model = finish_model(
    weighted.network,
    train,
    validation,
    config,
    title="iteration 1: ieee8023, class weights",
    start=start,
)
model.card["calibration_note"]

# %%
calibrated = {"before": RiskModel(weighted.network, config.size), "after": model}
pd.DataFrame({name: describe(one, validation) for name, one in calibrated.items()}).T

# %% [markdown]
# After calibration the mean risk is close to the share who died, and the AUROC hardly moves: calibration changes
# risks, not ranks. (These are the patients on whom it was fitted, here with all their films; notebook 06 asks
# others, once each.)
#
# The model is stored as *safetensors*, which holds numbers only, with a JSON description beside it. A pickled
# model can run code when it is opened, so pickles are refused.

# %%
model.save(work_root() / "models" / "iteration1")
card = {key: value for key, value in model.card.items() if key not in ("mean_film", "training")}
pd.json_normalize(card).T.rename(columns={0: "iteration 1"})

# %% [markdown]
# ## First look at the test patients

# %%
pd.DataFrame({"test patients": describe(model, test)}).T

# %% [markdown]
# The interval is the message: with this few deaths, very different models would be compatible with what we
# saw. Notebook 05 goes on at a hospital with more patients.

# %% [markdown]
# ## Closing
#
# **What we found.** A network of millions of weights learns a few hundred films by heart unless it is stopped;
# class weights raise every risk and are undone by calibration; and on this cohort we can hardly tell how good
# the model is.
#
# **What would change our mind.** About the weights: a seed-by-seed comparison in which weighted training ranks
# test patients clearly better. About the uncertainty: more patients with an observed outcome.
#
# **Exercises.**
# 1. Train once more with `seed=1`. By how much does the test AUROC change, and how does that compare with the
#    interval?
# 2. Train on observed labels only (`train[train["label_source"] == "observed"]`). Better or worse? Can you tell?
# 3. Turn the augmentation off (look for `augment` in `helpers/training.py`). What happens to the curves?
#
# **Where next.** [05 · Fine-tune](05_fine_tune.ipynb)
