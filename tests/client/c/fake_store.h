/* A server in this process and chunks of the real codec, for tests in C. */
#ifndef QSTORE_TESTS_CLIENT_C_FAKE_STORE_H
#define QSTORE_TESTS_CLIENT_C_FAKE_STORE_H

/* NOLINTBEGIN(modernize-deprecated-headers,readability-identifier-naming) */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Starts it; HOST:PORT. It has the model "org/model" with the files "copy.txt",
 * "empty", "model.safetensors" and "notes.txt". */
const char* fake_store_start(void);
void fake_store_stop(void);

/* Answers what is asked. */
void fake_store_serve(void);
/* Downloads do not end, until fake_store_serve. */
void fake_store_hang(void);
/* Every call ends with this gRPC code; 0: as it should. */
void fake_store_fail(int code, const char* message);

/* What a file holds; NULL: there is none. */
const char* fake_store_file(const char* path, size_t* size_bytes);

/* A chunk of BF16 weights, a scale for each row. */
typedef struct {
  uint32_t rows;
  uint32_t columns;
  const uint8_t* weights;
  size_t weights_bytes;
  const uint8_t* int8_blob;
  size_t int8_bytes;
  size_t residual_count; /* at most 32 */
  const uint8_t* residual[32];
  size_t residual_bytes[32];
  uint32_t subgroups[32];
  const uint8_t* plain_blob; /* of the same weights */
  size_t plain_bytes;
} fake_chunk;
const fake_chunk* fake_chunk_make(void);

#ifdef __cplusplus
}
#endif
/* NOLINTEND(modernize-deprecated-headers,readability-identifier-naming) */

#endif /* QSTORE_TESTS_CLIENT_C_FAKE_STORE_H */
