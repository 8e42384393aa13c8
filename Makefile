# The commands of this project, the same on a laptop and in CI.
PY := .venv/bin/python

# What the corpus needs beside the test environment; kept out of it, because it is large.
CORPUS := catboost statsmodels patsy imbalanced-learn sklearn-compat category_encoders formulaic interface_meta wrapt

.PHONY: build-kills read-kills engine-kills clusters serve-kills served-image engines container manifests screenshots corpus edges forge help test lint types docs fuzz bench bench-postgres serve demo quickstart clean

help:  ## list these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

test:  ## everything that must hold before a change lands
	python3 tools/test.py

fuzz:  ## files changed at random against the scan and real loaders, for about an hour
	FUZZ_CASES=200000 FUZZ_SEED=$${FUZZ_SEED:-2} $(PY) -m pytest --timeout 14400 tests/unit/domain/scanning/test_fuzz.py

quickstart:  ## a real model, registered, pulled and predicting
	python3 tools/quickstart.py

corpus:  ## scan harmless models of all listed libraries, in every protocol
	$(PY) -m pip install -q --no-deps --target build/corpus $(CORPUS)
	MODELYARD_CORPUS=all PYTHONPATH=build/corpus $(PY) -m pytest -q -s --timeout 1800 tests/unit/domain/scanning/test_harmless.py

edges:  ## every value at the edge in every field of every operation, and every product of which the suite tries a part
	MODELYARD_EDGES=all $(PY) -m pytest -q --timeout 3600 tests/contract/test_edge_values.py \
		tests/contract/test_route_rights.py tests/contract/test_audit_rows.py tests/contract/test_facts_by_name.py \
		tests/contract/test_promotion_races.py tests/contract/test_served_bytes.py tests/contract/test_withheld.py
	MODELYARD_EDGES=all $(PY) -m pytest -q -m product

forge:  ## change numbers in fitted estimators for ten minutes; none may end the process
	MODELYARD_FORGE_SECONDS=600 MODELYARD_FORGE_SEED=$$(date +%s) $(PY) -m pytest -q --timeout 3600 tests/unit/sdk/savers/test_forged.py

lint:  ## style and import arrows
	.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/lint-imports

types:  ## strict typing of the source
	.venv/bin/mypy --strict -p modelyard -p modelyard_demo

docs:  ## write the generated pages and parts of the documentation
	$(PY) tools/write_docs.py

bench:  ## compare with what else there is on this machine; prints tables
	$(PY) -m benchmarks

bench-postgres:  ## the same on PostgreSQL
	$(PY) -m benchmarks --database postgres

clusters:  ## install Slurm and Ray for the commands below; needs root and apt-get
	command -v slurmctld >/dev/null || apt-get install -y -qq --no-install-recommends slurm-wlm munge
	test -x build/ray/bin/ray || (python3 -m venv build/ray && build/ray/bin/pip install -q "ray[default]>=2.59,<2.61")

engines: clusters  ## executors, whole builds and a few kills on real Slurm and Ray clusters
	MODELYARD_ENGINES=all MODELYARD_EDGES=all $(PY) -m pytest -q -n 0 --timeout 600 tests/contract/test_executors.py tests/doors/test_builds_on_engines.py
	MODELYARD_ENGINES=all MODELYARD_EDGES=all $(PY) -m pytest -q -n 0 --timeout 1800 tests/doors/test_build_kills.py -k "slurm or ray"

engine-kills: clusters  ## SIGKILL of server, agents, steps and every part of Slurm and Ray, fifty times each, while builds run; hours
	MODELYARD_ENGINES=all MODELYARD_EDGES=all MODELYARD_BUILD_KILLS=$${MODELYARD_BUILD_KILLS:-50} \
		MODELYARD_BUILD_KILLS_SEED=$${MODELYARD_BUILD_KILLS_SEED:-$$(date +%s)} \
		$(PY) -m pytest -q -s -n 0 --timeout 14400 tests/doors/test_build_kills.py -k "slurm or ray"

serve-kills:  ## SIGKILL of the server two hundred times while deployments move; half an hour
	MODELYARD_KILLS=200 $(PY) -m pytest -q -s -n 0 --timeout 7200 tests/doors/test_deployments.py -k kill

read-kills:  ## SIGKILL of one of two servers a hundred times while aliases and stages move and are read; a quarter of an hour
	MODELYARD_LINEARIZABLE=$${MODELYARD_LINEARIZABLE:-100} MODELYARD_LINEARIZABLE_SEED=$${MODELYARD_LINEARIZABLE_SEED:-$$(date +%s)} \
		$(PY) -m pytest -q -s -n 0 --timeout 7200 tests/doors/test_linearizable.py

build-kills:  ## SIGKILL of server, agents and steps, fifty times each, while builds run, on both databases; an hour
	MODELYARD_BUILD_KILLS=50 MODELYARD_BUILD_KILLS_SEED=$${MODELYARD_BUILD_KILLS_SEED:-$$(date +%s)} \
		$(PY) -m pytest -q -s -n 0 --timeout 7200 tests/doors/test_build_kills.py

container:  ## build the image of deploy/ without a network, and run, use and stop it; needs root, buildah, podman, runc
	$(PY) tools/container.py

served-image:  ## build a version's image, export its deployment, run it by podman and predict; needs root, buildah, podman, crun
	$(PY) tools/served_image.py

manifests:  ## check deploy/kubernetes and what builds and deployments make against the JSON schemas of Kubernetes
	$(PY) -m pip install -q --target build/manifests kubernetes-validate
	$(PY) tools/job_manifest.py >build/manifests/job.yaml
	$(PY) tools/deployment_manifest.py >build/manifests/deployment.yaml
	PYTHONPATH=build/manifests $(PY) -m kubernetes_validate --strict build/manifests/job.yaml build/manifests/deployment.yaml \
		$(filter-out %/kustomization.yaml,$(wildcard deploy/kubernetes/*.yaml deploy/kubernetes/*/*.yaml))

screenshots:  ## take the pictures in docs/ui again
	$(PY) tools/screenshots.py

serve:  ## run a registry in ./modelyard-data
	.venv/bin/modelyard serve

demo:  ## fill a running registry with trained models
	.venv/bin/modelyard demo

clean:  ## remove what the commands above made
	rm -rf .venv .venv-quickstart .mypy_cache .ruff_cache .import_linter_cache
