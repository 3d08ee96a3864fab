/* order.c -- gateway.order: the ways to put targets in order that strategies are made of.
 *
 * rotate by weighted rendezvous least_of_two. Each takes a list (read-only lists as well) and gives a new one with the same items; none
 * keeps state, draws chance or reads a clock: what differs from request to request comes in as `turn`, `affinity` or `random`.
 * Sorting is stable, and a fact that is unknown (nil, NaN) goes last whichever way the order runs.
 * Work is charged to the call in progress, as everything that policies call.
 * SPDX-License-Identifier: MIT */
#include "lua/bindings.h"
#include "lua/call.h"
#include "lua/order.h"
#include <limits.h>
#include <math.h>
#include <stdalign.h>
#include <string.h>

enum { ITEMS_MAX = 4096, WEIGHTS_MAX = 1000000000, EXACT_MAX = 32, EXACT_LONG = 8, FACT_MAX = 64, HASHED_PER_STEP = 8 };

/* ---------------------------------------------------------------- lists */

/* Puts what is behind a read-only view of the gateway's at 1, so that it is read without metamethods. Only those hide their metatable. */
static void look_behind(lua_State *L)
{
    int top = lua_gettop(L);
    if (lua_type(L, 1) != LUA_TTABLE || !lua_getmetatable(L, 1))
        return;
    if (lua_getfield(L, -1, "__metatable") == LUA_TBOOLEAN && lua_getfield(L, -2, "__index") == LUA_TTABLE)
        lua_replace(L, 1);
    lua_settop(L, top);
}

static int check_list(lua_State *L, const char *function)
{
    lua_Integer len;
    look_behind(L);
    if (lua_type(L, 1) != LUA_TTABLE && lua_type(L, 1) != LUA_TUSERDATA)
        return luaL_error(L, "order.%s: expected a list of targets, got %s", function, luaL_typename(L, 1));
    len = luaL_len(L, 1);
    if (len < 0 || len > ITEMS_MAX)
        return luaL_error(L, "order.%s: a list of at most %d targets", function, ITEMS_MAX);
    call_charge(L, 4 * (size_t)len);
    return (int)len;
}

static lua_Integer check_turn(lua_State *L, int index, const char *function)
{
    int is_integer;
    lua_Integer turn = lua_tointegerx(L, index, &is_integer);
    if (!is_integer)
        return luaL_error(L, "order.%s: expected request.turn, got %s", function, luaL_typename(L, index));
    return turn;
}

/* turn modulo n; a counter that has wrapped keeps its step. */
static uint64_t phase_of(lua_Integer turn, uint64_t n)
{
    return (lua_Unsigned)turn % n;
}

/* Puts item `from` (0-based) of the list at 1 at position `to` (0-based) of the result at the top. */
static void put(lua_State *L, int from, int to)
{
    lua_geti(L, 1, from + 1);
    lua_rawseti(L, -2, to + 1);
}

static const char reader_key = 0;

void order_set_reader(lua_State *L, const struct fact_reader *reader)
{
    lua_pushlightuserdata(L, (void *)reader);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &reader_key);
}

/* The number of this fact for the reader, or 0: it knows none, or there is none. */
static int find_reader(lua_State *L, const char *fact, const struct fact_reader **reader)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &reader_key);
    *reader = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return *reader == NULL ? 0 : (*reader)->find(fact);
}

/* The name of a fact at `index`, or NULL where there is no text. Lua makes a text of it for each item that is read: a long one would be a long time. */
static const char *check_fact(lua_State *L, int index, const char *function)
{
    size_t len;
    const char *fact = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &len) : NULL;
    if (fact != NULL && len > FACT_MAX)
        luaL_error(L, "order.%s: the name of a fact has at most %d bytes", function, FACT_MAX);
    return fact;
}

