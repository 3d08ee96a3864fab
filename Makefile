# make            build/gateway and the Lua module for specs
# make run        install what is missing, build, serve the embedded mock on 127.0.0.1:8080
# make test       install what is missing, build, all specs: unit, end to end, SDKs
# make night      the state machines against their models over a million random sequences each (SEQUENCES=n), 10,000 random shortages of
#                 descriptors (SHORTAGES=n), lists of 32,000 (LENGTH=n), 100,000 requests against the table of who may (REQUESTS=n); low priority
# make check      lint, layers, modules, headers, sizes, format: what reads the code without running it
# make bench      CPU per request beside nginx; writes spec/bench/
# make sdk        real clients against the gateway: SDKs, agent frameworks, coding tools (pip, npm)
# make asan tsan  the specs under AddressSanitizer + UBSan, or ThreadSanitizer (SPECS="FILES": of the end to end specs only these)
# make fuzz       every fuzz target for T seconds (T=30)
# make deps       install the Debian packages that are missing (as root or with sudo); test-deps, check-deps, bench-deps as well
# make install    into DESTDIR/PREFIX
# make lines      how much C there is, without fuzzers and without what only specs use
# make format clean help

PREFIX  ?= /usr/local
CC      ?= cc
LUA      = lua5.4
BUILD   ?= build
SANITIZE ?=
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)

CFLAGS  ?= -O2 -g -flto=auto
WARN     = -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes -Werror
HARDEN   = -fstack-protector-strong -fvisibility=hidden -fPIC
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE= $(CFLAGS) $(WARN) $(HARDEN) $(SANITIZE) -Iruntime -I/usr/include/lua5.4 -DGATEWAY_VERSION='"$(VERSION)"' -MMD -MP
LIBS     = -lmicrohttpd -lcurl -lssl -lcrypto -llua5.4 -llua5.4-cjson -lpthread -lm

