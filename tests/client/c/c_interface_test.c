/* The C interface as a program in C99 sees it, against a server in this
 * process. */
/* NOLINTBEGIN(readability-identifier-naming): C's names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/c/qstore.h"
#include "tests/client/c/fake_store.h"

static int failures = 0;

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                             \
    }                                                                         \
  } while (0)

/* `expression` gives `expected_code`, and an error whose message has
 * `fragment`. */
#define CHECK_FAILS(expected_code, fragment, expression)             \
  do {                                                               \
    qstore_error* error = NULL;                                      \
    const qstore_code code = (expression);                           \
    CHECK(code == (expected_code));                                  \
    CHECK(qstore_error_code(error) == (expected_code));              \
    CHECK(error != NULL &&                                           \
          strstr(qstore_error_message(error), (fragment)) != NULL);  \
    if (error != NULL && code != (expected_code)) {                  \
      fprintf(stderr, "  it is: %s\n", qstore_error_message(error)); \
    }                                                                \
    qstore_error_free(error);                                        \
  } while (0)

#define CHECK_OK(expression)                                         \
  do {                                                               \
    qstore_error* error = NULL;                                      \
    CHECK((expression) == QSTORE_OK);                                \
    CHECK(error == NULL);                                            \
    if (error != NULL) {                                             \
      fprintf(stderr, "  it is: %s\n", qstore_error_message(error)); \
    }                                                                \
    qstore_error_free(error);                                        \
  } while (0)

/* ---- A session ---- */

static qstore_session* session = NULL;

static void test_versions(void) {
  CHECK(qstore_abi_version() == QSTORE_ABI_VERSION);
  CHECK(strchr(qstore_version(), '.') != NULL);
}

static void test_open(const char* server) {
  qstore_session_options options = {0};
  qstore_session* none = NULL;
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "server is NULL",
              qstore_session_open(NULL, NULL, &none, &error));
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "session is NULL",
              qstore_session_open(server, NULL, NULL, &error));
  /* As of a program that was built with another header. */
  options.struct_size = sizeof(size_t);
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "struct_size",
              qstore_session_open(server, &options, &none, &error));
  options.struct_size = sizeof(options);
  options.retry_seconds = -1;
  /* Nothing listens on the discard port. */
  CHECK_FAILS(QSTORE_UNAVAILABLE, "127.0.0.1:9",
              qstore_session_open("127.0.0.1:9", &options, &none, &error));
  CHECK(none == NULL);
  CHECK_OK(qstore_session_open(server, &options, &session, &error));
  /* The description is not wanted by everyone. */
  CHECK(qstore_session_open(NULL, NULL, &none, NULL) ==
        QSTORE_INVALID_ARGUMENT);
}

static void test_reasons(void) {
  qstore_session* none = NULL;
  qstore_session_options options = {0};
  qstore_error* error = NULL;
  options.struct_size = sizeof(options);
  options.retry_seconds = -1;
  CHECK(qstore_session_open("127.0.0.1:9", &options, &none, &error) ==
        QSTORE_UNAVAILABLE);
  CHECK(strcmp(qstore_error_reason(error), "UNREACHABLE") == 0);
  qstore_error_free(error);
}

static void test_null(void) {
  CHECK(qstore_error_code(NULL) == QSTORE_OK);
  CHECK(qstore_error_message(NULL) == NULL);
  CHECK(qstore_error_reason(NULL) == NULL);
  qstore_error_free(NULL);
  qstore_session_close(NULL);
  qstore_models_free(NULL);
  qstore_revision_free(NULL);
  qstore_decoder_free(NULL);
  qstore_cancel(NULL);
  qstore_cancellation_free(NULL);
  CHECK(qstore_models_count(NULL) == 0);
  CHECK(qstore_models_name(NULL, 0) == NULL);
  CHECK(qstore_revision_model(NULL) == NULL);
  CHECK(qstore_revision_id(NULL) == NULL);
  CHECK(qstore_revision_file_count(NULL) == 0);
  CHECK(qstore_file_path(NULL, 0) == NULL);
  CHECK(qstore_file_size(NULL, 0) == 0);
  CHECK(qstore_tensor_shape(NULL, 0, 0) == NULL);
  CHECK(qstore_chunk_weight_count(NULL) == 0);
  CHECK(qstore_chunk_scale_count(NULL) == 0);
}

