# Every target makes what it needs: a virtual environment with the tested versions comes first.
PYTHON ?= python3
VENV := .venv
CONSTRAINTS := constraints.txt
BIN := $(VENV)/bin
READY := $(VENV)/ready

# The oldest supported versions. transformers 5.17 needs huggingface_hub<2, datasets 5.2 needs huggingface_hub>=1.31.
OLDEST := torch==2.11.0 transformers==5.17.0 datasets==5.2.0 huggingface_hub==1.31.0 tokenizers==0.23.1 accelerate==1.3.0 matplotlib==3.11.0

export TOKENIZERS_PARALLELISM := false

.DEFAULT_GOAL := help
.PHONY: help demo demo-vision demo-read demo-ask app cards test test-oldest test-newest lint format

help: ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

$(READY): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit("hf_attention needs Python 3.11 or newer; set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable '.[dev]'
	@touch $@

demo: $(READY) ## train on dates (about two minutes on two cores), show translations and attention, reload
	$(BIN)/python scripts/demo.py

demo-vision: $(READY) ## train on digits (about a minute on two cores), show attention over images, reload
	$(BIN)/python scripts/demo_vision.py

demo-read: $(READY) ## train to read rows of digits (less than two minutes on two cores), show the path of the attention
	$(BIN)/python scripts/demo_read.py

demo-ask: $(READY) ## train to answer questions about colored shapes (about three minutes on one core), show where the answers come from
	$(BIN)/python scripts/demo_ask.py

app: $(READY) outputs/bahdanau-dates/all_results.json outputs/compact-vit-digits/all_results.json ## serve an app that shows the demos' models
	$(BIN)/python scripts/app.py

outputs/bahdanau-dates/all_results.json: | $(READY)
	$(BIN)/python scripts/demo.py

outputs/compact-vit-digits/all_results.json: | $(READY)
	$(BIN)/python scripts/demo_vision.py

test: $(READY) ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test-oldest: ## run the tests with the oldest supported versions
	mkdir -p build
	grep -v $(foreach pin,$(OLDEST),-e '^$(firstword $(subst ==, ,$(pin)))==') constraints.txt > build/oldest.txt
	printf '%s\n' $(OLDEST) >> build/oldest.txt
	$(MAKE) test VENV=.venv-oldest CONSTRAINTS=build/oldest.txt

test-newest: ## run the tests with the newest versions of all dependencies
	$(MAKE) test VENV=.venv-newest CONSTRAINTS=/dev/null

cards: demo demo-vision ## regenerate the cards and models in model_cards/ from runs of the demos
	$(BIN)/python scripts/update_model_cards.py

lint: $(READY) ## check style, spelling and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos
	$(BIN)/ty check

format: $(READY) ## fix style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
