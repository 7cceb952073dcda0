# Included by the Makefile. Containers are built and run by Docker, or by podman where there is no Docker engine.

.PHONY: images up down test-containers

images: .venv/test.stamp .tools/containers/stamp ## Build the images of both tiers; installs podman where there is no engine and it may
	deploy/containers/install.sh
	deploy/containers/images.sh

up: images ## Run both tiers in containers, on 127.0.0.1:8000 or GATEWAY_PORT
	deploy/containers/compose.sh up --detach --wait
	@echo 'The gateway is at http://127.0.0.1:$(or $(GATEWAY_PORT),8000)/docs; make down stops it.'

down: ## Stop and remove the containers; the images stay
	deploy/containers/compose.sh --profile '*' down

# Of the raw data alone, whatever the data folder of this machine holds.
test-containers: export IMAGE_TAG := test
test-containers: export TWOTIER_DATA := $(CURDIR)/build/containers/data
test-containers: .venv/test.stamp .tools/containers/stamp ## Build both images and run them as the tests in tests/containers want
	deploy/containers/install.sh
	rm -rf $(TWOTIER_DATA) && mkdir -p $(TWOTIER_DATA) && cp -r data/raw $(TWOTIER_DATA)
	deploy/containers/images.sh
	$(BIN)/python -m pytest --timeout 300 tests/containers

.tools/containers/stamp: deploy/containers/requirements.txt | .tools/stamp
	$(PYTHON) -m venv --without-pip $(@D)
	.tools/bin/pip --python $(@D)/bin/python install --quiet --require-hashes --requirement $<
	@touch $@
