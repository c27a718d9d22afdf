/* Runs a spiking network of integers, one frame at a time, in one thread: the fast executor.
 *
 * The network comes as a program of 32-bit words (edge_models/spiking/program.py writes it) and its weights. What is
 * computed is defined by edge_models/spiking/reference.py; every answer is the same, bit for bit.
 *
 * How. Values that are not zero become events (where, how much), in the order of the places, so the events under one
 * row of a convolution's window are neighbours. Each place of the target gathers its events into vector registers:
 * value times the weights to all its channels. Products and short sums stay in 16 bits, for as many events as provably
 * fit (`budget`, from the weights), then they are added to 32 bits. Delta execution is the same with the changes as
 * events, inside the rectangle that they can reach; the sums persist.
 *
 * The program is one of a network that was checked (edge_models/spiking/ranges.py): shapes fit, and no sum leaves 32
 * bits, nor, for the 16-bit sums, the events of a `budget` 16 bits. Only its form and its sizes are looked at here.
 *
 * Where to begin: run_counts is a whole frame from scratch, run_changes the same for what changed, run_steps and
 * run_planes step by step. They call feed (events times weights into sums), fire (sums into counts) and send (counts
 * into events). Below `what depends on VECTOR_BYTES` is the arithmetic of these three: gather, filter, fire, collect.
 *
 * All memory is allocated by spiking_open. Arithmetic is on unsigned vectors, which wrap; nothing is undefined. The
 * file includes itself once for each width of vectors; the widest that the processor has is chosen by spiking_open.
 * GNU C (GCC, Clang, zig cc), little-endian. No Python and no floating point here.
 */

#ifndef VECTOR_BYTES /* ------------------------------------------------------------------ what all widths share */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__GNUC__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "this file needs GCC, Clang or zig cc, and a little-endian processor"
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#define WITH_X86 1
#elif defined(__arm__) && defined(__linux__) && !defined(__ARM_NEON) && !defined(__clang__)
#include <sys/auxv.h>
#define WITH_ARM 1 /* distributions for 32-bit Pis compile for processors without NEON, most Pis have it */
#endif

#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))

enum { ABI = 2, MAGIC = 0x44535031 };
enum { ALIGNMENT = 64, CHANNEL_BLOCK = 16 };
enum { SLACK = 256 }; /* bytes after every array: the last vector of channels may read beyond its end */
enum { NEURONS = 0, POOL = 1, READOUT = 2 };
enum { DENSE = 0, CONV = 1, DEPTHWISE = 2 };
enum { ATF = 0, RADIX = 1, INTEGRATE_AND_FIRE = 2 };
enum { ERROR_INPUT = -1, UNCHANGED = 0, CHANGED = 1 };
enum { QUOTIENT_BITS = 22, FEW_LEVELS = 4 };

typedef struct { int32_t offset, value; } event;              /* index in its node's values; count, code or change */
typedef struct { int32_t top, bottom, left, right; } area;    /* rows top..bottom-1, columns left..right-1 */
typedef struct { int32_t height, width, channels; } shape;
typedef struct { int32_t rows, columns, down, across, above, before; } window; /* size, stride, padding */

typedef struct {
    int32_t source, kind, shift, budget; /* budget: events that 16 bits hold; 0: none */
    window window;
    int16_t *weight; /* dense, conv: [inputs][padded channels], in the order of the vectors; depthwise: [cells][channels] */
} synapses;

typedef struct {
    int32_t kind, has_events, reads_input, n_synapses;
    shape shape;
    int32_t padded; /* channels, rounded up to whole vectors */
    synapses *synapses;
    int32_t pool_source;
    window pool;
    int32_t *bias, *threshold;                      /* [padded] */
    int32_t *start, *cap, *right_shift, *reciprocal; /* [padded], for fire() */
    int32_t few_levels;
} node;

/* The events under one row of a window; the weights of an event begin at its offset - `origin`, times the channels. */
typedef struct { const event *from, *to; int32_t origin; } run;

typedef struct { /* one node's part of a state; 32-bit sums, which stay inside (ranges.py), also between two changes */
    int32_t *sum;      /* [places][padded]: accumulators without bias, or membranes */
    int32_t *constant; /* the same: current of every step, for nodes that read the input */
    int32_t *value;    /* [places][channels] */
    int32_t *change;   /* the same: what changed, or one bit plane */
    const int32_t *sent; /* value or change: what targets read now */
    event *events;
    int32_t *first; /* [height][width + 1]: index of the first event of a place */
    int32_t n_events;
    area active; /* where sent may differ from 0; elsewhere it is not even written */
} flow;

typedef struct {
    flow *flows;
    int32_t is_primed;
} state;

typedef struct block { struct block *next; } block;

struct kernel;
typedef struct { /* the functions of one width of vectors */
    const char *name;
    int32_t half_lanes; /* 16-bit lanes of a vector */
    void (*gather)(const node *, const synapses *, const node *, const flow *, area, int32_t *, int32_t, int32_t);
    void (*filter)(const node *, const synapses *, const node *, const flow *, area, int32_t *, int32_t, int32_t);
    void (*pool)(const node *, const node *, const flow *, area, int32_t *);
    area (*fire)(const node *, area, int32_t, const int32_t *, int32_t *, int32_t *);
    void (*spike)(const node *, area, const int32_t *, int32_t *, int32_t *);
    void (*collect)(const node *, flow *);
    int32_t (*compare)(const int32_t *, const int32_t *, size_t, int32_t, int32_t, int32_t);
} functions;

typedef struct kernel {
    int32_t coding, steps, levels, low, high, n_nodes, features_node, n_features, n_classes;
    node *nodes; /* 0 is the input */
    const functions *use;
    state full, delta;
    block *blocks; /* all memory, for spiking_close */
    int32_t is_out_of_memory;
} kernel;