/* ---- Listings ---- */

static void test_models(void) {
  qstore_models* models = NULL;
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "session is NULL",
              qstore_list_models(NULL, "", &models, &error));
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "models is NULL",
              qstore_list_models(session, "", NULL, &error));
  CHECK_OK(qstore_list_models(session, NULL, &models, &error));
  CHECK(qstore_models_count(models) == 1);
  CHECK(strcmp(qstore_models_name(models, 0), "org/model") == 0);
  CHECK(qstore_models_name(models, 1) == NULL);
  CHECK(qstore_models_revision_count(models, 0) == 1);
  CHECK(strlen(qstore_models_revision(models, 0, 0)) == 64);
  CHECK(qstore_models_revision(models, 0, 1) == NULL);
  CHECK(qstore_models_revision(models, 1, 0) == NULL);
  qstore_models_free(models);
}

static void test_inspect(void) {
  qstore_revision* revision = NULL;
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "reference is NULL",
              qstore_inspect(session, NULL, &revision, &error));
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "",
              qstore_inspect(session, "/etc/passwd", &revision, &error));
  CHECK(revision == NULL);
  fake_store_fail(QSTORE_NOT_FOUND, "no model \"org/none\"");
  CHECK_FAILS(QSTORE_NOT_FOUND, "org/none",
              qstore_inspect(session, "org/none", &revision, &error));
  fake_store_fail(QSTORE_OK, "");
  CHECK_OK(qstore_inspect(session, "org/model", &revision, &error));
  CHECK(strcmp(qstore_revision_model(revision), "org/model") == 0);
  CHECK(strlen(qstore_revision_id(revision)) == 64);
  CHECK(qstore_revision_file_count(revision) == 4);
  CHECK(strcmp(qstore_file_path(revision, 2), "model.safetensors") == 0);
  CHECK(qstore_file_path(revision, 4) == NULL);
  CHECK(qstore_file_size(revision, 1) == 0);
  CHECK(qstore_file_size(revision, 3) == 3000);
  CHECK(qstore_file_tensor_count(revision, 3) == 0);
  CHECK(qstore_file_tensor_count(revision, 2) == 2);
  for (size_t i = 0; i < 2; ++i) {
    const char* const name = qstore_tensor_name(revision, 2, i);
    const uint64_t* const shape = qstore_tensor_shape(revision, 2, i);
    if (strcmp(name, "a.weight") == 0) {
      CHECK(qstore_tensor_dtype(revision, 2, i) == QSTORE_BF16);
      CHECK(qstore_tensor_rank(revision, 2, i) == 2);
      CHECK(shape[0] == 7 && shape[1] == 5);
      CHECK(qstore_tensor_size(revision, 2, i) == 70);
      CHECK(qstore_tensor_quantized(revision, 2, i) == 1);
    } else {
      CHECK(strcmp(name, "a.bias") == 0);
      CHECK(qstore_tensor_dtype(revision, 2, i) == QSTORE_F32);
      CHECK(qstore_tensor_rank(revision, 2, i) == 1);
      CHECK(shape[0] == 7);
      CHECK(qstore_tensor_quantized(revision, 2, i) == 0);
    }
  }
  CHECK(qstore_tensor_name(revision, 2, 2) == NULL);
  CHECK(qstore_tensor_shape(revision, 0, 0) == NULL);
  qstore_revision_free(revision);
}

/* ---- Reads ---- */

typedef struct {
  char path[64];
  void* memory;
  uint64_t size_bytes;
} read_file;

typedef struct {
  read_file files[8];
  size_t count;
  int refuses;
} read_files;

static void* allocate(void* context, const char* path, uint64_t size_bytes) {
  read_files* const files = context;
  read_file* const file = &files->files[files->count];
  if (files->refuses || files->count == 8) return NULL;
  ++files->count;
  snprintf(file->path, sizeof(file->path), "%s", path);
  file->memory = malloc(size_bytes);
  file->size_bytes = size_bytes;
  return file->memory;
}

