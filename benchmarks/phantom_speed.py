"""How many phantom films one core draws in a second, for benchmarks.phantoms."""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from helpers.reporting import markdown_table
from phantoms.film import Film, render
from phantoms.randomisation import disturb, draw_look, draw_patient

SPEED_SIZE, SPEED_FILMS, SPEED_RUNS = 128, 40, 3


def speed() -> str:
    """Films a second that one core draws, best of three runs."""
    rates = [
        (name, f"{max(_films_a_second(draw) for _ in range(SPEED_RUNS)):.0f}")
        for name, draw in (
            ("a cohort's look", render_plain),
            ("randomised, as for pretraining", render_randomised),
        )
    ]
    return (
        f"## Speed\n\nFrontal and lateral films of {SPEED_SIZE} px on one core, best of "
        f"{SPEED_RUNS} runs of {SPEED_FILMS} films.\n\n"
        + markdown_table(pd.DataFrame(rates, columns=["film", "films a second"]))
    )


def render_plain(rng: np.random.Generator) -> Film:
    return render(draw_patient(rng), size=SPEED_SIZE)


def render_randomised(rng: np.random.Generator) -> Film:
    patient = draw_patient(rng)
    return disturb(render(patient, size=SPEED_SIZE, look=draw_look(patient, rng)), rng)


def _films_a_second(draw: Callable[[np.random.Generator], Film]) -> float:
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(SPEED_FILMS):
        draw(rng)
    return SPEED_FILMS / (time.perf_counter() - start)
