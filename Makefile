# Commands for developers. GOEXPERIMENT=simd lets the networks use the processor's
# vector instructions.
export GOEXPERIMENT := simd

GO      ?= go
LINT    := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
PYTHON  ?= /usr/bin/python3
PROMPT  ?= a photo of three trains
FUZZTIME ?= 20s

.PHONY: results results-accuracy results-official results-quick build demo test test-slow race arm64 amx lint fmt bench bench-peers compat deploy-check check fuzz module release

build: ## build the program into bin/, static, without cgo
	CGO_ENABLED=0 $(GO) build -o bin/reflectionflow ./cmd/reflectionflow

demo: build ## generate images for PROMPT, with a report
	bin/reflectionflow generate "$(PROMPT)" --seed 3

# The limit of a package is for a slow or busy machine: go test's own 10 minutes are a guess about fast ones.
test: ## run all tests
	$(GO) test -timeout 25m ./...

test-slow: ## also run the tests that train and measure
	$(GO) test -tags slow -timeout 60m ./...

race: ## run the tests that have goroutines with the race detector (without pointer checks, which GoMLX fails)
	$(GO) test -race -timeout 30m -gcflags=all=-d=checkptr=0 . ./search/... ./internal/... ./conformance/... ./cmd/...
	$(GO) test -race -timeout 30m -gcflags=all=-d=checkptr=0 -run 'Pool|Threads|AttentionBits|GroupNorm|Epilogue|Join|Entries|Kept' ./cpu

arm64: ## run the tests of cpu on emulated arm64: needs qemu-aarch64-static (Debian's qemu-user-static), takes up to an hour
	GOARCH=arm64 CGO_ENABLED=0 $(GO) test -timeout 2h -exec qemu-aarch64-static ./cpu

amx: ## run the tests of cpu's products on emulated AMX: needs cgo and a processor with AVX512-BF16
	$(GO) test -tags amxemu -timeout 30m -run 'AMX|Pairs|Detect|Ints|Random|Conv|Attention|Compliance|Special|Threads|Epilogue|Kept' ./cpu

lint: ## check style, import rules and common mistakes, the latter also in tests with the tag slow
	$(GO) vet -tags slow ./...
	$(LINT) run

fmt: ## format all Go files
	$(LINT) fmt

bench: ## run the Go benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-peers: ## compare with PyTorch, onnxruntime, OpenVINO and OpenBLAS, which must be installed: tools/bench/README.md
	$(GO) build -o bin/bench-worker ./tools/bench/worker
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(PYTHON) tools/bench/openblas.py
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(PYTHON) tools/bench/engines.py

compat: build ## check files and requests with other programs: tools/compat/README.md
	$(PYTHON) tools/compat/genref.py bin/reflectionflow
	$(PYTHON) tools/compat/schemas.py runs/schemas
	COMFYUI_PYTHON=$(PYTHON) OPENAI_PYTHON=$(PYTHON) $(GO) test ./internal/service -run 'ComfyUI|SDK' -count=1

RESULTS = bin/reflectionflow evaluate --budgets 1,2,4,8,16,32 --limit 300

# The verifier of each strategy as it is, then with wrong verdicts. A strategy@4 is measured up to 4 images. SEEDS may grow:
# the same folder takes more. ACCURACY_FULL, instead of ACCURACY_PAGE, has all strategies at all rates up to 32 images.
ACCURACY = bin/reflectionflow evaluate --difficulty 0 --budgets 1,2,4,8,16,32
ACCURACY_QUICK = noise,noise+flip10,noise+flip20,noise+flip30,reflection@4,reflection+flip10@4,reflection+flip20@4,reflection+flip30@4,$\
noise+flip20s,reflection+flip20s@4,noise+stop+share@4,adaptive@4,adaptive+flip20@4,adaptive-confirm+flip20@4
ACCURACY_PAGE = noise,noise+flip10,noise+flip20,noise+flip30,reflection@4,reflection+flip10@4,reflection+flip20@4,reflection+flip30@4,$\
noise+flip20s,reflection+flip20s@4,noise+flip5,reflection+flip5@4,noise+stop+share@4,adaptive@4,adaptive+flip20@4,adaptive-confirm+flip20@4
KINDS = noise noise-prompt reflection noise+stop+share adaptive adaptive-confirm
COMMA := ,
ACCURACY_FULL = $(subst $() ,$(COMMA),$(strip $(KINDS) $(foreach rate,5 10 20 30 5s 10s 20s 30s,$(addsuffix +flip$(rate),$(KINDS)))))
SEEDS = 5
JUDGE = bin/reflectionflow evaluate judge --judge template --quiet