INLINE int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }
INLINE int32_t most(int32_t a, int32_t b) { return a > b ? a : b; }
INLINE int is_empty(area a) { return a.top >= a.bottom || a.left >= a.right; }
INLINE area whole(shape s) { return (area){0, s.height, 0, s.width}; }
INLINE size_t places(shape s) { return (size_t)s.height * (size_t)s.width; }
INLINE size_t values_of(shape s) { return places(s) * (size_t)s.channels; }
INLINE area both(area a, area b)
{
    if (is_empty(a)) return b;
    if (is_empty(b)) return a;
    return (area){least(a.top, b.top), most(a.bottom, b.bottom), least(a.left, b.left), most(a.right, b.right)};
}

/* First and last + 1 of the targets whose window covers one of the sources `from` .. `to` - 1. */
INLINE void reached(int32_t from, int32_t to, int32_t size, int32_t stride, int32_t pad, int32_t n, int32_t *lo, int32_t *hi)
{
    int32_t first = from + pad - size + 1;
    *lo = first <= 0 ? 0 : (first + stride - 1) / stride;
    *hi = least(n, (to - 1 + pad) / stride + 1);
}

static area reach(area from, window w, shape target)
{
    area a = {0, 0, 0, 0};
    if (is_empty(from)) return a;
    reached(from.top, from.bottom, w.rows, w.down, w.above, target.height, &a.top, &a.bottom);
    reached(from.left, from.right, w.columns, w.across, w.before, target.width, &a.left, &a.right);
    return a;
}

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define WIDTH(name) JOIN(name, VARIANT)
#define TEXT_(name) #name
#define TEXT(name) TEXT_(name)

#define VARIANT portable
#define VECTOR_BYTES 16
#define TARGET
#include "kernel.c"
#undef VARIANT
#undef VECTOR_BYTES
#undef TARGET

#ifdef WITH_X86
#define VARIANT avx2
#define VECTOR_BYTES 32
#define TARGET __attribute__((target("avx2")))
#include "kernel.c"
#undef VARIANT
#undef VECTOR_BYTES
#undef TARGET
#endif

#ifdef WITH_ARM
#define VARIANT neon
#define VECTOR_BYTES 16
#define TARGET __attribute__((target("arch=armv7-a+simd")))
#include "kernel.c"
#undef VARIANT
#undef VECTOR_BYTES
#undef TARGET
#endif

/* ----------------------------------------------------------------------------------------------- choose a width */

#ifdef WITH_X86
static int has_avx2(void)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27)) || !(c & (1u << 28))) return 0; /* OSXSAVE, AVX */
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 6u) != 6u) return 0; /* the system keeps the wide registers */
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 5));
}
#endif

static const functions *choose(int32_t portable_only)
{
#ifdef WITH_X86
    if (!portable_only && has_avx2()) return &functions_avx2;
#endif
#ifdef WITH_ARM
    enum { HAS_NEON = 1 << 12 }; /* HWCAP_NEON of Linux' asm/hwcap.h */
    if (!portable_only && (getauxval(AT_HWCAP) & HAS_NEON)) return &functions_neon;
#endif
    (void)portable_only;
    return &functions_portable;
}

/* ------------------------------------------------------------------------------------------ read the program */

static void *take(kernel *k, size_t bytes)
{
    if (k->is_out_of_memory || bytes > SIZE_MAX / 2) { k->is_out_of_memory = 1; return NULL; }
    char *raw = calloc(1, sizeof(block) + ALIGNMENT + bytes + SLACK);
    if (!raw) { k->is_out_of_memory = 1; return NULL; }
    block *b = (block *)(void *)raw;
    b->next = k->blocks;
    k->blocks = b;
    uintptr_t at = (uintptr_t)(raw + sizeof(block));
    return raw + sizeof(block) + (ALIGNMENT - at % ALIGNMENT) % ALIGNMENT;
}

typedef struct {
    const int32_t *words, *end;
    const int8_t *weights, *weights_end;
    int32_t is_bad;
} reader;

static int32_t word(reader *r, int32_t low, int32_t high)
{
    if (r->words >= r->end || *r->words < low || *r->words > high) { r->is_bad = 1; return low; }
    return *r->words++;
}

static shape read_shape(reader *r)
{
    enum { AXIS = 1 << 22 };
    shape s;
    s.height = word(r, 1, AXIS);
    s.width = word(r, 1, AXIS);
    s.channels = word(r, 1, AXIS);
    if ((int64_t)s.height * s.width > AXIS || (int64_t)s.height * s.width * s.channels > AXIS) r->is_bad = 1;
    return s;
}

static window read_window(reader *r)
{
    enum { SIDE = 1 << 22 };
    window w;
    w.rows = word(r, 1, SIDE);
    w.columns = word(r, 1, SIDE);
    w.down = word(r, 1, SIDE);
    w.across = word(r, 1, SIDE);
    w.above = word(r, 0, w.rows - 1);
    w.before = word(r, 0, w.columns - 1);
    return w;
}

static void read_words(reader *r, int32_t *to, int32_t n, int32_t low)
{
    for (int32_t i = 0; i < n; i++) {
        int32_t value = word(r, low, INT32_MAX);
        if (to) to[i] = value;
    }
}

/* Weights in 16 bits. In each vector of outputs the first half goes to the even lanes and the second half to the odd
 * ones: splitting a vector of 16-bit sums into even and odd lanes then gives 32-bit sums in their natural order. */
static void read_weights(kernel *k, reader *r, synapses *s, size_t inputs, int32_t channels, int32_t padded)
{
    size_t n = inputs * (size_t)channels;
    if (r->is_bad || (size_t)(r->weights_end - r->weights) < n) { r->is_bad = 1; return; }
    int32_t lanes = k->use->half_lanes, half = lanes / 2;
    size_t width = (size_t)(s->kind == DEPTHWISE ? channels : padded);
    s->weight = take(k, inputs * width * sizeof(int16_t));
    if (!s->weight) return;
    for (size_t i = 0; i < inputs; i++)
        for (int32_t c = 0; c < channels; c++) {
            int32_t base = c / lanes * lanes, lane = c % lanes;
            int32_t at = base + (lane < half ? 2 * lane : 2 * (lane - half) + 1);
            s->weight[i * width + (size_t)(s->kind == DEPTHWISE ? c : at)] = r->weights[i * (size_t)channels + (size_t)c];
        }
    r->weights += n;
}

