# make            build/gateway and the Lua module for specs
# make run        install what is missing, build, serve the embedded mock on 127.0.0.1:8080
# make test       install what is missing, build, all specs: unit, end to end, SDKs
# make check      lint, layers, sizes, format: what reads the code without running it
# make bench      CPU per request beside nginx; writes spec/bench/
# make sdk        the real OpenAI SDKs (Python, npm) against the gateway
# make asan tsan  the specs under AddressSanitizer + UBSan, or ThreadSanitizer
# make fuzz       every fuzz target for T seconds (T=30)
# make deps       install the Debian packages this needs (as root or with sudo)
# make install    into DESTDIR/PREFIX
# make format clean help

PREFIX  ?= /usr/local
CC      ?= cc
LUA      = lua5.4
BUILD   ?= build
SANITIZE ?=
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)

CFLAGS  ?= -O2 -g
WARN     = -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes -Werror
HARDEN   = -fstack-protector-strong -fvisibility=hidden -fPIC
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE= $(CFLAGS) $(WARN) $(HARDEN) $(SANITIZE) -Iruntime -I/usr/include/lua5.4 -DGATEWAY_VERSION='"$(VERSION)"' -MMD -MP
LIBS     = -lmicrohttpd -lcurl -lssl -lcrypto -llua5.4 -llua5.4-cjson -lpthread -lm

# What the Lua module leaves out: sockets, threads, the clock, and what is put together from them.
PROCESS  = runtime/main.c $(addprefix runtime/gateway/,worker.c process.c mock.c generation.c routes.c reload.c request.c attempt.c answer.c record.c)
NET      = $(filter-out runtime/net/framing.c runtime/net/http1.c,$(wildcard runtime/net/*.c))

SOURCES  = $(wildcard runtime/*.c runtime/base/*.c runtime/shared/*.c runtime/providers/*.c runtime/net/*.c runtime/gateway/*.c runtime/lua/*.c)
OBJECTS  = $(SOURCES:runtime/%.c=$(BUILD)/%.o) $(BUILD)/embedded.o
MODULE   = $(filter-out $(PROCESS) $(NET) runtime/lua/lua_engine.c runtime/lua/lua_request.c,$(SOURCES))
EMBEDDED = $(sort $(wildcard lua/gateway/*.lua))

.PHONY: all run test unit e2e sdk check bench asan tsan fuzz lint layers sizes format clean deps install help
all: $(BUILD)/gateway $(BUILD)/lua/gateway/runtime.so

help:
	@sed -n 's/^# \?//p;/^$$/q' Makefile

# ---------------------------------------------------------------- build

# libmicrohttpd's recv() must resolve to ours (net/guard.c): without that every request would be refused.
$(BUILD)/gateway: $(OBJECTS)
	@echo "  link   $@"
	@$(CC) $(SANITIZE) -pie -Wl,-z,relro,-z,now -o $@ $^ $(LIBS)
	@nm -D $@ | grep -q ' T recv$$' || { echo "the framing guard is not in place: recv is not exported" >&2; rm -f $@; exit 1; }

$(BUILD)/lua/gateway/runtime.so: $(MODULE:runtime/%.c=$(BUILD)/%.o)
	@mkdir -p $(@D)
	@echo "  link   $@"
	@$(CC) $(SANITIZE) -shared -o $@ $^ -lcrypto -llua5.4-cjson -lm

$(BUILD)/%.o: runtime/%.c
	@mkdir -p $(@D)
	@echo "  cc     $<"
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

# lua/gateway/*.lua as text inside the program.
$(BUILD)/embedded.c: $(EMBEDDED) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "lua/embedded.h"'; \
	  for f in $(EMBEDDED); do n=$$(basename $$f .lua); \
	    printf 'static const unsigned char text_%s[] = {' $$n; od -An -v -tu1 $$f | sed 's/[0-9][0-9]*/&,/g'; echo '0};'; done; \
	  echo 'const struct embedded_lua embedded_lua[] = {'; \
	  for f in $(EMBEDDED); do n=$$(basename $$f .lua); printf '{"gateway.%s", (const char *)text_%s, sizeof text_%s - 1},\n' $$n $$n $$n; done; \
	  echo '};'; echo 'const unsigned embedded_lua_count = sizeof embedded_lua / sizeof *embedded_lua;'; } > $@

$(BUILD)/embedded.o: $(BUILD)/embedded.c
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

-include $(OBJECTS:.o=.d)