/* The number that the item at `index` (0-based) has for `fact`, or NaN. */
static double fact_of(lua_State *L, int index, const char *fact, const char *function)
{
    double value = NAN;
    lua_geti(L, 1, index + 1);
    if (lua_type(L, -1) == LUA_TTABLE || lua_type(L, -1) == LUA_TUSERDATA) {
        int type = lua_getfield(L, -1, fact);
        if (type == LUA_TNUMBER)
            value = lua_tonumber(L, -1);
        else if (type != LUA_TNIL)
            luaL_error(L, "order.%s: '%s' of a target is a %s, not a number", function, fact, lua_typename(L, type));
        lua_pop(L, 1);
    } else if (lua_type(L, -1) != LUA_TSTRING) {
        luaL_error(L, "order.%s: item %d is a %s, not a target", function, index + 1, luaL_typename(L, -1));
    }
    lua_pop(L, 1);
    return value;
}

/* A fact that is read of one item after the other. */
struct fact_reading {
    const char *fact, *function;
    const struct fact_reader *reader;
    int known; /* the fact's number for the reader, or 0 */
};

static struct fact_reading start_reading(lua_State *L, const char *fact, const char *function)
{
    struct fact_reading reading = {.fact = fact, .function = function};
    reading.known = find_reader(L, fact, &reading.reader);
    return reading;
}

/* The fact of the item at `index` (0-based), or NaN. */
static double read_fact(lua_State *L, const struct fact_reading *reading, int index)
{
    double value;
    bool read;
    if (reading->known == 0)
        return fact_of(L, index, reading->fact, reading->function);
    lua_geti(L, 1, index + 1);
    read = lua_type(L, -1) == LUA_TTABLE && reading->reader->read(L, reading->reader->owner, reading->known, &value);
    lua_pop(L, 1);
    return read ? value : fact_of(L, index, reading->fact, reading->function);
}

enum { SMALL = 2048 };

/* Scratch space: `small` where it is enough, else memory that Lua frees. */
static void *scratch(lua_State *L, char small[SMALL], int count, size_t size)
{
    if ((size_t)count * size <= SMALL)
        return small;
    return lua_newuserdatauv(L, (size_t)count * size, 0);
}

/* ---------------------------------------------------------------- rotate */

/* order.rotate(targets, turn) -> list */
static int order_rotate(lua_State *L)
{
    int n = check_list(L, "rotate"), first = n > 0 ? (int)phase_of(check_turn(L, 2, "rotate"), (uint64_t)n) : 0;
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++)
        put(L, (first + i) % n, i);
    return 1;
}

/* ---------------------------------------------------------------- by */

struct ranked {
    double key;
    int item;
};

static bool goes_before(const struct ranked *a, const struct ranked *b) /* b may only overtake a when strictly better */
{
    return !(b->key < a->key) && !(isnan(a->key) && !isnan(b->key));
}

/* Stable: merges ever longer runs. `spare` is as long as `list`; the result is in `list`. */
static void merge_sort(struct ranked *list, struct ranked *spare, int n)
{
    for (int width = 1; width < n; width *= 2) {
        for (int low = 0; low < n; low += 2 * width) {
            int middle = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
            int left = low, right = middle;
            for (int to = low; to < high; to++)
                spare[to] = left < middle && (right >= high || goes_before(&list[left], &list[right])) ? list[left++] : list[right++];
        }
        memcpy(list, spare, (size_t)n * sizeof *list);
    }
}

/* Those within `margin` of the best take turns at being first; all of them while nothing is known of any. */
static int count_equals(const struct ranked *list, int n, double margin)
{
    int equals = 0;
    if (isnan(list[0].key))
        return n;
    while (equals < n && list[equals].key <= list[0].key + margin * fabs(list[0].key))
        equals++;
    return equals;
}

