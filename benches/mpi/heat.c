/* The same diffusion over MPI, for benches/heat.rs: halos sent from process to process, or windows of shared memory.
 *
 * heat MODE SIZE STEPS INITIAL RESULT: MODE is `messages` or `windows`; INITIAL and RESULT are files of SIZE x SIZE doubles.
 * Prints the seconds that the steps took, between two barriers. */

#include <mpi.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double RATE = 0.2;

static void must(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "heat: %s\n", what);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
}

/* Some items of a row of the next state from three rows of the last one. */
static void step_items(const double *restrict above, const double *restrict here, const double *restrict below,
                       double *restrict into, int first, int end) {
    for (int at = first; at < end; at++) {
        double around = (above[at] + below[at]) + (here[at - 1] + here[at + 1]);
        into[at] = here[at] + RATE * (around - 4.0 * here[at]);
    }
}

/* A row: up to the first item that stands on a line of the cache, and the others, which are stored a line at a time. */
static void step_row(const double *above, const double *here, const double *below, double *into, int size) {
    int line = size - 1 < 8 ? size - 1 : 8;
    into[0] = here[0];
    step_items(above, here, below, into, 1, line);
    step_items(above, here, below, into, line, size - 1);
    into[size - 1] = here[size - 1];
}

/* The rows first..end of a field; `old` and `new` are where row 0 would be. Every other step begins with the last row: the
 * cache still has what the step before made last. */
static void step_rows(int step, const double *old, double *new, int first, int end, int size) {
    for (int at = first; at < end; at++) {
        int row = step % 2 == 0 ? at : end - 1 - (at - first);
        const double *here = old + (size_t)row * size;
        double *into = new + (size_t)row * size;
        if (row == 0 || row == size - 1)
            memcpy(into, here, size * sizeof(double));
        else
            step_row(here - size, here, here + size, into, size);
    }
}

static void read_rows(const char *path, double *into, int first, int rows, int size) {
    FILE *file = fopen(path, "rb");
    must(file && !fseek(file, (long)first * size * sizeof(double), SEEK_SET), "the initial field cannot be read");
    must(fread(into, sizeof(double) * size, rows, file) == (size_t)rows, "the initial field is too short");
    fclose(file);
}

static void write_rows(const char *path, const double *from, int first, int rows, int size) {
    FILE *file = fopen(path, "r+b");
    must(file && !fseek(file, (long)first * size * sizeof(double), SEEK_SET), "the result cannot be written");
    must(fwrite(from, sizeof(double) * size, rows, file) == (size_t)rows, "the result cannot be written");
    must(!fclose(file), "the result cannot be written");
}

/* Each rank has its rows and one more at each end, which its neighbours send. Inner rows are made while halos are on
 * their way. */
static double with_messages(int rank, int ranks, int first, int end, int size, int steps, const char **files) {
    int rows = end - first;
    double *both = aligned_alloc(64, (size_t)2 * (rows + 2) * size * sizeof(double));
    must(both != NULL, "no memory");
    memset(both, 0, (size_t)2 * (rows + 2) * size * sizeof(double));
    double *field[2] = {both, both + (size_t)(rows + 2) * size};
    read_rows(files[0], field[0] + size, first, rows, size);
    int above = rank > 0 ? rank - 1 : MPI_PROC_NULL, below = rank < ranks - 1 ? rank + 1 : MPI_PROC_NULL;
    MPI_Barrier(MPI_COMM_WORLD);
    double start = MPI_Wtime();
    for (int step = 0; step < steps; step++) {
        double *old = field[step % 2], *new = field[1 - step % 2];
        MPI_Request requests[4];
        MPI_Irecv(old, size, MPI_DOUBLE, above, 0, MPI_COMM_WORLD, &requests[0]);
        MPI_Irecv(old + (size_t)(rows + 1) * size, size, MPI_DOUBLE, below, 1, MPI_COMM_WORLD, &requests[1]);
        MPI_Isend(old + size, size, MPI_DOUBLE, above, 1, MPI_COMM_WORLD, &requests[2]);
        MPI_Isend(old + (size_t)rows * size, size, MPI_DOUBLE, below, 0, MPI_COMM_WORLD, &requests[3]);
        /* Row 0 of the field is row 1 here. */
        const double *old0 = old - ((ptrdiff_t)first - 1) * size;
        double *new0 = new - ((ptrdiff_t)first - 1) * size;
        step_rows(step, old0, new0, first + 1, end - 1, size);
        MPI_Waitall(4, requests, MPI_STATUSES_IGNORE);
        step_rows(step, old0, new0, first, first + 1, size);
        step_rows(step, old0, new0, end - 1, end, size);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    double seconds = MPI_Wtime() - start;
    write_rows(files[1], field[steps % 2] + size, first, rows, size);
    free(both);
    return seconds;
}

/* Both states are in windows that all ranks map; a barrier is between the steps. */
static double with_windows(int rank, int ranks, int first, int end, int size, int steps, const char **files) {
    double *field[2];
    MPI_Win windows[2];
    (void)ranks;
    for (int which = 0; which < 2; which++) {
        MPI_Aint bytes = rank == 0 ? (MPI_Aint)size * size * sizeof(double) : 0;
        double *own;
        MPI_Win_allocate_shared(bytes, sizeof(double), MPI_INFO_NULL, MPI_COMM_WORLD, &own, &windows[which]);
        MPI_Aint found;
        int unit;
        MPI_Win_shared_query(windows[which], 0, &found, &unit, &field[which]);
        MPI_Win_lock_all(MPI_MODE_NOCHECK, windows[which]);
    }
    read_rows(files[0], field[0] + (size_t)first * size, first, end - first, size);
    memset(field[1] + (size_t)first * size, 0, (size_t)(end - first) * size * sizeof(double));
    MPI_Win_sync(windows[0]);
    MPI_Barrier(MPI_COMM_WORLD);
    double start = MPI_Wtime();
    for (int step = 0; step < steps; step++) {
        step_rows(step, field[step % 2], field[1 - step % 2], first, end, size);
        MPI_Win_sync(windows[1 - step % 2]);
        MPI_Barrier(MPI_COMM_WORLD);
        MPI_Win_sync(windows[1 - step % 2]);
    }
    double seconds = MPI_Wtime() - start;
    write_rows(files[1], field[steps % 2] + (size_t)first * size, first, end - first, size);
    for (int which = 0; which < 2; which++) {
        MPI_Win_unlock_all(windows[which]);
        MPI_Win_free(&windows[which]);
    }
    return seconds;
}

int main(int count, char **words) {
    MPI_Init(&count, &words);
    must(count == 6, "usage: heat messages|windows SIZE STEPS INITIAL RESULT");
    int rank, ranks, size = atoi(words[2]), steps = atoi(words[3]);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    const char *files[2] = {words[4], words[5]};
    int first = (int)((long)rank * size / ranks), end = (int)((long)(rank + 1) * size / ranks);
    must(end - first >= 2, "too many ranks");
    double (*run)(int, int, int, int, int, int, const char **) =
        strcmp(words[1], "windows") ? with_messages : with_windows;
    double seconds = run(rank, ranks, first, end, size, steps, files);
    if (rank == 0)
        printf("%.9f\n", seconds);
    MPI_Finalize();
    return 0;
}