static void read_synapses(kernel *k, reader *r, int32_t index, synapses *s)
{
    node *target = &k->nodes[index];
    s->source = word(r, 0, index - 1);
    s->kind = word(r, DENSE, DEPTHWISE);
    s->shift = word(r, 0, 15);
    s->budget = word(r, 0, INT32_MAX);
    s->window = read_window(r);
    if (r->is_bad) return;
    node *source = &k->nodes[s->source];
    if (s->source == 0) target->reads_input = 1;
    if (s->kind != DEPTHWISE) source->has_events = 1;
    size_t cells = (size_t)s->window.rows * (size_t)s->window.columns;
    size_t inputs = s->kind == DENSE ? values_of(source->shape)
                  : s->kind == CONV  ? cells * (size_t)source->shape.channels : cells;
    read_weights(k, r, s, inputs, target->shape.channels, target->padded);
}

/* What fire() needs to divide by the threshold without dividing. With v <= cap < 2^15 * 2^shift the quotient is
 * ((v >> shift) * reciprocal) >> QUOTIENT_BITS or one more: the three truncations together are worth less than one,
 * because levels <= 255. */
static void prepare_firing(kernel *k, node *n)
{
    size_t bytes = (size_t)n->padded * sizeof(int32_t);
    n->start = take(k, bytes);
    n->cap = take(k, bytes);
    n->right_shift = take(k, bytes);
    n->reciprocal = take(k, bytes);
    if (k->is_out_of_memory) return;
    n->few_levels = k->levels <= FEW_LEVELS;
    for (int32_t c = 0; c < n->padded; c++) {
        int64_t threshold = n->threshold[c], highest = k->levels * threshold;
        int32_t shift = 0;
        if (highest > INT32_MAX) { highest = INT32_MAX; n->few_levels = 0; }
        while (highest >> shift >= 1 << 15) shift++;
        n->start[c] = (int32_t)((uint32_t)k->levels * (uint32_t)n->bias[c] + (uint32_t)(threshold / 2));
        n->cap[c] = (int32_t)highest;
        n->right_shift[c] = shift;
        n->reciprocal[c] = (int32_t)((((int64_t)1 << QUOTIENT_BITS) << shift) / threshold);
    }
}

static void read_node(kernel *k, reader *r, int32_t index)
{
    node *n = &k->nodes[index];
    n->kind = word(r, NEURONS, READOUT);
    n->shape = read_shape(r);
    int32_t unit = most(CHANNEL_BLOCK, k->use->half_lanes);
    n->padded = (n->shape.channels + unit - 1) / unit * unit;
    if (n->kind == POOL) {
        n->pool_source = word(r, 0, index - 1);
        n->pool = read_window(r);
        return;
    }
    n->n_synapses = word(r, 1, 16);
    n->synapses = take(k, (size_t)n->n_synapses * sizeof(synapses));
    n->bias = take(k, (size_t)n->padded * sizeof(int32_t));
    n->threshold = take(k, (size_t)n->padded * sizeof(int32_t));
    if (k->is_out_of_memory || r->is_bad) return;
    read_words(r, n->bias, n->shape.channels, INT32_MIN);
    for (int32_t c = 0; c < n->padded; c++) n->threshold[c] = 1;
    if (n->kind == NEURONS) read_words(r, n->threshold, n->shape.channels, 1);
    for (int32_t i = 0; i < n->n_synapses && !r->is_bad && !k->is_out_of_memory; i++)
        read_synapses(k, r, index, &n->synapses[i]);
    if (n->kind == NEURONS && !r->is_bad && !k->is_out_of_memory) prepare_firing(k, n);
}

static void read_program(kernel *k, reader *r)
{
    if (word(r, MAGIC, MAGIC) != MAGIC || word(r, ABI, ABI) != ABI || r->is_bad) { r->is_bad = 1; return; }
    k->use = choose(word(r, 0, 1));
    k->coding = word(r, ATF, INTEGRATE_AND_FIRE);
    k->steps = word(r, 1, 255);
    k->levels = word(r, 1, 255);
    k->low = word(r, -255, 0);
    k->high = word(r, 0, 255);
    k->n_nodes = word(r, 2, 1001);
    if (r->is_bad) return;
    k->nodes = take(k, (size_t)k->n_nodes * sizeof(node));
    if (!k->nodes) return;
    k->nodes[0].shape = read_shape(r);
    for (int32_t i = 1; i < k->n_nodes && !r->is_bad && !k->is_out_of_memory; i++) read_node(k, r, i);
    node *last = &k->nodes[k->n_nodes - 1];
    if (r->is_bad || k->is_out_of_memory || last->kind != READOUT || last->n_synapses != 1) { r->is_bad = 1; return; }
    k->features_node = last->synapses[0].source;
    k->n_features = (int32_t)values_of(k->nodes[k->features_node].shape);
    k->n_classes = last->shape.channels;
}

static void make_state(kernel *k, state *s)
{
    s->flows = take(k, (size_t)k->n_nodes * sizeof(flow));
    for (int32_t i = 0; i < k->n_nodes && !k->is_out_of_memory; i++) {
        const node *n = &k->nodes[i];
        flow *g = &s->flows[i];
        size_t sums = places(n->shape) * (size_t)n->padded * sizeof(int32_t);
        size_t values = values_of(n->shape) * sizeof(int32_t);
        if (i > 0 && n->kind != POOL) g->sum = take(k, sums);
        if (n->reads_input) g->constant = take(k, sums);
        g->value = take(k, values);
        g->change = take(k, values);
        if (!n->has_events) continue;
        g->events = take(k, values_of(n->shape) * sizeof(event));
        g->first = take(k, ((size_t)n->shape.width + 1) * (size_t)n->shape.height * sizeof(int32_t));
    }
}