/* The key of each item by the function at 2. */
static void call_keys(lua_State *L, struct ranked *list, int n)
{
    for (int i = 0; i < n; i++) {
        lua_pushvalue(L, 2);
        lua_geti(L, 1, i + 1);
        lua_call(L, 1, 1);
        if (lua_type(L, -1) != LUA_TNUMBER && !lua_isnil(L, -1))
            luaL_error(L, "order.by: the key of a target is a %s, not a number", luaL_typename(L, -1));
        list[i] = (struct ranked){.key = lua_isnil(L, -1) ? NAN : lua_tonumber(L, -1), .item = i};
        lua_pop(L, 1);
    }
}

static void read_keys(lua_State *L, struct ranked *list, int n)
{
    const char *fact = lua_tostring(L, 2);
    bool descending = fact[0] == '-';
    struct fact_reading reading = start_reading(L, fact + descending, "by");
    for (int i = 0; i < n; i++) {
        double key = read_fact(L, &reading, i);
        list[i] = (struct ranked){.key = descending ? -key : key, .item = i};
    }
}

static void read_options(lua_State *L, double *margin, lua_Integer *turn)
{
    if (lua_isnoneornil(L, 3))
        return;
    if (lua_type(L, 3) != LUA_TTABLE)
        luaL_error(L, "order.by: expected options { margin, turn }, got %s", luaL_typename(L, 3));
    if (lua_getfield(L, 3, "margin") != LUA_TNUMBER || !(lua_tonumber(L, -1) >= 0))
        luaL_error(L, "order.by: margin: expected a share such as 0.1");
    *margin = lua_tonumber(L, -1);
    if (lua_getfield(L, 3, "turn") == LUA_TNUMBER)
        *turn = check_turn(L, -1, "by");
    else
        luaL_error(L, "order.by: turn: expected request.turn, got %s", luaL_typename(L, -1));
    lua_pop(L, 2);
}

/* order.by(targets, key [, { margin, turn }]) -> list; key: "fact", "-fact" (descending) or a function of the target */
static int order_by(lua_State *L)
{
    int n = check_list(L, "by"), equals = 1, first = 0;
    alignas(struct ranked) char small[SMALL];
    struct ranked *list;
    double margin = -1;
    lua_Integer turn = 0;
    if (lua_type(L, 2) != LUA_TFUNCTION && lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "order.by: expected the name of a fact or a function, got %s", luaL_typename(L, 2));
    check_fact(L, 2, "by");
    lua_settop(L, 3);
    read_options(L, &margin, &turn);
    list = scratch(L, small, 2 * n, sizeof *list);
    if (lua_type(L, 2) == LUA_TSTRING)
        read_keys(L, list, n);
    else
        call_keys(L, list, n);
    merge_sort(list, list + n, n);
    for (int width = 1; width < n; width *= 2)
        call_charge(L, (size_t)n);
    if (margin >= 0 && n > 0 && (equals = count_equals(list, n, margin)) > 1)
        first = (int)phase_of(turn, (uint64_t)equals);
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++)
        put(L, list[i < equals ? (i + first) % equals : i].item, i);
    return 1;
}

/* ---------------------------------------------------------------- weighted */

/* A target of weight w has w slots in a round, the k-th at the time (2k + 1) / 2w: as even as can be. All slots in order of time, ties by
 * place in the list, make the round; turn t takes slot t. Everything is exact: integers of at most WEIGHTS_MAX in all. */
struct share {
    int64_t weight, slot;
    int item;
};

static bool comes_before(const struct share *a, const struct share *b)
{
    int64_t left = (2 * a->slot + 1) * b->weight, right = (2 * b->slot + 1) * a->weight;
    return left < right || (left == right && a->item < b->item);
}

static void sift_down(struct share *heap, int n, int at)
{
    for (;;) {
        int least = at;
        struct share swap;
        for (int child = 2 * at + 1; child <= 2 * at + 2 && child < n; child++)
            if (comes_before(&heap[child], &heap[least]))
                least = child;
        if (least == at)
            return;
        swap = heap[at];
        heap[at] = heap[least];
        heap[least] = swap;
        at = least;
    }
}