# What the Lua module leaves out: sockets, threads, the clock, and what is put together from them.
PROCESS  = $(wildcard runtime/*.c runtime/net/*.c runtime/mock/*.c runtime/gateway/*.c runtime/process/*.c runtime/lua/engine/*.c)
# What the module has alone.
SPEC     = $(wildcard runtime/lua/spec/*.c)

SOURCES  = $(filter-out runtime/fuzz/% $(SPEC),$(wildcard runtime/*.c runtime/*/*.c runtime/*/*/*.c))
OBJECTS  = $(SOURCES:runtime/%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/embedded.o
MODULE   = $(filter-out $(PROCESS),$(SOURCES)) $(SPEC)
EMBEDDED = $(sort $(filter-out lua/gateway/testing.lua,$(wildcard lua/gateway/*.lua)))

.PHONY: all reference run test unit e2e sdk night check bench asan tsan fuzz lint layers modules headers sizes lines format format-check clean deps test-deps check-deps bench-deps install help
all: $(BUILD)/gateway $(BUILD)/lua/gateway/runtime.so

help:
	@sed -n 's/^# \?//p;/^$$/q' Makefile

# ---------------------------------------------------------------- build

# libmicrohttpd's recv() and accept4() must resolve to ours (net/door.c): without that every request would be refused.
$(BUILD)/gateway: $(OBJECTS)
	@echo "  link   $@"
	@$(CC) $(CFLAGS) $(SANITIZE) -pie -Wl,-z,relro,-z,now -o $@ $^ $(LIBS)
	@[ "$$(nm -D $@ | grep -c ' T \(recv\|accept4\)$$')" = 2 ] || { echo "the door is not in place: recv or accept4 is not exported" >&2; rm -f $@; exit 1; }
	@nm -D $@ | grep -q ' T strcoll$$' || { echo "texts are not compared by lua/engine/compare.c: strcoll is not exported" >&2; rm -f $@; exit 1; }

$(BUILD)/lua/gateway/runtime.so: $(MODULE:runtime/%.c=$(BUILD)/obj/%.o)
	@mkdir -p $(@D)
	@echo "  link   $@"
	@$(CC) $(CFLAGS) $(SANITIZE) -shared -o $@ $^ -lcrypto -lm

$(BUILD)/obj/%.o: runtime/%.c
	@mkdir -p $(@D)
	@echo "  cc     $<"
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

# lua/gateway/*.lua as text inside the program, but for what users' specs need.
$(BUILD)/obj/embedded.c: $(EMBEDDED) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "lua/engine/embedded.h"'; \
	  for f in $(EMBEDDED); do n=$$(basename $$f .lua); \
	    printf 'static const unsigned char text_%s[] = {' $$n; od -An -v -tu1 $$f | sed 's/[0-9][0-9]*/&,/g'; echo '0};'; done; \
	  echo 'const struct embedded_lua embedded_lua[] = {'; \
	  for f in $(EMBEDDED); do n=$$(basename $$f .lua); printf '{"gateway.%s", (const char *)text_%s, sizeof text_%s - 1},\n' $$n $$n $$n; done; \
	  echo '};'; echo 'const unsigned embedded_lua_count = sizeof embedded_lua / sizeof *embedded_lua;'; } > $@

$(BUILD)/obj/embedded.o: $(BUILD)/obj/embedded.c
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

-include $(OBJECTS:.o=.d) $(SPEC:runtime/%.c=$(BUILD)/obj/%.d)

# Where the fields of the config go in C, and their reference: both are made from lua/gateway/fields.lua.
$(BUILD)/obj/config_fields.h: lua/gateway/fields.lua
	@mkdir -p $(@D)
	@$(LUA) -e 'io.write(dofile("$<").as_c())' > $@.new && mv $@.new $@

$(BUILD)/obj/lua/config.o: $(BUILD)/obj/config_fields.h
$(BUILD)/obj/lua/config.o: ALL_CFLAGS += -I$(BUILD)/obj

reference:
	@$(LUA) -e 'io.write(dofile("lua/gateway/fields.lua").with_reference(io.read "a"))' < examples/README.md > $(BUILD)/README.md
	@cp $(BUILD)/README.md examples/README.md

# ---------------------------------------------------------------- use

run: $(BUILD)/gateway
	@exec $(BUILD)/gateway run

# What is missing is installed, nothing else; silent when all is there. A name, or command:package where any way to have the command will do.
RUN_DEPS   = gcc:gcc libc6-dev libmicrohttpd-dev libcurl4-openssl-dev libssl-dev liblua5.4-dev lua-cjson lua-cjson-dev lua5.4:lua5.4
TEST_DEPS  = busted:lua-busted openssl:openssl lua-socket lua-filesystem python3:python3 node:nodejs npm:npm curl:curl
CHECK_DEPS = luacheck:lua-check clang-format:clang-format clang:clang libclang-rt-14-dev git:git
BENCH_DEPS = nginx:nginx-light wrk:wrk openssl:openssl python3:python3

$(OBJECTS): | deps
deps: ; @$(call install_missing,$(RUN_DEPS))
test-deps: ; @$(call install_missing,$(RUN_DEPS) $(TEST_DEPS)); \
	python3 -c 'import ensurepip' 2>/dev/null || $(call apt_install,python3-venv)
check-deps: ; @$(call install_missing,$(CHECK_DEPS))
bench-deps: ; @$(call install_missing,$(RUN_DEPS) $(BENCH_DEPS))

apt_install = { $$([ "$$(id -u)" = 0 ] || echo sudo) apt-get update -q && \
	$$([ "$$(id -u)" = 0 ] || echo sudo) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(1); }
define install_missing
missing=; for d in $(1); do case $$d in \
	*:*) command -v $${d%%:*} >/dev/null || missing="$$missing $${d##*:}";; \
	*) dpkg-query -W -f='$${Status}' $$d 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$d";; esac; done; \
	[ -z "$$missing" ] || { echo "installing:$$missing"; $(call apt_install,$$missing); }
endef

install: $(BUILD)/gateway
	install -D -m 755 $(BUILD)/gateway $(DESTDIR)$(PREFIX)/bin/gateway
	install -d $(DESTDIR)$(PREFIX)/share/gateway
	install -m 644 gateway.lua $(DESTDIR)$(PREFIX)/share/gateway/gateway.lua
	cp -R policies examples $(DESTDIR)$(PREFIX)/share/gateway/

# ---------------------------------------------------------------- specs

test: test-deps all
	@spec/run $(BUILD)

unit: all
	@spec/run $(BUILD) unit

e2e: all
	@echo "end to end specs"; GATEWAY=$(BUILD)/gateway busted --run=e2e

sdk: all
	@BUILD=$(BUILD) spec/sdk/run

# Breaker, retry and hedge, queue, limits, keys of providers, spare attempts: each spec holds a small model of its machine, and 10,000 sequences are
# part of every `make unit` (a thousand under sanitizers). A seed that fails is printed, with how to repeat it.
SEQUENCES ?= 1000000
SHORTAGES ?= 10000
# How many gateways are told to stop under load.
SIGTERMS ?= 300
# How long the lists of requests and answers are made, to see that time grows as they do.
LENGTH ?= 32000
REQUESTS ?= 100000
RANDOM_SPECS = $(addprefix spec/,routing/walk_random_spec.lua routing/wait_queue_spec.lua \
	$(addprefix shared/,health_spec.lua limiter_spec.lua key_states_spec.lua pools_spec.lua))

night: test-deps all
	@status=0; for f in $(RANDOM_SPECS); do echo "$$f: $(SEQUENCES) sequences"; \
	  SEQUENCES=$(SEQUENCES) nice -n 19 busted --cpath="$(BUILD)/lua/?.so" $$f || status=1; done; \
	echo "spec/e2e/access_random_spec.lua: $(REQUESTS) requests"; \
	REQUESTS=$(REQUESTS) GATEWAY=$(BUILD)/gateway nice -n 19 busted --run=e2e spec/e2e/access_random_spec.lua || status=1; \
	echo "spec/e2e/shortage_random_spec.lua: $(SHORTAGES) shortages"; \
	SHORTAGES=$(SHORTAGES) GATEWAY=$(BUILD)/gateway nice -n 19 busted --run=e2e spec/e2e/shortage_random_spec.lua || status=1; \
	echo "spec/e2e/memory_shortage_spec.lua: $(SHORTAGES) shortages"; \
	SHORTAGES=$(SHORTAGES) GATEWAY=$(BUILD)/gateway nice -n 19 busted --run=e2e spec/e2e/memory_shortage_spec.lua || status=1; \
	echo "spec/e2e/stop_spec.lua: $(SIGTERMS) SIGTERMs"; \
	SIGTERMS=$(SIGTERMS) GATEWAY=$(BUILD)/gateway nice -n 19 busted --run=e2e spec/e2e/stop_spec.lua || status=1; \
	echo "lists of $(LENGTH)"; LENGTH=$(LENGTH) nice -n 19 busted --cpath="$(BUILD)/lua/?.so" spec/providers/doubling_spec.lua || status=1; exit $$status

bench: bench-deps all $(BUILD)/bench/policies
	@BUILD=$(BUILD) spec/bench/run

# What a decision costs, measured inside the engine: all objects but main.
$(BUILD)/bench/%: spec/bench/%.c $(filter-out $(BUILD)/obj/main.o,$(OBJECTS))
	@mkdir -p $(@D)
	@echo "  link   $@"
	@$(CC) $(ALL_CFLAGS) -pie -o $@ $^ $(LIBS)

# The same specs in another build: build/asan, build/tsan. The end to end specs themselves run on the plain module.
asan: all
	@$(MAKE) --no-print-directory BUILD=build/asan CFLAGS="-O1 -g -fno-omit-frame-pointer" \
	  SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined" all
	@spec/sanitized build/asan asan $(SPECS)

tsan: all
	@$(MAKE) --no-print-directory BUILD=build/tsan CFLAGS="-O1 -g -fno-omit-frame-pointer" SANITIZE="-fsanitize=thread" all
	@spec/sanitized build/tsan tsan $(SPECS)

# ---------------------------------------------------------------- fuzzing

T ?= 30
FUZZERS = $(patsubst runtime/fuzz/%.c,%,$(wildcard runtime/fuzz/fuzz_*.c))
FUZZED  = $(wildcard runtime/base/*.c runtime/http/*.c runtime/providers/*.c runtime/providers/*/*.c)

fuzz: $(FUZZERS:%=$(BUILD)/fuzz/%)
	@$(LUA) spec/support/seeds.lua $(BUILD)/fuzz/seeds
	@for f in $^; do echo "  fuzz   $$f for $(T) s"; mkdir -p $$f.corpus; \
	  $$f -max_total_time=$(T) -max_len=65536 -print_final_stats=1 -verbosity=0 $$f.corpus $(BUILD)/fuzz/seeds || exit 1; done

CLANG = clang -std=gnu11 -D_GNU_SOURCE= -g -O1 -DGATEWAY_VERSION='"fuzz"' -Iruntime -fsanitize=address,undefined

$(BUILD)/fuzz/obj/%.o: runtime/%.c
	@mkdir -p $(@D)
	@$(CLANG) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/%: runtime/fuzz/%.c runtime/fuzz/fuzz_wire.h $(FUZZED:runtime/%.c=$(BUILD)/fuzz/obj/%.o)
	@mkdir -p $(@D)
	@echo "  clang  $@"
	@$(CLANG) -fsanitize=fuzzer -o $@ $(filter %.c %.o,$^) -lcrypto -lpthread -lm

.SECONDARY: $(FUZZED:runtime/%.c=$(BUILD)/fuzz/obj/%.o)
-include $(FUZZED:runtime/%.c=$(BUILD)/fuzz/obj/%.d)

# ---------------------------------------------------------------- reading the code

check: check-deps lint layers headers sizes format-check

lint:
	@echo "luacheck"; luacheck -q lua policies examples spec gateway.lua
	@echo "banned functions"; ! grep -nE '\b(sprintf|strcpy|strcat|strtok|atoi|gets|alloca|gettimeofday)\(' runtime -r --include='*.[ch]'

# Which floor may include which. Each floor lists what lies beneath it.
below_base      := base
below_http      := base http
below_shared    := base shared
below_providers := base providers
below_routing   := base shared routing
below_net       := base shared http net
below_config    := base shared providers routing config
below_mock      := base shared http providers net mock
below_gateway   := base shared http providers routing net config mock gateway
below_process   := base shared http providers routing net config mock gateway process
below_lua       := base shared http providers routing config gateway lua
below_fuzz      := base http providers fuzz
floors          := base http shared providers routing net config mock gateway process lua fuzz

layers: modules
	@echo "layers"; status=0; \
	$(foreach f,$(floors),grep -nrE '#include "[a-z]+/' runtime/$(f) \
	  | grep -vE '#include "($(subst $() ,|,$(below_$(f))))/' && status=1;) \
	grep -nE '#include "lua/(engine|spec)/' runtime/lua/*.[ch] && status=1; \
	grep -nE '#include "lua/spec/' runtime/lua/engine/*.[ch] && status=1; \
	grep -nE '#include "lua/engine/' runtime/lua/spec/*.[ch] && status=1; \
	grep -rnE '<(lua|lauxlib|lualib)\.h>' runtime --include='*.[ch]' | grep -v '^runtime/lua/' && status=1; \
	grep -rnE '\b(lua_close|luaL?_newstate|lua_resume|lua_yieldk?|lua_pcallk?)\(' runtime --include='*.c' | grep -v '^runtime/lua/call.c' && status=1; \
	grep -rn '<microhttpd.h>' runtime --include='*.[ch]' | grep -v '^runtime/net/server' && status=1; \
	grep -rn '<curl/' runtime --include='*.[ch]' | grep -v '^runtime/net/upstream' && status=1; \
	exit $$status

# No two modules include each other, however many stand between them. A module is X.h with X.c, all that shares an X_private.h, or a wire's folder.
modular := $(addprefix runtime/,$(filter-out fuzz,$(floors)))
shared_private := $(subst $() ,|,$(patsubst runtime/%_private.h,%,$(wildcard runtime/*/*_private.h)))

