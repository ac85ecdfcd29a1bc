# ENCLAVE's front door: `make help` says what there is. The work is done by CMake and Ninja in
# build/; this file only gives it short names and sees to it that what it needs is installed.

BUILD ?= build
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
TEST_JOBS ?= 6
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 20
SEED ?= 1
STEPS ?= 20000

all: setup $(BUILD)/build.ninja ## build the programs into build/
	@ninja -C $(BUILD) -j $(JOBS) programs

demo: all ## play the main job before your eyes; FILE=/path/to/any puts a file of yours
	@ENCLAVE_BUILD=$(abspath $(BUILD)) scripts/demo $(if $(FILE),--file "$(FILE)")

test: setup $(BUILD)/build.ninja ## install what is missing, build, run every test
	@ninja -C $(BUILD) -j $(JOBS)
	@ctest --test-dir $(BUILD) --output-on-failure -j $(TEST_JOBS)

asan: setup ## the same tests under address, undefined and leak sanitizers
	@cmake -S . -B build-asan -G Ninja -DENCLAVE_SANITIZE=ON >build-asan.log || { cat build-asan.log; exit 1; }
	@rm -f build-asan.log
	@ninja -C build-asan -j $(JOBS)
	@ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 \
	  ENCLAVE_PATIENCE=$${ENCLAVE_PATIENCE:-4} ctest --test-dir build-asan --output-on-failure -j $(TEST_JOBS)

sim: setup $(BUILD)/build.ninja ## one run of the simulator: make sim SEED=1 STEPS=20000
	@ninja -C $(BUILD) -j $(JOBS) sim
	@$(BUILD)/sim --seed $(SEED) --steps $(STEPS)

sim-long: setup $(BUILD)/build.ninja ## 10,000 seeds with all faults, JOBS at a time; goes on where it was stopped
	@ninja -C $(BUILD) -j $(JOBS) sim
	@JOBS=$(JOBS) STATE=$(BUILD)/sim-long scripts/sim-long --bin $(BUILD)/sim --from $(or $(FROM),1) --to $(or $(TO),10000)

faults: setup $(BUILD)/build.ninja ## every write of the stores made to fail, one by one, in every way (make test takes a share)
	@ninja -C $(BUILD) -j $(JOBS) test_faults
	@FAULTS_ALL=1 $(BUILD)/test_faults

fuzz: ## each fuzz target for FUZZ_SECONDS (20) with clang's libFuzzer
	@scripts/setup lint
	@scripts/fuzz $(FUZZ_SECONDS)

lint: ## formatting, clang-tidy, and the rules of the house
	@scripts/setup lint
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@ninja -C $(BUILD) -j $(JOBS) programs
	@scripts/lint --build $(BUILD)

bench: all ## measure; JOB=name runs one job
	@ENCLAVE_BUILD=$(abspath $(BUILD)) scripts/bench $(JOB)

install: all ## install programs, libenclave and its header below PREFIX (/usr/local)
	@cmake --install $(BUILD) --prefix $(PREFIX)

clean: ## forget everything that was built
	@rm -rf build build-asan build-fuzz build-asan.log

help: ## this list
	@echo "make TARGET:"
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-10s %s\n", $$1, $$2 }'

setup:
	@scripts/setup

$(BUILD)/build.ninja: CMakeLists.txt
	@cmake -S . -B $(BUILD) -G Ninja $(CMAKE_ARGS)

.PHONY: all demo test asan sim sim-long faults fuzz lint bench install clean help setup