/* Weights as integers: as they are when all are whole, in thousandths otherwise, and scaled down when the round would be too long. */
static int64_t read_shares(lua_State *L, struct share *shares, int n, int *count)
{
    struct fact_reading reading = start_reading(L, "weight", "weighted");
    double factor = 1, total = 0;
    int64_t round = 0;
    *count = 0;
    for (int i = 0; i < n; i++) {
        double weight = read_fact(L, &reading, i);
        weight = isnan(weight) ? 1 : weight > 1e9 ? 1e9 : weight;
        if (!(weight > 0))
            continue; /* never first */
        shares[*count].item = i;
        memcpy(&shares[(*count)++].slot, &weight, sizeof weight); /* kept there until the factor is known */
        total += weight;
        if (weight != floor(weight))
            factor = 1000;
    }
    if (total * factor > WEIGHTS_MAX / 2)
        factor = WEIGHTS_MAX / 2 / total;
    for (int i = 0; i < *count; i++) {
        double weight;
        memcpy(&weight, &shares[i].slot, sizeof weight);
        shares[i].weight = weight * factor >= 1 ? (int64_t)llround(weight * factor) : 1;
        round += shares[i].weight;
    }
    return round;
}

/* Leaves the shares as a heap whose top is the slot of this turn. */
static void begin_turn(lua_State *L, struct share *shares, int count, int64_t round, uint64_t turn)
{
    int64_t rank = (int64_t)(turn % (uint64_t)round), passed = 0;
    /* slots before this time are at most `rank`, and all but about `count` of them */
    int64_t doubled = 2 * rank > count ? 2 * rank - count : 0;

    for (int i = 0; i < count; i++) {
        int64_t reached = doubled * shares[i].weight; /* slots k with (2k + 1) * round < reached */
        shares[i].slot = reached > round ? (reached - round - 1) / (2 * round) + 1 : 0;
        passed += shares[i].slot;
    }
    for (int i = count / 2 - 1; i >= 0; i--)
        sift_down(shares, count, i);
    for (; passed < rank; passed++) {
        shares[0].slot++;
        sift_down(shares, count, 0);
        call_charge(L, 8);
    }
}

/* Puts the shares in order and returns how many there are. The second is chosen like the first, among those left, by how often the
 * first was first: so whenever a target is left out (it failed, or is sorted behind the others) the rest still share by weight, exactly.
 * In a long list that care ends after the places that a request can reach. */
static int put_shares(lua_State *L, struct share *shares, int count, int64_t round, uint64_t turn)
{
    int exact = count <= 128 ? EXACT_MAX : EXACT_LONG, made = 0;
    while (count > 0) {
        if (made < exact)
            begin_turn(L, shares, count, round, turn);
        put(L, shares[0].item, made++);
        turn = turn / (uint64_t)round * (uint64_t)shares[0].weight + (uint64_t)shares[0].slot;
        round -= shares[0].weight;
        shares[0] = shares[--count];
        sift_down(shares, count, 0);
    }
    return made;
}

/* order.weighted(targets, turn) -> list */
static int order_weighted(lua_State *L)
{
    int n = check_list(L, "weighted"), count, made;
    lua_Integer turn = n > 0 ? check_turn(L, 2, "weighted") : 0;
    alignas(struct share) char small[SMALL];
    struct share *shares = scratch(L, small, n, sizeof *shares);
    int64_t round = read_shares(L, shares, n, &count);
    lua_createtable(L, n, 0);
    made = put_shares(L, shares, count, round, (lua_Unsigned)turn);
    for (int i = 0; made < n && i < n; i++) { /* weight 0: a reserve */
        double weight = fact_of(L, i, "weight", "weighted");

        if (!isnan(weight) && !(weight > 0))
            put(L, i, made++);
    }
    return 1;
}

/* ---------------------------------------------------------------- rendezvous */

static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdull;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53ull;
    return hash ^ hash >> 33;
}

static uint64_t hash_text(uint64_t hash, const char *text, size_t len) /* FNV-1a: no stranger chooses the names of targets */
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ull;
    return mix(hash);
}

