"""The ieee8023 collection: ``metadata.csv`` and ``images/``, as of June 2020.

Published cases from everywhere, with the columns, value sets, missingness and mistakes of the
collection: CT slices, laterals and other diseases among the films, rows without a picture, one
file name under two patients, PNGs called .jpg, question marks, and films of the Hannover
collection under other patient ids. Pictures are rendered at no more than 384 pixels and enlarged
to the collection's sizes (157 to 4,280 pixels wide), so large ones hold no more detail.
"""

from phantoms.publish.ieee8023.finish import later_metadata
from phantoms.publish.ieee8023.layout import FOLDER, Plan, plan, shared_outputs

__all__ = ["FOLDER", "Plan", "later_metadata", "plan", "shared_outputs"]