modules:
	@echo "modules"; grep -rE '^#include "' $(modular) --include='*.[ch]' \
	  | sed -E -e 's#^runtime/(.*)\.[ch]:.include "(.*)\.h"#\1 \2#' -e 's#($(shared_private))_[a-z]+#\1#g' \
	  -e 's#(providers/[a-z]+)/[a-z_0-9]+#\1#g' | awk '$$1 != $$2' | tsort > /dev/null

# Each header stands alone: it includes what it needs.
headers:
	@echo "headers"; git ls-files 'runtime/*.h' | xargs -P 2 -n 1 $(CC) $(filter-out -M%,$(ALL_CFLAGS)) -fsyntax-only -x c

# A room holds 700 lines of C, 300 of Lua, 60 of a policy.
sizes:
	@echo "sizes"; status=0; \
	for f in $$(git ls-files 'runtime/*.c' 'runtime/*.h' 'lua/*.lua' 'policies/*.lua'); do n=$$(wc -l < $$f); \
	  case $$f in policies/*) max=60;; *.lua) max=300;; *) max=700;; esac; \
	  [ $$n -le $$max ] || { echo "$$f: $$n lines, more than $$max"; status=1; }; done; exit $$status

# C that the program is made of.
lines:
	@git ls-files 'runtime/*.c' 'runtime/*.h' | grep -v '^runtime/fuzz/\|^runtime/lua/spec/' | xargs cat | wc -l

C_FILES = $(shell git ls-files 'runtime/*.c' 'runtime/*.h')

format:
	@clang-format -i $(C_FILES)

format-check:
	@echo "format"; clang-format --dry-run --Werror $(C_FILES)

clean:
	rm -rf build