/* The number that the item at `index` draws from the affinity. */
static uint64_t draw(lua_State *L, int index, uint64_t affinity)
{
    uint64_t drawn = 0;
    const char *name;
    size_t len;
    lua_geti(L, 1, index + 1);
    if (lua_type(L, -1) == LUA_TTABLE || lua_type(L, -1) == LUA_TUSERDATA)
        lua_getfield(L, -1, "name");
    else
        lua_pushvalue(L, -1);
    name = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
    if (name == NULL) {
        luaL_error(L, "order.rendezvous: item %d is not a target", index + 1);
    } else {
        call_charge(L, len / HASHED_PER_STEP);
        drawn = hash_text(affinity, name, len);
    }
    lua_pop(L, 2);
    return drawn;
}

/* order.rendezvous(targets, affinity) -> list; without an affinity, as it came */
static int order_rendezvous(lua_State *L)
{
    int n = check_list(L, "rendezvous"), type = lua_type(L, 2);
    uint64_t affinity = 0xcbf29ce484222325ull;
    alignas(struct ranked) char small[SMALL];
    struct ranked *list;
    size_t len;
    const char *text;
    if (type != LUA_TSTRING && type != LUA_TNUMBER && type > LUA_TNIL)
        return luaL_error(L, "order.rendezvous: expected request.affinity, got %s", luaL_typename(L, 2));
    lua_settop(L, 2);
    list = scratch(L, small, 2 * n, sizeof *list);
    if (type > LUA_TNIL) {
        text = lua_tolstring(L, 2, &len);
        call_charge(L, len / HASHED_PER_STEP);
        affinity = hash_text(affinity, text, len);
    }
    for (int i = 0; i < n; i++)
        list[i] = (struct ranked){.key = type > LUA_TNIL ? -(double)(draw(L, i, affinity) >> 11) : 0, .item = i};
    merge_sort(list, list + n, n);
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++)
        put(L, list[i].item, i);
    return 1;
}

/* ---------------------------------------------------------------- least of two */

static double load_of(lua_State *L, int index, const char *fact)
{
    double value = fact_of(L, index, fact, "least_of_two"), weight = fact_of(L, index, "weight", "least_of_two");
    if (isnan(value))
        return INFINITY;
    return (value + 1) / (weight > 0 ? weight : 1); /* as it would be with this request */
}

/* order.least_of_two(targets, fact, random) -> list: the better of two drawn, the other, then the rest as they came */
static int order_least_of_two(lua_State *L)
{
    int n = check_list(L, "least_of_two"), one, two, made = 0;
    const char *fact = check_fact(L, 2, "least_of_two");
    double random = lua_tonumber(L, 3), place;
    if (fact == NULL)
        return luaL_error(L, "order.least_of_two: expected the name of a fact, got %s", luaL_typename(L, 2));
    if (lua_type(L, 3) != LUA_TNUMBER || !(random >= 0 && random <= 1))
        return luaL_error(L, "order.least_of_two: expected request.random, got %s", luaL_typename(L, 3));
    lua_createtable(L, n, 0);
    if (n < 2) {
        if (n == 1)
            put(L, 0, 0);
        return 1;
    }
    place = random * n;
    one = place < n ? (int)place : n - 1;
    place = (place - one) * (n - 1); /* what is left of the number draws the other */
    two = place < n - 1 ? (int)place : n - 2;
    two += two >= one;
    if (load_of(L, two, fact) < load_of(L, one, fact)) {
        int swap = one;
        one = two;
        two = swap;
    }
    put(L, one, made++);
    put(L, two, made++);
    for (int i = 0; i < n; i++)
        if (i != one && i != two)
            put(L, i, made++);
    return 1;
}

int open_order(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"rotate", order_rotate},
        {"by", order_by},
        {"weighted", order_weighted},
        {"rendezvous", order_rendezvous},
        {"least_of_two", order_least_of_two},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