/* --------------------------------------------------------------------------------------------------- execution */

/* Add what one synapse gives, times `factor`, to `sum`; returns where. With `add` 0 the sum is overwritten, and all
 * of the source must be active. */
static area feed(kernel *k, state *s, int32_t index, const synapses *y, int32_t *sum, int32_t factor, int32_t add)
{
    const node *target = &k->nodes[index], *source = &k->nodes[y->source];
    const flow *from = &s->flows[y->source];
    area where = whole(target->shape);
    if (y->kind != DENSE) where = reach(from->active, y->window, target->shape);
    else if (is_empty(from->active)) where = (area){0, 0, 0, 0};
    if (is_empty(where)) return where;
    (y->kind == DEPTHWISE ? k->use->filter : k->use->gather)(target, y, source, from, where, sum, factor << y->shift, add);
    return where;
}

static void send(kernel *k, state *s, int32_t index, const int32_t *what, area active)
{
    flow *g = &s->flows[index];
    g->sent = what;
    g->active = active;
    if (k->nodes[index].has_events) k->use->collect(&k->nodes[index], g);
}

static void read_out(const kernel *k, const state *s, int32_t steps, int32_t *logits)
{
    const node *n = &k->nodes[k->n_nodes - 1];
    const int32_t *sum = s->flows[k->n_nodes - 1].sum;
    for (int32_t c = 0; c < k->n_classes; c++)
        logits[c] = (int32_t)((uint32_t)sum[c] + (uint32_t)steps * (uint32_t)n->bias[c]);
}

static int is_input_good(const kernel *k, const int32_t *x)
{
    size_t n = values_of(k->nodes[0].shape);
    int32_t low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = least(low, x[i]);
        high = most(high, x[i]);
    }
    return low >= k->low && high <= k->high;
}

/* Counts of all nodes from scratch: accumulate, then fire, layer by layer. */
static void run_counts(kernel *k, state *s, const int32_t *x)
{
    send(k, s, 0, x, whole(k->nodes[0].shape));
    for (int32_t i = 1; i < k->n_nodes; i++) {
        const node *n = &k->nodes[i];
        flow *g = &s->flows[i];
        area all = whole(n->shape);
        if (n->kind == POOL) k->use->pool(n, &k->nodes[n->pool_source], &s->flows[n->pool_source], all, g->value);
        for (int32_t j = 0; j < n->n_synapses; j++)
            feed(k, s, i, &n->synapses[j], g->sum, n->synapses[j].source == 0 ? k->levels : 1, j > 0);
        if (n->kind == NEURONS) k->use->fire(n, all, k->levels, g->sum, g->value, NULL);
        if (n->kind != READOUT) send(k, s, i, g->value, all);
    }
}

static int is_decided(const int32_t *logits, int32_t n, int64_t margin)
{
    int64_t first = INT32_MIN, second = INT32_MIN;
    if (n < 2) return 0;
    for (int32_t i = 0; i < n; i++) {
        if (logits[i] > first) { second = first; first = logits[i]; }
        else if (logits[i] > second) second = logits[i];
    }
    return first - second >= margin;
}

/* Membranes before the first step, and the current that the input causes in every step. */
static void rest(kernel *k, state *s, const int32_t *x)
{
    send(k, s, 0, x, whole(k->nodes[0].shape));
    for (int32_t i = 1; i < k->n_nodes; i++) {
        const node *n = &k->nodes[i];
        flow *g = &s->flows[i];
        int32_t is_added = 0;
        for (size_t j = 0; n->kind != POOL && j < places(n->shape); j++)
            for (int32_t c = 0; c < n->padded; c++)
                g->sum[j * (size_t)n->padded + (size_t)c] = n->kind == NEURONS ? n->threshold[c] >> 1 : 0;
        for (int32_t j = 0; j < n->n_synapses; j++)
            if (n->synapses[j].source == 0) feed(k, s, i, &n->synapses[j], g->constant, 1, is_added++ > 0);
    }
}

/* Integrate and fire, step by step, until the last one or until the answer is decided by `margin` for each step. */
static int32_t run_steps(kernel *k, state *s, const int32_t *x, int64_t margin, int32_t *logits, int32_t *counts)
{
    rest(k, s, x);
    memset(counts, 0, (size_t)k->n_features * sizeof(int32_t));
    for (int32_t t = 1; t <= k->steps; t++) {
        for (int32_t i = 1; i < k->n_nodes; i++) {
            const node *n = &k->nodes[i];
            flow *g = &s->flows[i];
            area all = whole(n->shape);
            if (n->kind == POOL) k->use->pool(n, &k->nodes[n->pool_source], &s->flows[n->pool_source], all, g->value);
            for (int32_t j = 0; j < n->n_synapses; j++)
                if (n->synapses[j].source != 0) feed(k, s, i, &n->synapses[j], g->sum, 1, 1);
            if (n->kind == NEURONS) k->use->spike(n, all, n->reads_input ? g->constant : NULL, g->sum, g->value);
            if (n->kind != READOUT) send(k, s, i, g->value, all);
        }
        for (int32_t i = 0; i < k->n_features; i++) counts[i] += s->flows[k->features_node].value[i];
        read_out(k, s, t, logits);
        if (margin >= 0 && is_decided(logits, k->n_classes, margin * t)) return t;
    }
    return k->steps;
}

/* Bit `bit` of what a node's neurons count, added up if it is a pool. */
static void send_plane(kernel *k, state *s, int32_t index, int32_t bit)
{
    const node *n = &k->nodes[index];
    flow *g = &s->flows[index];
    if (n->kind == POOL) {
        send_plane(k, s, n->pool_source, bit);
        k->use->pool(n, &k->nodes[n->pool_source], &s->flows[n->pool_source], whole(n->shape), g->change);
    } else {
        for (size_t i = 0; i < values_of(n->shape); i++) g->change[i] = g->value[i] >> bit & 1;
    }
    send(k, s, index, g->change, whole(n->shape));
}