static void free_files(read_files* files) {
  for (size_t i = 0; i < files->count; ++i) free(files->files[i].memory);
  memset(files, 0, sizeof(*files));
}

typedef struct {
  uint64_t done_bytes;
  uint64_t total_bytes;
  int calls;
  qstore_cancellation* cancels; /* after some bytes */
} watched;

static void watch(void* context, uint64_t done_bytes, uint64_t total_bytes) {
  watched* const seen = context;
  seen->done_bytes = done_bytes;
  seen->total_bytes = total_bytes;
  ++seen->calls;
  if (done_bytes > 0) qstore_cancel(seen->cancels);
}

static void test_read(void) {
  read_files files = {0};
  watched seen = {0};
  qstore_read_options options = {0};
  options.struct_size = sizeof(options);
  options.threads = 2;
  options.progress = watch;
  options.context = &seen;
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "allocate is NULL",
              qstore_read(session, "org/model", NULL, NULL, NULL, &error));
  CHECK_OK(
      qstore_read(session, "org/model", allocate, &files, &options, &error));
  CHECK(files.count == 3); /* not the empty one */
  for (size_t i = 0; i < files.count; ++i) {
    size_t size_bytes = 0;
    const char* const bytes = fake_store_file(files.files[i].path, &size_bytes);
    CHECK(bytes != NULL && size_bytes == files.files[i].size_bytes);
    CHECK(bytes != NULL &&
          memcmp(bytes, files.files[i].memory, size_bytes) == 0);
  }
  CHECK(seen.calls > 2);
  CHECK(seen.done_bytes > 0 && seen.total_bytes >= seen.done_bytes);
  free_files(&files);

  files.refuses = 1;
  CHECK_FAILS(
      QSTORE_RESOURCE_EXHAUSTED, "no memory was given",
      qstore_read(session, "org/model", allocate, &files, NULL, &error));
  files.refuses = 0;
  options.precision = "int7";
  CHECK_FAILS(
      QSTORE_INVALID_ARGUMENT, "int7",
      qstore_read(session, "org/model", allocate, &files, &options, &error));
  options.precision = "int8";
  options.struct_size = 1;
  CHECK_FAILS(
      QSTORE_INVALID_ARGUMENT, "struct_size",
      qstore_read(session, "org/model", allocate, &files, &options, &error));
  options.struct_size = sizeof(options);
  CHECK_OK(
      qstore_read(session, "org/model", allocate, &files, &options, &error));
  CHECK(files.count == 3);
  free_files(&files);
}

static void test_read_file(void) {
  char memory[4000];
  uint64_t size_bytes = 7;
  CHECK_OK(qstore_read_file(session, "org/model", "notes.txt", memory,
                            sizeof(memory), &size_bytes, NULL, &error));
  CHECK(size_bytes == 3000);
  CHECK(memory[0] == 'n' && memory[2999] == 'n');
  /* The same bytes under their other name. */
  memset(memory, 0, sizeof(memory));
  CHECK_OK(qstore_read_file(session, "org/model", "copy.txt", memory,
                            sizeof(memory), &size_bytes, NULL, &error));
  CHECK(size_bytes == 3000 && memory[2999] == 'n');
  CHECK_OK(qstore_read_file(session, "org/model", "empty", NULL, 0, &size_bytes,
                            NULL, &error));
  CHECK(size_bytes == 0);
  CHECK_FAILS(QSTORE_OUT_OF_RANGE, "3000",
              qstore_read_file(session, "org/model", "notes.txt", memory, 2999,
                               &size_bytes, NULL, &error));
  CHECK(size_bytes == 3000);
  CHECK_FAILS(QSTORE_NOT_FOUND, "none.txt",
              qstore_read_file(session, "org/model", "none.txt", memory, 1,
                               &size_bytes, NULL, &error));
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "memory is NULL",
              qstore_read_file(session, "org/model", "empty", NULL, 1,
                               &size_bytes, NULL, &error));
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "size_bytes is NULL",
              qstore_read_file(session, "org/model", "empty", NULL, 0, NULL,
                               NULL, &error));
}

