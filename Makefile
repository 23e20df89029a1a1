# make notebooks   run the whole series and leave executed notebooks
# make study       train every variant with several seeds and store the tables that the notebooks show
# make test        check the code, then run every test
# make lab         open JupyterLab
# make app         open notebook 08 as a web page (the first time it makes the model that this needs)
# make clean       remove the environment, the phantoms and what the notebooks made
#
# Each makes .venv first if it is missing or older than requirements.txt.
# Another Python: make PYTHON=python3.12 notebooks, after removing .venv if it is there

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: notebooks study test lab app clean requirements
.DEFAULT_GOAL := notebooks

notebooks: $(READY)
	@echo "Making the phantom cohorts, unless they are there already"
	@$(BIN)/python -m phantoms
	@echo "Running the notebooks"
	@$(BIN)/python notebooks/build.py

study: $(READY)
	@echo "Training every variant with several seeds (about an hour; a study that was stopped goes on)"
	@$(BIN)/python -m benchmarks.study

test: $(READY)
	@echo "Checking the code"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@echo "Running the tests"
	@$(BIN)/python -m pytest

lab: $(READY)
	@echo "Opening JupyterLab; stop it with Ctrl-C"
	@$(BIN)/jupyter lab notebooks/00_start_here.ipynb

app: $(READY)
	@echo "Opening the web page of notebook 08; stop it with Ctrl-C"
	@$(BIN)/python notebooks/serve.py

$(READY): requirements.txt
	@$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else \
	'Python 3.11, 3.12 or 3.13 is needed, but $(PYTHON) is %d.%d: install one and name it, as in make PYTHON=python3.12' % v)"
	@echo "Making .venv (the packages are several GB; a minute or more)"
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements.txt)"
	@$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python -r requirements.txt
	@touch $@

requirements: $(READY)
	@echo "Solving requirements.in into requirements.txt"
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--custom-compile-command "make requirements" requirements.in --output-file requirements.txt

clean:
	@echo "Removing .venv, data/phantom and data/work; data/real stays"
	@rm -rf .venv data/phantom data/work .pytest_cache .ruff_cache .mypy_cache