/* Radix: each layer takes the bit planes of its sources, the highest first: sum <- 2 sum + plane. */
static void run_planes(kernel *k, state *s, const int32_t *x)
{
    send(k, s, 0, x, whole(k->nodes[0].shape));
    for (int32_t i = 1; i < k->n_nodes; i++) {
        const node *n = &k->nodes[i];
        flow *g = &s->flows[i];
        size_t n_sums = places(n->shape) * (size_t)n->padded;
        if (n->kind == POOL) {
            flow *from = &s->flows[n->pool_source];
            from->sent = from->value;
            from->active = whole(k->nodes[n->pool_source].shape);
            k->use->pool(n, &k->nodes[n->pool_source], from, whole(n->shape), g->value);
            continue;
        }
        memset(g->sum, 0, n_sums * sizeof(int32_t));
        for (int32_t bit = k->steps - 1; bit >= 0; bit--) {
            for (size_t j = 0; j < n_sums; j++) g->sum[j] = (int32_t)((uint32_t)g->sum[j] * 2u);
            for (int32_t j = 0; j < n->n_synapses; j++) {
                if (n->synapses[j].source == 0) continue;
                send_plane(k, s, n->synapses[j].source, bit);
                feed(k, s, i, &n->synapses[j], g->sum, 1, 1);
            }
        }
        for (int32_t j = 0; j < n->n_synapses; j++)
            if (n->synapses[j].source == 0) feed(k, s, i, &n->synapses[j], g->sum, k->levels, 1);
        if (n->kind == NEURONS) k->use->fire(n, whole(n->shape), k->levels, g->sum, g->value, NULL);
    }
}

/* Take over the inputs that moved by at least `threshold`; returns where. */
static area take_changes(const node *n, flow *g, const int32_t *x, int32_t threshold)
{
    area active = {n->shape.height, 0, n->shape.width, 0};
    const int32_t channels = n->shape.channels;
    for (int32_t row = 0; row < n->shape.height; row++)
        for (int32_t column = 0; column < n->shape.width; column++) {
            size_t at = ((size_t)row * (size_t)n->shape.width + (size_t)column) * (size_t)channels;
            int32_t differs = 0;
            for (int32_t c = 0; c < channels; c++) {
                int32_t change = x[at + (size_t)c] - g->value[at + (size_t)c];
                if (change < threshold && -change < threshold) change = 0;
                g->change[at + (size_t)c] = change;
                g->value[at + (size_t)c] += change;
                differs |= change;
            }
            if (differs) active = (area){least(active.top, row), most(active.bottom, row + 1),
                                         least(active.left, column), most(active.right, column + 1)};
        }
    return active;
}

static void add_changes(const node *n, flow *g, area where)
{
    size_t length = (size_t)(where.right - where.left) * (size_t)n->shape.channels;
    for (int32_t row = where.top; row < where.bottom; row++) {
        size_t at = ((size_t)row * (size_t)n->shape.width + (size_t)where.left) * (size_t)n->shape.channels;
        for (size_t i = at; i < at + length; i++) g->value[i] += g->change[i];
    }
}

/* Propagate what changed in the input. `is_first`: every neuron fires anew, as its bias alone may make it. */
static void run_changes(kernel *k, state *s, area active, int32_t is_first)
{
    send(k, s, 0, s->flows[0].change, active);
    for (int32_t i = 1; i < k->n_nodes; i++) {
        const node *n = &k->nodes[i];
        flow *g = &s->flows[i];
        area where = {0, 0, 0, 0};
        if (n->kind == POOL) {
            const flow *from = &s->flows[n->pool_source];
            where = reach(from->active, n->pool, n->shape);
            if (!is_empty(where)) {
                k->use->pool(n, &k->nodes[n->pool_source], from, where, g->change);
                add_changes(n, g, where);
            }
        }
        for (int32_t j = 0; j < n->n_synapses; j++)
            where = both(where, feed(k, s, i, &n->synapses[j], g->sum, n->synapses[j].source == 0 ? k->levels : 1, 1));
        if (is_first) where = whole(n->shape);
        if (n->kind == NEURONS) where = k->use->fire(n, where, k->levels, g->sum, g->value, g->change);
        if (n->kind != READOUT) send(k, s, i, g->change, where);
    }
}

static void forget(kernel *k, state *s)
{
    s->is_primed = 0;
    for (int32_t i = 0; i < k->n_nodes; i++) {
        const node *n = &k->nodes[i];
        flow *g = &s->flows[i];
        memset(g->value, 0, values_of(n->shape) * sizeof(int32_t));
        if (g->sum) memset(g->sum, 0, places(n->shape) * (size_t)n->padded * sizeof(int32_t));
    }
}

EXPORT int32_t spiking_abi(void) { return ABI; }

EXPORT const char *spiking_variant(const kernel *k) { return k->use->name; }

EXPORT void spiking_close(kernel *k)
{
    if (!k) return;
    for (block *b = k->blocks; b;) {
        block *next = b->next;
        free(b);
        b = next;
    }
    free(k);
}

EXPORT kernel *spiking_open(const int32_t *words, int64_t n_words, const int8_t *weights, int64_t n_weights)
{
    reader r = {words, words + n_words, weights, weights + n_weights, 0};
    kernel *k = calloc(1, sizeof(kernel));
    if (!k) return NULL;
    read_program(k, &r);
    if (!r.is_bad && r.words == r.end && r.weights == r.weights_end) {
        make_state(k, &k->full);
        make_state(k, &k->delta);
        if (!k->is_out_of_memory) return k;
    }
    spiking_close(k);
    return NULL;
}

