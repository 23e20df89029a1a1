# %% [markdown]
# # 08 · Explore predictions
#
# > **After this notebook you can** show the network any chest radiograph and read what it answers: a risk in
# > words, a heat map on a fixed scale, and warnings; and say what such an answer is worth.
# >
# > **You need** nothing but curiosity. Notebooks 06 and 07 say how good the answers are.
# >
# > **Time** less than a minute on two cores. **Data** your own file, or one of the drawn examples.
# >
# > **Not for clinical use.** This is a teaching model. Nothing it says is about a person.

# %%
import sys

sys.path.insert(0, "..")  # the notebooks live beside helpers/

from helpers.cohorts import data_in_use

data_in_use()

# %%
from helpers.cohorts import work_file
from helpers.panel import load_seeds, upload_panel
from helpers.training import RiskModel
from phantoms.examples import example_films

path = work_file("models/iteration2.safetensors", made_by="05_fine_tune")
model, others = RiskModel.load(path), load_seeds(path)

# %% [markdown]
# ## Choose a film
#
# A PNG, a JPEG or a DICOM file of up to 100 MB, or one of the drawn films below. The file goes to the kernel
# that runs this notebook, in pieces, and nowhere else. It is not written to disk, and neither it nor the answer
# is saved with the notebook. Besides the model, four networks answer that learned from other draws of the same hospital's
# patients (notebook 05): they show how much of an answer is chance.

# %%
upload_panel(model, example_films(), others=others, paths=True)

# %% [markdown]
# *Figure: the upload panel. A file chooser, a box for a path and buttons with example films; below them, after a choice,
# the predicted risk in words; bars of dying and surviving, each beside the bar without a film; the film, the same
# film under its map with a colour bar, and the picture that the network saw, at its own size; a slider for the map's
# opacity, a switch for evidence against death, a text summary of the map, and buttons that download the result. In
# a saved notebook it is empty: run the cell, or open the web page with `make app`. The repository has [a picture of it](../docs/panel.jpg).*
#
# **Where it works.** In JupyterLab and on the web page, where a real browser tests it with every change. The makers of
# `anywidget`, which carries the panel, also name VS Code and Google Colab. There it has not been tried; both get the
# widget's code from the internet, so without a network nothing will appear. Should an upload not move, the path box reads a
# film from the machine where the kernel runs, without sending anything (in Colab, first drop the file into the folder
# view). The web page has no such box: its visitors must not read the server's files. And `analyse`, below, needs
# no panel at all.

# %% [markdown]
# ## How to read the answer
#
# **The risk** is calibrated on validation patients, of whom few died: it is *meant* as how many of a hundred patients like
# those, with this answer, die (invented ones, where the model was taught on phantoms: of a real patient it then says nothing), and may be off by a good part of itself (notebook 06 has the intervals). For people elsewhere, at another time, treated differently, it may be far off
# (notebook 06). It stands beside the share of the patients it was taught and tuned on who died, which is what one would guess
# without a film. If the two bars are alike, the film moved the risk little: because it says little, or because what it says for and against
# death cancels; the summary below the map tells which. The mark on the bars is a range, no interval of 95 %: it reaches from the
# lowest to the highest answer of all networks: the model, and four that went on from iteration 1, in all layers, with other draws of the same
# patients. So it shows how much this film's answer hangs on who happened to be there and on the seed. Iteration 1 they have in
# common, and other hospitals and wrong labels fool all networks alike: the whole uncertainty is larger. *The
# model's threshold* lies just below the risk of the last validation patient whom it has to catch, to catch eight in ten of those who died.
#
# **The heat map** shows evidence for death by place, in logits of the calibrated risk; the switch adds evidence
# against it. The scale is the same for every film: compare the map with its colour bar, which fades with the slider. On black parts of a
# film weak colour hardly shows. The peaks alone may mislead, for evidence on one side may be outweighed by the other: the last sentence of
# the summary says what both come to, which is what moves the risk.
# This is the finer map of notebook 07: the same weights, asked at places 8 pixels apart in the picture that the network saw, each
# the middle of a square of 32 pixels, though its value may hang on the whole picture. Every fourth place down and across belongs to
# the network's own grid; the mean of these, plus a constant, is the logit of the predicted risk. (In the outermost 16 pixels no place has its
# middle: the colour of the nearest one is drawn out to the edge.) The places between add nothing to it, but with them the hottest point can fall between
# those of the coarse grid. Whether it then falls on a lesion more often, and how much of that is habit (the average map of all films,
# which looks at none), notebook 07 measures. A convincing map is no proof of a sound reason either.
#
# **Warnings** do not block. A network answers any picture, a cat's too, and with confidence. So `helpers/input_checks.py`
# looks at the picture itself: its colours, its size and shape, how much of it has one single grey, and whether it is
# like the frontal chest films that networks learn from. Examples come below.
#
# **The status line** goes through *sending*, *reading*, *checking* and *predicting*, and ends as done, done with
# warnings, or failed. A file that cannot be read gets a sentence that says why. The last result then stays, marked as old, and
# the next file works as if nothing had happened.

# %% [markdown]
# ## The same without a panel
#
# `analyse` takes the bytes of a file and returns everything the panel shows.

# %%
from helpers.panel import analyse
from helpers.panel_words import sentences

name, data = next(iter(example_films().items()))
answer = analyse(data, model, others)
print(f"{name}; warnings: {len(answer.warnings)}")
print(*sentences(answer), answer.summary, sep="\n")

# %% [markdown]
# ## When the answer may be worth nothing
#
# Noise, and the example spoiled in several ways. The network answers all. Read the warnings, compare the risks with that of the
# intact film, and notice that a risk alone would not have told you.

# %%
import cv2
import numpy as np

upright = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
noise = np.random.default_rng(0).integers(0, 256, (300, 300)).astype(np.uint8)
odd = {
    "noise": noise,
    "upside down": upright[::-1],
    "light and dark exchanged": 255 - upright,
    "one shoulder": upright[:150, :180],
    "with colours": np.stack([upright // 4, upright // 2, upright], axis=2),
}
answers = {
    name: analyse(cv2.imencode(".png", picture)[1].tobytes(), model)
    for name, picture in odd.items()
}

# %%
from IPython.display import Markdown

Markdown(
    "\n".join(
        f"- **{name}**: {one.words}. Warnings: {' '.join(one.warnings) or 'none.'}"
        for name, one in {"intact": answer, **answers}.items()
    )
)

# %% [markdown]
# *That* something is strange the checks say more reliably than *what*: which of the reasons above are right?

# %% [markdown]
# ## Closing
#
# **What we found.** The network has an answer to everything. What makes an answer useful is what stands beside
# it: the risk without a film, the scale of the map, the warnings, and the intervals of notebook 06.
#
# **What would change our mind.** About *not for clinical use*: nothing, for this model. Another one would need prospective studies at several
# hospitals in today's patients, proof that patients fare better for it, and approval as a medical device.
#
# **Exercises.**
# 1. Photograph one of the drawn films on your screen with your telephone and upload it. Which warnings appear, and what
#    happens to the risk?
# 2. Crop an example to one lung. Does the panel notice? Should it?
# 3. Write another check in `helpers/input_checks.py`, which the panel and this notebook share, and count how often it is wrong:
#    `python -m benchmarks.input_checks` does that, on phantoms or on real films.
#
# **Where next.** Back to [00 · Start here](00_start_here.ipynb), with other data: README says how.