static void test_download(const char* directory) {
  char path[512];
  char bytes[3001];
  FILE* file = NULL;
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "directory is NULL",
              qstore_download(session, "org/model", NULL, NULL, &error));
  CHECK_OK(qstore_download(session, "org/model", directory, NULL, &error));
  snprintf(path, sizeof(path), "%s/notes.txt", directory);
  file = fopen(path, "rb");
  CHECK(file != NULL);
  if (file == NULL) return;
  CHECK(fread(bytes, 1, sizeof(bytes), file) == 3000);
  fclose(file);
  /* A file is no directory. */
  CHECK_FAILS(QSTORE_FAILED_PRECONDITION, "notes.txt",
              qstore_download(session, "org/model", path, NULL, &error));
}

static void test_cancel(void) {
  read_files files = {0};
  watched seen = {0};
  qstore_read_options options = {0};
  options.struct_size = sizeof(options);
  options.progress = watch;
  options.context = &seen;
  options.cancellation = qstore_cancellation_new();
  seen.cancels = options.cancellation;
  fake_store_hang();
  CHECK_FAILS(
      QSTORE_CANCELLED, "",
      qstore_read(session, "org/model", allocate, &files, &options, &error));
  fake_store_serve();
  qstore_cancellation_free(options.cancellation);
  free_files(&files);
}

/* ---- Decoding ---- */

