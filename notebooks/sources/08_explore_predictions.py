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
from helpers.panel import upload_panel
from helpers.training import RiskModel
from phantoms.examples import example_films

model = RiskModel.load(work_file("models/iteration2.safetensors", made_by="05_fine_tune"))

# %% [markdown]
# ## Choose a film
#
# A PNG, a JPEG or a DICOM file of up to 100 MB, or one of the drawn films below. The file goes to the kernel
# that runs this notebook, in pieces, and nowhere else. It is not written to disk, and neither it nor the answer
# is saved with the notebook.

# %%
upload_panel(model, example_films())

# %% [markdown]
# *Figure: the upload panel. A file chooser and buttons with example films; below them, after a choice, the predicted
# risk in words and as a bar beside the risk without a film, the film as the network saw it, the same film under
# its heat map with a colour bar, and a text summary of the map. In a saved notebook it is empty: run the cell, or open the
# web page with `make app`.*

# %% [markdown]
# ## How to read the answer
#
# **The risk** is calibrated on validation patients: of a hundred patients of that hospital who get this
# answer, about that many die. For people elsewhere, at another time, treated differently, it may be far off
# (notebook 06). It stands beside the share of all patients who died, which is what the model would say
# without seeing anything. If the two bars are alike, the film told it little.
#
# **The heat map** shows evidence for death by place, in logits of the calibrated risk. The scale is the same
# for every film, so a pale map means little evidence. It is coarse, it leaves out evidence against, and
# a convincing map is no proof of a sound reason (notebook 07).
#
# **Warnings** do not block. A network answers any picture, a cat's too, and with confidence. So the panel looks at
# the picture itself:

# %%
import pandas as pd

from helpers import input_checks
from helpers.film_kinds import film_kinds

limits = film_kinds().card["limits"]
pd.DataFrame(
    [
        (
            "colours: a photograph?",
            "mean spread of red, green, blue",
            f"> {input_checks.MOST_COLOUR:g} of 255",
        ),
        ("few pixels", "shorter side", f"< {model.size} px"),
        ("odd shape", "width / height", f"< {input_checks.NARROWEST} or > {input_checks.WIDEST}"),
        ("cropped, masked", "share of a single grey", f"> {input_checks.MOST_IN_ONE_GREY}"),
        (
            "turned, inverted, lateral, CT, cropped, no film",
            "Mahalanobis distance from frontal films less that from another kind, halved",
            f"> {limits['strangeness']:.0f}",
        ),
        ("other layout", "correlation with the mean film", f"< {limits['resemblance']:.2f}"),
    ],
    columns=["warning", "what is measured", "when"],
).set_index("warning")

# %% [markdown]
# **The status line** goes through *sending*, *reading* and *predicting*, and ends as done, done with warnings, or
# failed. A file that cannot be read gets a sentence that says why. The last result then stays, marked as old, and
# the next file works as if nothing had happened.

# %% [markdown]
# ## The same without a panel
#
# `analyse` takes the bytes of a file and returns everything the panel shows.

# %%
from helpers.panel import analyse

name, data = next(iter(example_films().items()))
answer = analyse(data, model)
print(
    f"{name}: {answer.words}, without a film {answer.base_rate:.0%}; warnings: {len(answer.warnings)}"
)
print(answer.summary)

# %% [markdown]
# ## When the answer is worth nothing
#
# Two pictures that are no radiographs: noise, and the example upside down. The network answers both. Read the
# warnings, and notice that the risk alone would not have told you.

# %%
import cv2
import numpy as np

upright = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
noise = np.random.default_rng(0).integers(0, 256, (300, 300)).astype(np.uint8)
odd = {"noise": noise, "upside down": upright[::-1]}
answers = {
    name: analyse(cv2.imencode(".png", picture)[1].tobytes(), model)
    for name, picture in odd.items()
}

# %%
from IPython.display import Markdown

Markdown(
    "\n".join(
        f"- **{name}**: {one.words}. Warnings: {' '.join(one.warnings) or 'none.'}"
        for name, one in answers.items()
    )
)

# %% [markdown]
# ## Closing
#
# **What we found.** The network has an answer to everything. What makes an answer useful is what stands beside
# it: the risk without a film, the scale of the map, the warnings, and the intervals of notebook 06.
#
# **What would change our mind.** About *not for clinical use*: nothing in this series. It would take
# prospective studies at several hospitals, in today's patients.
#
# **Exercises.**
# 1. Photograph a radiograph on a screen with your telephone and upload it. Which warnings appear, and what
#    happens to the risk?
# 2. Crop an example to one lung. Does the panel notice? Should it?
# 3. Write a sixth check in `helpers/input_checks.py`, and count on phantoms how often it is wrong.
#
# **Where next.** Back to [00 · Start here](00_start_here.ipynb), with other data: README says how.
