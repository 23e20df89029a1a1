"""One patient whom tests of films start from."""

from phantoms.causes import Patient

PATIENT = Patient(
    sex="F",
    age=60.0,
    habitus=0.0,
    heart=0.48,
    view="PA",
    opacity=0.3,
    density=0.5,
    laterality=0.5,
    devices=frozenset(),
    site="sbu",
    portable=False,
    inspiration=0.0,
    rotation=0.0,
    anatomy_seed=7,
    film_seed=11,
)