static void test_decode(void) {
  const fake_chunk* const chunk = fake_chunk_make();
  qstore_decoder* decoder = NULL;
  qstore_chunk_shape shape = {QSTORE_BF16, QSTORE_SCALE_CHANNEL, chunk->rows,
                              chunk->columns, 0};
  const qstore_blob int8_blob = {chunk->int8_blob, chunk->int8_bytes, 0};
  const qstore_blob plain_blob = {chunk->plain_blob, chunk->plain_bytes, 0};
  const qstore_blob nowhere = {NULL, 10, 0};
  qstore_blob residual[32];
  const uint64_t code_count = qstore_chunk_weight_count(&shape);
  const uint64_t scale_count = qstore_chunk_scale_count(&shape);
  int8_t* const codes = malloc(code_count);
  float* const scales = malloc(scale_count * sizeof(float));
  uint8_t* const weights = malloc(chunk->weights_bytes);
  uint8_t* const hostile = malloc(chunk->int8_bytes);
  for (size_t i = 0; i < chunk->residual_count; ++i) {
    residual[i].bytes = chunk->residual[i];
    residual[i].size_bytes = chunk->residual_bytes[i];
    residual[i].subgroup = chunk->subgroups[i];
  }
  CHECK(code_count == (uint64_t)chunk->rows * chunk->columns);
  CHECK(scale_count == chunk->rows);
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "decoder is NULL",
              qstore_decoder_new(NULL, &error));
  CHECK_OK(qstore_decoder_new(&decoder, &error));

  CHECK_OK(qstore_decode_int8(decoder, &shape, &int8_blob, codes, code_count,
                              scales, scale_count, &error));
  for (uint64_t i = 0; i < code_count; ++i) {
    /* Within half a step of the weight. */
    const uint32_t bits = (uint32_t)chunk->weights[2 * i] << 16 |
                          (uint32_t)chunk->weights[2 * i + 1] << 24;
    const float scale = scales[i / chunk->columns];
    float weight = 0;
    float difference = 0;
    memcpy(&weight, &bits, sizeof(weight));
    difference = weight - (float)codes[i] * scale;
    CHECK(difference <= 0.501f * scale && -difference <= 0.501f * scale);
  }
  CHECK_OK(qstore_decode_weights(decoder, &shape, &int8_blob, residual,
                                 chunk->residual_count, weights,
                                 chunk->weights_bytes, &error));
  CHECK(memcmp(weights, chunk->weights, chunk->weights_bytes) == 0);
  memset(weights, 0, chunk->weights_bytes);
  CHECK_OK(qstore_decode_plain(decoder, &plain_blob, weights,
                               chunk->weights_bytes, &error));
  CHECK(memcmp(weights, chunk->weights, chunk->weights_bytes) == 0);

  /* Hostile blobs: cut at every length, a bit changed at every place. What
   * still decodes is somebody else's to notice, by its checksum. */
  for (size_t i = 0; i < chunk->int8_bytes; ++i) {
    qstore_blob bad = {hostile, i, 0};
    memcpy(hostile, chunk->int8_blob, chunk->int8_bytes);
    CHECK_FAILS(QSTORE_DATA_LOSS, "",
                qstore_decode_int8(decoder, &shape, &bad, codes, code_count,
                                   scales, scale_count, &error));
    bad.size_bytes = chunk->int8_bytes;
    hostile[i] ^= 1;
    const qstore_code code = qstore_decode_weights(
        decoder, &shape, &bad, residual, chunk->residual_count, weights,
        chunk->weights_bytes, NULL);
    CHECK(code == QSTORE_OK || code == QSTORE_DATA_LOSS);
  }
  CHECK_FAILS(QSTORE_DATA_LOSS, "",
              qstore_decode_plain(decoder, &int8_blob, weights,
                                  chunk->weights_bytes, &error));

  /* Mistakes of the caller. */
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "decoder is NULL",
              qstore_decode_plain(NULL, &plain_blob, weights, 1, &error));
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "blob is NULL",
              qstore_decode_plain(decoder, NULL, weights, 1, &error));
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "bytes of a blob",
              qstore_decode_plain(decoder, &nowhere, weights, 1, &error));
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "shape is NULL",
              qstore_decode_int8(decoder, NULL, &int8_blob, codes, code_count,
                                 scales, scale_count, &error));
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "room for",
              qstore_decode_int8(decoder, &shape, &int8_blob, codes,
                                 code_count - 1, scales, scale_count, &error));
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "scales is NULL",
              qstore_decode_int8(decoder, &shape, &int8_blob, codes, code_count,
                                 NULL, scale_count, &error));
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "residual is NULL",
              qstore_decode_weights(decoder, &shape, &int8_blob, NULL, 1,
                                    weights, chunk->weights_bytes, &error));
  CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "subgroup 256",
              (residual[0].subgroup = 256,
               qstore_decode_weights(decoder, &shape, &int8_blob, residual,
                                     chunk->residual_count, weights,
                                     chunk->weights_bytes, &error)));
  {
    const qstore_chunk_shape wrong[] = {
        {QSTORE_I32, QSTORE_SCALE_CHANNEL, 1, 1, 0},
        {QSTORE_BF16, 9, 1, 1, 0},
        {QSTORE_BF16, QSTORE_SCALE_GROUP, 1, 1, 0},
        {QSTORE_BF16, QSTORE_SCALE_CHANNEL, 1, 1, 1},
        {QSTORE_BF16, QSTORE_SCALE_CHANNEL, 0, 1, 0},
        {QSTORE_BF16, QSTORE_SCALE_CHANNEL, 1, 0, 0},
        {QSTORE_BF16, QSTORE_SCALE_CHANNEL, UINT32_MAX, UINT32_MAX, 0},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); ++i) {
      CHECK(qstore_chunk_weight_count(&wrong[i]) == 0);
      CHECK_FAILS(QSTORE_INVALID_ARGUMENT, "",
                  qstore_decode_int8(decoder, &wrong[i], &int8_blob, codes,
                                     code_count, scales, scale_count, &error));
    }
  }
  free(codes);
  free(scales);
  free(weights);
  free(hostile);
  qstore_decoder_free(decoder);
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s DIRECTORY (that does not exist)\n", argv[0]);
    return 2;
  }
  const char* const server = fake_store_start();
  test_versions();
  test_null();
  test_open(server);
  test_reasons();
  if (session != NULL) {
    test_models();
    test_inspect();
    test_read();
    test_read_file();
    test_download(argv[1]);
    test_cancel();
  }
  test_decode();
  qstore_session_close(session);
  fake_store_stop();
  if (failures == 0) printf("ok\n");
  return failures == 0 ? 0 : 1;
}
/* NOLINTEND(readability-identifier-naming) */