/* One frame from scratch. These functions return the steps that were run, or ERROR_INPUT. */
EXPORT int32_t spiking_run(kernel *k, const int32_t *x, int32_t *logits, int32_t *counts)
{
    if (!is_input_good(k, x)) return ERROR_INPUT;
    if (k->coding == INTEGRATE_AND_FIRE) return run_steps(k, &k->full, x, -1, logits, counts);
    run_counts(k, &k->full, x);
    read_out(k, &k->full, k->levels, logits);
    memcpy(counts, k->full.flows[k->features_node].value, (size_t)k->n_features * sizeof(int32_t));
    return k->steps;
}

/* Step by step: bit planes for radix, else integrate and fire. `margin` below 0: all steps. */
EXPORT int32_t spiking_step(kernel *k, const int32_t *x, int64_t margin, int32_t *logits, int32_t *counts)
{
    if (!is_input_good(k, x)) return ERROR_INPUT;
    if (k->coding != RADIX) return run_steps(k, &k->full, x, margin, logits, counts);
    run_planes(k, &k->full, x);
    read_out(k, &k->full, k->levels, logits);
    memcpy(counts, k->full.flows[k->features_node].value, (size_t)k->n_features * sizeof(int32_t));
    return k->steps;
}

/* The next frame of a stream; returns UNCHANGED and writes nothing when the last answer holds. Membranes of
 * integrate-and-fire start anew in each frame, so there only such frames are saved. */
EXPORT int32_t spiking_delta(kernel *k, const int32_t *x, int32_t threshold, int32_t *logits, int32_t *counts)
{
    state *s = &k->delta;
    flow *input = &s->flows[0];
    const node *n = &k->nodes[0];
    int32_t is_first = !s->is_primed;
    int32_t step = is_first ? 1 : most(threshold, 1);
    int32_t found = k->use->compare(x, input->value, values_of(n->shape), step, k->low, k->high);
    if (found == ERROR_INPUT || (found == UNCHANGED && !is_first)) return found;
    area active = take_changes(n, input, x, step);
    if (k->coding == INTEGRATE_AND_FIRE) {
        s->is_primed = 1;
        return run_steps(k, s, input->value, -1, logits, counts);
    }
    run_changes(k, s, active, is_first);
    s->is_primed = 1;
    read_out(k, s, k->levels, logits);
    memcpy(counts, s->flows[k->features_node].value, (size_t)k->n_features * sizeof(int32_t));
    return k->steps;
}

EXPORT void spiking_reset(kernel *k) { forget(k, &k->delta); }

#else /* -------------------------------------------------------------------------- what depends on VECTOR_BYTES */

#define HALVES (VECTOR_BYTES / 2)
#define WIDES (VECTOR_BYTES / 4)
#define half WIDTH(half)
#define wide WIDTH(wide)
#define signed_wide WIDTH(signed_wide)

typedef uint16_t half __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t wide __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t signed_wide __attribute__((vector_size(VECTOR_BYTES)));

INLINE TARGET half WIDTH(load_half)(const void *from) { half v; memcpy(&v, from, sizeof v); return v; }
INLINE TARGET wide WIDTH(load)(const void *from) { wide v; memcpy(&v, from, sizeof v); return v; }
INLINE TARGET void WIDTH(store)(void *to, wide v) { memcpy(to, &v, sizeof v); }
INLINE TARGET wide WIDTH(even)(half v) { return (wide)((signed_wide)((wide)v << 16) >> 16); }
INLINE TARGET wide WIDTH(odd)(half v) { return (wide)((signed_wide)v >> 16); }
INLINE TARGET wide WIDTH(is_negative)(wide v) { return (wide)((signed_wide)v >> 31); } /* all ones or 0 */

/* Store the first `n` lanes, or all if that is more; returns them, with 0 in the others. */
INLINE TARGET wide WIDTH(put)(int32_t *to, wide v, int32_t n)
{
    for (int i = 0; n < WIDES && i < WIDES; i++)
        if (i < n) to[i] = (int32_t)v[i];
        else v[i] = 0;
    if (n >= WIDES) WIDTH(store)(to, v);
    return v;
}

INLINE TARGET int WIDTH(is_any)(wide v)
{
    uint32_t any = 0;
    for (int i = 0; i < WIDES; i++) any |= v[i];
    return any != 0;
}

/* Sums for n vectors of outputs at one place: the inner loop of everything but depthwise.
 *
 * `narrow` holds 16-bit sums of the events so far, `low` and `high` the 32-bit sums of its even and odd lanes. `left`
 * events still fit `narrow`; when there are none it is added to `low` and `high` and starts at 0 again. Without a budget
 * every product is made in 32 bits. At the end all is multiplied by `factor` (T for the input, 2^shift) and stored.
 * n is constant in every call, so the arrays are registers and the loops over j are unrolled. */
INLINE TARGET void WIDTH(gather_block)(
    const int n, const synapses *y, const run *runs, int32_t n_runs, int32_t column, int32_t padded,
    int32_t *sum, int32_t factor, int32_t add)
{
    const int32_t budget = y->budget;
    const int16_t *base = y->weight + column;
    half narrow[4] = {{0}};
    wide low[4] = {{0}}, high[4] = {{0}};
    int32_t left = budget;
    for (int32_t i = 0; i < n_runs; i++) {
        const event *e = runs[i].from, *to = runs[i].to;
        const int32_t origin = runs[i].origin;
        while (e < to) {
            const event *stop = budget ? (to - e > left ? e + left : to) : to;
            if (budget) left -= (int32_t)(stop - e);
            for (; budget && e < stop; e++) {
                const int16_t *w = base + (ptrdiff_t)(e->offset - origin) * padded;
                half v = (half){0} + (uint16_t)e->value;
                for (int j = 0; j < n; j++) narrow[j] += v * WIDTH(load_half)(w + j * HALVES);
            }
            for (; !budget && e < stop; e++) {
                const int16_t *w = base + (ptrdiff_t)(e->offset - origin) * padded;
                wide v = (wide){0} + (uint32_t)e->value;
                for (int j = 0; j < n; j++) {
                    half h = WIDTH(load_half)(w + j * HALVES);
                    low[j] += v * WIDTH(even)(h);
                    high[j] += v * WIDTH(odd)(h);
                }
            }
            if (budget && left == 0) {
                for (int j = 0; j < n; j++) {
                    low[j] += WIDTH(even)(narrow[j]);
                    high[j] += WIDTH(odd)(narrow[j]);
                    narrow[j] = (half){0};
                }
                left = budget;
            }
        }
    }
    wide times = (wide){0} + (uint32_t)factor;
    for (int j = 0; j < n; j++) {
        int32_t *to = sum + column + j * HALVES;
        wide a = (low[j] + WIDTH(even)(narrow[j])) * times, b = (high[j] + WIDTH(odd)(narrow[j])) * times;
        if (add) {
            a += WIDTH(load)(to);
            b += WIDTH(load)(to + WIDES);
        }
        WIDTH(store)(to, a);
        WIDTH(store)(to + WIDES, b);
    }
}

