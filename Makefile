# The commands of this project, the same on a laptop and in CI.
PY := .venv/bin/python

.PHONY: help test lint types docs fuzz bench serve demo quickstart clean

help:  ## list these commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

test:  ## everything that must hold before a change lands
	python3 tools/test.py

fuzz:  ## files changed at random against the scan and real loaders, for about an hour
	FUZZ_CASES=200000 FUZZ_SEED=$${FUZZ_SEED:-2} $(PY) -m pytest tests/unit/domain/scanning/test_fuzz.py

quickstart:  ## a real model, registered, pulled and predicting
	python3 tools/quickstart.py

lint:  ## style and import arrows
	.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/lint-imports

types:  ## strict typing of the source
	.venv/bin/mypy --strict -p modelyard

docs:  ## write the generated pages of the documentation anew
	$(PY) tools/write_docs.py

bench:  ## compare with what else there is on this machine; prints tables
	$(PY) -m benchmarks

serve:  ## run a registry in ./modelyard-data
	.venv/bin/modelyard serve

demo:  ## fill a running registry with trained models
	.venv/bin/modelyard demo

clean:  ## remove what the commands above made
	rm -rf .venv .venv-quickstart .mypy_cache .ruff_cache .import_linter_cache
