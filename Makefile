# make study   the main job: train, prune, quantize, export, explain and compare a small network on real images
# make test    all checks and tests, then the edge tests once more on a base install without extras
# make check   format, lint, types, import laws, spelling
# make bench   measurements; each writes a table and a JSON to runs/bench
# make bench-peers   the last of them alone: beside Captum, Xplique and DIANNA, each in an environment of its own
# make bench-firmware   codes, sizes and instructions of generated C, and its wire
# make peers-test  masks and maps against the libraries that our conventions are named after
# make pi-test  the edge tests on an emulated Raspberry Pi; make pi32-test some of them on one of 32 bits
# make models  rebuild the ready-made networks in models/ from their recipes
#
# Each makes the virtual environment that it needs when there is none.

PYTHON ?= python3
VENV ?= .venv
BASE_VENV ?= .venv-base
PIP_FLAGS ?= --quiet --disable-pip-version-check
BIN := $(VENV)/bin

study: $(VENV)/host.stamp
	$(BIN)/samewhy study studies/fashion.toml --out runs/fashion

# A file is one worker's: what its tests share is made once.
test: check base-test
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

# What a Raspberry Pi gets: the wheel without extras, and nothing of this checkout on its path.
base-test: $(BASE_VENV)/base.stamp
	$(BASE_VENV)/bin/python -m pytest tests/edge -p no:cacheprovider

bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.noise
	$(BIN)/python -m benchmarks.efficiency
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.coverage
	$(BIN)/python -m benchmarks.verdicts
	$(BIN)/python -m benchmarks.faithfulness
	$(BIN)/python -m benchmarks.shortcut
	$(BIN)/python -m benchmarks.serve
	$(BIN)/python -m benchmarks.peers

# Makes .venv-peer-captum, -xplique and -dianna when they are missing: the peers' pins conflict.
bench-peers: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.peers

# Needs gcc, gcc-arm-none-eabi and qemu-system-arm.
bench-firmware: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.bit_exact
	$(BIN)/python -m benchmarks.firmware
	$(BIN)/python -m benchmarks.wire

# Masks and maps against the installed Captum, Xplique, TorchRay and zennit, in an environment of their own; our client against a
# running MLServer, in another: its protobuf is newer.
peers-test: $(VENV)-peers/peers.stamp $(VENV)-mlserver/mlserver.stamp
	MLSERVER=$(abspath $(VENV)-mlserver/bin/mlserver) $(VENV)-peers/bin/python -m pytest tests/peers

$(VENV)-mlserver/mlserver.stamp: Makefile
	$(PYTHON) -m venv $(VENV)-mlserver
	$(VENV)-mlserver/bin/pip install $(PIP_FLAGS) 'mlserver>=1.7,<2'
	touch $@

$(VENV)-peers/peers.stamp: pyproject.toml
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/pip install $(PIP_FLAGS) -e '.[peers]' pytest hypothesis
	$(VENV)-peers/bin/pip install $(PIP_FLAGS) --no-deps torchray zennit==0.4.6 # both name torchvision; neither what we ask of them imports it
	$(VENV)-peers/bin/pip install $(PIP_FLAGS) click pillow # zennit's other needs
	touch $@

# All edge tests on an emulated Raspberry Pi (aarch64); needs qemu-user-static, and a quarter of an hour or more.
pi-test: $(VENV)/dev.stamp
	PYTHON=$(BIN)/python tests/pi/build.sh .pi
	env -u PYTHONPATH .pi/python -m pytest -q -p no:cacheprovider tests/edge

# The same bytes on a 32-bit Pi, whose interpreter is the last tflite-runtime and whose numpy is Debian's.
pi32-test: $(VENV)/dev.stamp
	PYTHON=$(BIN)/python tests/pi/build.sh .pi32 armhf
	SAMEWHY_PI=.pi32 SAMEWHY_PI_ARCH=armhf $(BIN)/python -m pytest tests/pi

models: $(VENV)/host.stamp
	for name in fashion_ds_cnn fashion_resnet8; do \
		$(BIN)/samewhy release models/$$name/recipe.toml --out models/$$name || exit; \
	done

fix: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/host.stamp: pyproject.toml data/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP_FLAGS) -e data -e '.[host]'
	touch $@

$(VENV)/dev.stamp: pyproject.toml $(VENV)/host.stamp
	$(BIN)/pip install $(PIP_FLAGS) -e data -e '.[host,bridge,serve,dask,dev]'
	touch $@

$(BASE_VENV)/base.stamp: pyproject.toml $(shell find edge host firmware_bridge -name '*.py')
	$(PYTHON) -m venv $(BASE_VENV)
	$(BASE_VENV)/bin/pip install $(PIP_FLAGS) --force-reinstall --no-deps .
	$(BASE_VENV)/bin/pip install $(PIP_FLAGS) . pytest hypothesis
	touch $@

clean:
	rm -rf $(VENV) $(BASE_VENV) $(VENV)-mlserver .venv-peer-* build dist

.PHONY: study test check base-test bench bench-peers bench-firmware peers-test pi-test pi32-test models fix clean