INLINE TARGET void WIDTH(gather_place)(
    const synapses *y, const run *runs, int32_t n_runs, int32_t padded, int32_t *sum, int32_t factor, int32_t add)
{
    int32_t column = 0;
    for (; column + 4 * HALVES <= padded; column += 4 * HALVES)
        WIDTH(gather_block)(4, y, runs, n_runs, column, padded, sum, factor, add);
    if (column + 2 * HALVES <= padded) {
        WIDTH(gather_block)(2, y, runs, n_runs, column, padded, sum, factor, add);
        column += 2 * HALVES;
    }
    if (column < padded) WIDTH(gather_block)(1, y, runs, n_runs, column, padded, sum, factor, add);
}

/* sum (+)= factor * what the events of `from` give at the places `where`. */
static TARGET void WIDTH(gather)(
    const node *target, const synapses *y, const node *source, const flow *from, area where, int32_t *sum,
    int32_t factor, int32_t add)
{
    enum { MAX_RUNS = 32 };
    run runs[MAX_RUNS];
    const int32_t padded = target->padded, width = source->shape.width, channels = source->shape.channels;
    const window *w = &y->window;
    if (y->kind == DENSE) {
        runs[0] = (run){from->events, from->events + from->n_events, 0};
        WIDTH(gather_place)(y, runs, 1, padded, sum, factor, add);
        return;
    }
    for (int32_t row = where.top; row < where.bottom; row++) {
        int32_t top = row * w->down - w->above;
        int32_t begin = most(top, from->active.top), end = least(top + w->rows, from->active.bottom);
        for (int32_t column = where.left; column < where.right; column++) {
            int32_t left = column * w->across - w->before;
            int32_t first = most(left, from->active.left), last = least(left + w->columns, from->active.right);
            int32_t *to = sum + ((ptrdiff_t)row * target->shape.width + column) * padded;
            int32_t is_added = add, line = begin;
            do {
                int32_t n = 0;
                for (; first < last && line < end && n < MAX_RUNS; line++) {
                    const int32_t *at = from->first + (ptrdiff_t)line * (width + 1);
                    if (at[first] == at[last]) continue;
                    int32_t origin = (line * width + left - (line - top) * w->columns) * channels;
                    runs[n++] = (run){from->events + at[first], from->events + at[last], origin};
                }
                if (n > 0 || !is_added) WIDTH(gather_place)(y, runs, n, padded, to, factor, is_added);
                is_added = 1;
            } while (first < last && line < end);
        }
    }
}

/* The same for depthwise synapses, which read all values, zero or not. */
static TARGET void WIDTH(filter)(
    const node *target, const synapses *y, const node *source, const flow *from, area where, int32_t *sum,
    int32_t factor, int32_t add)
{
    const int32_t channels = target->shape.channels, width = source->shape.width;
    const window *w = &y->window;
    for (int32_t row = where.top; row < where.bottom; row++)
        for (int32_t column = where.left; column < where.right; column++) {
            int32_t top = row * w->down - w->above, left = column * w->across - w->before;
            uint32_t *to = (uint32_t *)sum + ((ptrdiff_t)row * target->shape.width + column) * target->padded;
            if (!add) memset(to, 0, (size_t)channels * sizeof *to);
            for (int32_t i = most(top, from->active.top); i < least(top + w->rows, from->active.bottom); i++)
                for (int32_t j = most(left, from->active.left); j < least(left + w->columns, from->active.right); j++) {
                    const int32_t *value = from->sent + ((ptrdiff_t)i * width + j) * channels;
                    const int16_t *weight = y->weight + ((ptrdiff_t)(i - top) * w->columns + (j - left)) * channels;
                    for (int32_t c = 0; c < channels; c++)
                        to[c] += (uint32_t)value[c] * (uint32_t)(int32_t)weight[c] * (uint32_t)factor;
                }
        }
}

/* Sums of windows at the places `where`. */
static TARGET void WIDTH(pool)(const node *target, const node *source, const flow *from, area where, int32_t *sums)
{
    const int32_t channels = target->shape.channels, width = source->shape.width;
    const window *w = &target->pool;
    for (int32_t row = where.top; row < where.bottom; row++)
        for (int32_t column = where.left; column < where.right; column++) {
            int32_t top = row * w->down, left = column * w->across;
            int32_t *to = sums + ((ptrdiff_t)row * target->shape.width + column) * channels;
            memset(to, 0, (size_t)channels * sizeof *to);
            for (int32_t i = most(top, from->active.top); i < least(top + w->rows, from->active.bottom); i++)
                for (int32_t j = most(left, from->active.left); j < least(left + w->columns, from->active.right); j++) {
                    const int32_t *value = from->sent + ((ptrdiff_t)i * width + j) * channels;
                    for (int32_t c = 0; c < channels; c++) to[c] += value[c];
                }
        }
}

