// Matrix products of ggml's CPU backend, for quantized.py: reads lines "TYPE rows columns terms seconds" and answers each
// with the seconds of one product. The weights are in the buffer type that ggml repacks for its fastest kernels, where it
// has one for the type and shape, and in plain memory otherwise or if the second argument (after the threads) is plain;
// the answer says which.
//
//   cc -O2 -I GGML/include tools/bench/ggml.c -o bin/ggml-worker BUILD/src/libggml.a BUILD/src/libggml-cpu.a BUILD/src/libggml-base.a -lstdc++ -lm -lpthread -fopenmp

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

struct product {
    char key[64];
    const char *where;
    struct ggml_cgraph *graph;
};

static struct product known[64];
static int count;
static int plain; // without repacking
static ggml_backend_t backend;

static enum ggml_type type_of(const char *name) {
    for (int i = 0; i < GGML_TYPE_COUNT; i++) {
        const char *known_name = ggml_type_name(i);
        if (known_name && strcasecmp(known_name, name) == 0) return i;
    }
    fprintf(stderr, "unknown type %s\n", name);
    exit(1);
}

// in_buffer allocates the weight in a buffer type if its kernels take the product.
static int in_buffer(ggml_backend_dev_t device, ggml_backend_buffer_type_t type, struct ggml_tensor *w, struct ggml_tensor *y) {
    ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(type, ggml_backend_buft_get_alloc_size(type, w) + 4096);
    if (!buffer) return 0;
    ggml_backend_tensor_alloc(buffer, w, ggml_backend_buffer_get_base(buffer));
    if (ggml_backend_dev_supports_op(device, y)) return 1;
    ggml_backend_buffer_free(buffer);
    w->buffer = NULL, w->data = NULL, w->extra = NULL;
    return 0;
}

static void build(struct product *p, const char *name, int rows, int columns, int terms) {
    struct ggml_context *ctx = ggml_init((struct ggml_init_params){.mem_size = 1 << 20, .no_alloc = true});
    struct ggml_tensor *w = ggml_new_tensor_2d(ctx, type_of(name), terms, columns);
    struct ggml_tensor *x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, terms, rows);
    struct ggml_tensor *y = ggml_mul_mat(ctx, w, x);
    ggml_backend_dev_t device = ggml_backend_get_device(backend);
    ggml_backend_dev_get_extra_bufts_t extra = (ggml_backend_dev_get_extra_bufts_t)ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_dev_get_extra_bufts");
    p->where = NULL;
    for (ggml_backend_buffer_type_t *t = extra ? extra(device) : NULL; t && *t && !p->where && !plain; t++) {
        if (in_buffer(device, *t, w, y)) p->where = ggml_backend_buft_name(*t);
    }
    if (!p->where) {
        in_buffer(device, ggml_backend_cpu_buffer_type(), w, y);
        p->where = "plain";
    }
    float *values = malloc(sizeof(float) * terms * columns);
    for (long i = 0; i < (long)terms * columns; i++) values[i] = 0.02f * ((i * 2654435761u >> 16 & 1023) / 512.0f - 1);
    char *data = malloc(ggml_nbytes(w));
    ggml_quantize_chunk(w->type, values, data, 0, columns, terms, NULL);
    ggml_backend_tensor_set(w, data, 0, ggml_nbytes(w));
    free(data), free(values);
    ggml_backend_alloc_ctx_tensors_from_buft(ctx, ggml_backend_cpu_buffer_type()); // x and y
    float *input = x->data;
    for (long i = 0; i < (long)terms * rows; i++) input[i] = i % 251 / 125.0f - 1;
    p->graph = ggml_new_graph_custom(ctx, 16, false);
    ggml_build_forward_expand(p->graph, y);
}

int main(int argc, char **argv) {
    backend = ggml_backend_cpu_init();
    ggml_backend_cpu_set_n_threads(backend, argc > 1 ? atoi(argv[1]) : 2);
    char line[256], name[32];
    int rows, columns, terms;
    double seconds;
    plain = argc > 2 && strcmp(argv[2], "plain") == 0;
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%31s %d %d %d %lf", name, &rows, &columns, &terms, &seconds) != 5) return 1;
        char key[64];
        snprintf(key, sizeof key, "%s %d %d %d", name, rows, columns, terms);
        struct product *p = NULL;
        for (int i = 0; i < count; i++) {
            if (strcmp(known[i].key, key) == 0) p = &known[i];
        }
        if (!p) {
            if (count == 64) return 1;
            p = &known[count++];
            strcpy(p->key, key);
            build(p, name, rows, columns, terms);
            ggml_backend_graph_compute(backend, p->graph);
        }
        int n = 0;
        double begin = now();
        do {
            ggml_backend_graph_compute(backend, p->graph);
            n++;
        } while (now() - begin < seconds);
        printf("%.9f %s\n", (now() - begin) / n, p->where);
        fflush(stdout);
    }
    return 0;
}