results: results-accuracy ## write all results pages: takes days, resumes when interrupted
	$(ACCURACY) --prompts compound:test --seeds $(SEEDS) --limit 300 --out runs/results-accuracy-compound --strategies $(ACCURACY_PAGE)
	$(JUDGE) runs/results-accuracy-compound > runs/results-accuracy-compound/template.md
	bin/reflectionflow evaluate page runs/results-accuracy-compound --into docs/results-compound.md --made-by "make results"
	$(RESULTS) --out runs/results --strategies noise,noise-prompt,reflection,noise+stop+share,adaptive,reflection+oracle,reflection+width4,$\
	reflection+detector,reflection+reward,reflection+width2,reflection+width8,reflection+width16
	$(JUDGE) runs/results > runs/results/template.md
	bin/reflectionflow evaluate page runs/results --into docs/geneval.md --made-by "make results"
	$(RESULTS) --prompts compound:test --out runs/results-compound --strategies noise,noise-prompt,reflection,noise+stop+share,adaptive,reflection+oracle
	$(JUDGE) runs/results-compound > runs/results-compound/template.md
	bin/reflectionflow evaluate page runs/results-compound --into docs/compound.md --made-by "make results"

results-accuracy: build ## write the first results page from 300 prompts and SEEDS searches each: 20 minutes of processor time a seed
	$(ACCURACY) --prompts builtin:test --seeds $(SEEDS) --limit 300 --out runs/results-accuracy --strategies $(ACCURACY_PAGE)
	$(JUDGE) runs/results-accuracy > runs/results-accuracy/template.md
	bin/reflectionflow evaluate page runs/results-accuracy --into docs/results.md --made-by "make results-accuracy SEEDS=$(SEEDS)"

results-official: build ## write docs/geneval-official.md from GenEval's file of 553 prompts, PROMPTS: 15 minutes of processor time
	bin/reflectionflow evaluate --prompts $(PROMPTS) --difficulty 0 --budgets 1,2,4 --out runs/results-official --strategies noise,reflection,noise+stop+share,adaptive
	$(JUDGE) runs/results-official > runs/results-official/template.md
	bin/reflectionflow evaluate page runs/results-official --into docs/geneval-official.md --made-by "make results-official PROMPTS=evaluation_metadata.jsonl"

results-quick: build ## write a reduced form of that page, runs/results-quick.md, from 120 prompts and one seed: under 15 minutes on two cores
	$(ACCURACY) --prompts builtin:test --limit 120 --out runs/results-quick --strategies $(ACCURACY_QUICK)
	$(JUDGE) runs/results-quick > runs/results-quick/template.md
	bin/reflectionflow evaluate page runs/results-quick --into runs/results-quick.md --made-by "make results-quick"

deploy-check: ## check the files under deploy against the schemas of Docker Compose, Kubernetes and systemd
	cd tools/deploycheck && $(GO) run . ../../deploy
	! systemd-analyze verify deploy/reflectionflow.service 2>&1 | grep -v '/usr/local/bin/reflectionflow is not executable'

check: lint test race ## run before proposing a change

# With the default of a minute for each minimization, go test spends nearly all of FUZZTIME on shortening inputs.
fuzz: ## run every fuzz target for FUZZTIME
	@grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' "$$file"); do \
			echo "$$(dirname "$$file") $$name"; \
			$(GO) test "$$(dirname "$$file")" -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x || exit 1; \
		done; \
	done

# PATH= on the command line replaces the environment's PATH in recipes. This is the original: that of make's own process
# or, without /proc, of $(shell), which GNU make before 4.4 runs in the original environment.
ENVIRONMENT_PATH = $(shell if [ -r /proc/$$PPID/environ ]; then /usr/bin/tr '\0' '\n' </proc/$$PPID/environ | /usr/bin/sed -n 's/^PATH=//p'; else echo "$$PATH"; fi)

module: ## rename the module throughout the tree: make module PATH=host/owner/name
	@PATH="$(ENVIRONMENT_PATH)" $(GO) run ./tools/module "$(if $(filter command,$(firstword $(origin PATH))),$(PATH))"

release: ## build archives, checksums and SBOMs for all platforms into dist/: make release VERSION=v1.2.3
	$(GO) run ./tools/release -version "$(VERSION)" -out dist