/* clip(floor((sum + start) / threshold), 0, levels) for one vector of channels. Clipping to 0 .. levels * threshold
 * first makes both ways of dividing short: a few subtractions, or the reciprocal of prepare_firing, whose quotient is
 * right or one too small, as what remains tells. */
INLINE TARGET wide WIDTH(quotient)(const node *n, int32_t c, int32_t levels, wide sum)
{
    wide cap = WIDTH(load)(n->cap + c), threshold = WIDTH(load)(n->threshold + c);
    wide v = sum + WIDTH(load)(n->start + c);
    v &= ~WIDTH(is_negative)(v);
    wide is_below = WIDTH(is_negative)(v - cap); /* both are in 0 .. 2^31 - 1 */
    v = (v & is_below) | (cap & ~is_below);
    wide count = {0};
    if (n->few_levels) {
        for (int32_t i = 0; i < levels; i++) {
            v -= threshold;
            count += WIDTH(is_negative)(v) + 1;
        }
        return count;
    }
    count = ((v >> WIDTH(load)(n->right_shift + c)) * WIDTH(load)(n->reciprocal + c)) >> QUOTIENT_BITS;
    return count + WIDTH(is_negative)(v - count * threshold - threshold) + 1;
}

/* New counts at the places `where`; with `change`, also how they differ from the old ones. Returns where they do. */
static TARGET area WIDTH(fire)(
    const node *n, area where, int32_t levels, const int32_t *sum, int32_t *value, int32_t *change)
{
    const int32_t channels = n->shape.channels;
    area active = {n->shape.height, 0, n->shape.width, 0};
    for (int32_t row = where.top; row < where.bottom; row++)
        for (int32_t column = where.left; column < where.right; column++) {
            ptrdiff_t place = (ptrdiff_t)row * n->shape.width + column;
            const int32_t *in = sum + place * n->padded;
            wide differs = {0};
            for (int32_t c = 0; c < channels; c += WIDES) {
                wide count = WIDTH(quotient)(n, c, levels, WIDTH(load)(in + c));
                int32_t *out = value + place * channels + c;
                if (change) {
                    wide difference = count - WIDTH(load)(out);
                    differs |= WIDTH(put)(change + place * channels + c, difference, channels - c);
                }
                WIDTH(put)(out, count, channels - c);
            }
            if (change && WIDTH(is_any)(differs))
                active = (area){least(active.top, row), most(active.bottom, row + 1),
                                least(active.left, column), most(active.right, column + 1)};
        }
    return active;
}

/* One step of integrate-and-fire at the places `where`: membrane += bias (+ constant), spike, soft reset. */
static TARGET void WIDTH(spike)(const node *n, area where, const int32_t *constant, int32_t *membrane, int32_t *value)
{
    const int32_t channels = n->shape.channels;
    for (int32_t row = where.top; row < where.bottom; row++)
        for (int32_t column = where.left; column < where.right; column++) {
            ptrdiff_t place = (ptrdiff_t)row * n->shape.width + column;
            int32_t *in = membrane + place * n->padded;
            for (int32_t c = 0; c < channels; c += WIDES) {
                wide threshold = WIDTH(load)(n->threshold + c);
                wide v = WIDTH(load)(in + c) + WIDTH(load)(n->bias + c);
                if (constant) v += WIDTH(load)(constant + place * n->padded + c);
                wide fires = (wide)((signed_wide)v >= (signed_wide)threshold);
                WIDTH(store)(in + c, v - (threshold & fires));
                WIDTH(put)(value + place * channels + c, fires & 1, channels - c);
            }
        }
}

/* The events of what a node sends, place by place. */
static TARGET void WIDTH(collect)(const node *n, flow *g)
{
    const int32_t channels = n->shape.channels, width = n->shape.width;
    event *e = g->events;
    int32_t count = 0;
    for (int32_t row = g->active.top; row < g->active.bottom; row++) {
        int32_t *first = g->first + (ptrdiff_t)row * (width + 1);
        for (int32_t column = g->active.left; column < g->active.right; column++) {
            int32_t at = (row * width + column) * channels;
            first[column] = count;
            for (int32_t i = at; i < at + channels; i++) {
                e[count] = (event){i, g->sent[i]};
                count += g->sent[i] != 0;
            }
        }
        first[g->active.right] = count;
    }
    g->n_events = count;
}

/* Whether values of x differ from `held` by `threshold` (at least 1): UNCHANGED, CHANGED; or leave low..high. */
static TARGET int32_t WIDTH(compare)(
    const int32_t *x, const int32_t *held, size_t n, int32_t threshold, int32_t low, int32_t high)
{
    const wide lowest = (wide){0} + (uint32_t)low, highest = (wide){0} + (uint32_t)high;
    const wide step = (wide){0} + (uint32_t)threshold;
    wide leaves = {0}, differs = {0};
    for (size_t i = 0; i < n; i += WIDES) {
        wide now = {0}, change = {0};
        if (i + WIDES <= n) {
            now = WIDTH(load)(x + i);
            change = now - WIDTH(load)(held + i);
        } else {
            memcpy(&now, x + i, (n - i) * sizeof *x);
            memcpy(&change, held + i, (n - i) * sizeof *x);
            change = now - change;
        }
        leaves |= (wide)((signed_wide)now < (signed_wide)lowest) | (wide)((signed_wide)now > (signed_wide)highest);
        differs |= (wide)((signed_wide)change >= (signed_wide)step) | (wide)((signed_wide)-change >= (signed_wide)step);
    }
    return WIDTH(is_any)(leaves) ? ERROR_INPUT : WIDTH(is_any)(differs) ? CHANGED : UNCHANGED;
}

static const functions WIDTH(functions) = {
    TEXT(VARIANT), HALVES, WIDTH(gather), WIDTH(filter), WIDTH(pool), WIDTH(fire), WIDTH(spike), WIDTH(collect),
    WIDTH(compare),
};

#undef half
#undef wide
#undef signed_wide
#undef HALVES
#undef WIDES

#endif
