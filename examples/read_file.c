/* Writes one file of a stored model to stdout, without a file on this side.
 *
 *   read_file 127.0.0.1:7350 org/model config.json */
#include <qstore/qstore.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(qstore_error* error) {
  fprintf(stderr, "error: %s\n", qstore_error_message(error));
  qstore_error_free(error);
  return 1;
}

int main(int argc, char** argv) {
  qstore_session* session = NULL;
  qstore_error* error = NULL;
  uint64_t size_bytes = 0;
  qstore_code code;
  void* memory = NULL;
  if (argc != 4 || qstore_abi_version() != QSTORE_ABI_VERSION) return 2;
  if (qstore_session_open(argv[1], NULL, &session, &error) != QSTORE_OK) {
    return fail(error);
  }
  /* The first time tells how much memory it takes. */
  code = qstore_read_file(session, argv[2], argv[3], NULL, 0, &size_bytes, NULL,
                          &error);
  if (code == QSTORE_OUT_OF_RANGE) {
    qstore_error_free(error);
    memory = malloc(size_bytes);
    code = qstore_read_file(session, argv[2], argv[3], memory, size_bytes,
                            &size_bytes, NULL, &error);
  }
  if (code == QSTORE_OK) fwrite(memory, 1, size_bytes, stdout);
  free(memory);
  qstore_session_close(session);
  return code == QSTORE_OK ? 0 : fail(error);
}
